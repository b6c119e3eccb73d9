"""A preset: what a preview of one name looks like. Pure values, validated."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_settings import NoDecode

# A double underscore separates the parts of a variable's name (PREW_PRESETS__CARD__WIDTH), so no name may have one.
NAME_PATTERN = r"^[a-z](_?[a-z0-9])*_?$"
MAX_SIDE_PX = 10_000
# What a denser variant has more of, and how much of it there may be at most; pixels all.
MAX_VALUES = {"width": MAX_SIDE_PX, "height": MAX_SIDE_PX, "sharpen": 10, "blur": 20}
_UNSEEN = {"also"}  # what changes nothing in a preview
MAX_ALSO = 16  # of the resize function, in one invocation
_FIRST = {"width", "height", "fit", "position", "format", "quality", "enlarge", "background"}

PresetName = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=32)]
Side = Annotated[int, Field(ge=1, le=MAX_SIDE_PX)]
Fit = Literal["cover", "contain", "fill", "inside", "outside"]
Quality = Annotated[int, Field(ge=1, le=100)]
WebpEffort = Annotated[int, Field(ge=0, le=6)]
AvifEffort = Annotated[int, Field(ge=0, le=9)]
Sharpen = Annotated[float, Field(ge=0.1, le=MAX_VALUES["sharpen"])]
Blur = Annotated[float, Field(ge=0.3, le=MAX_VALUES["blur"])]
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$", to_lower=True)]
Transparent = Literal["flatten", "keep"]
Format = Literal["keep", "auto", "jpeg", "png", "webp", "avif"]
Position = Literal[
    "centre",
    "top",
    "right top",
    "right",
    "right bottom",
    "bottom",
    "left bottom",
    "left",
    "left top",
    "attention",
    "entropy",
]


def _densities(value: object) -> object:
    """`2,3` as variables have it; JSON may say `[2, 3]` or `2`."""
    listed = value.split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
    named = {str(each).strip() for each in listed}
    if not named <= {"2", "3", "4"}:
        raise ValueError(f"is {value!r}, and should be some of 2, 3 and 4, such as 2,3")
    return tuple(sorted(map(int, named)))


Densities = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_densities)]


def _names(value: object) -> object:
    """`card,hero` as variables have it; JSON has a list."""
    listed = value.split(",") if isinstance(value, str) else value
    if not isinstance(listed, list | tuple):
        raise ValueError(f"is {value!r}, and should be names of presets, such as card,hero")  # noqa: TRY004 -- pydantic's
    names = tuple(dict.fromkeys(str(each).strip() for each in listed))
    if len(names) > MAX_ALSO:
        raise ValueError(f"has {len(names)} presets, and {MAX_ALSO} is the most")
    return names


Also = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]


class Preset(BaseModel):
    """How a preview is rendered, in sharp's words. The descriptions appear in docs/reference/presets.md."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: Side | None = Field(None, description="pixels; unset: follows from the height and the photo's proportions")
    height: Side | None = Field(None, description="likewise; one of the two is required")
    fit: Fit = Field("cover", description="how the photo fits the box, in the words of the sharp library")
    position: Position = Field("centre", description="which part `cover` keeps, and where `contain` places the photo")
    format: Format = Field(
        "keep",
        description="`keep`: the photo's own, if browsers show it; `auto`: AVIF, WebP, or JPEG (PNG if transparent), "
        "as the browser accepts",
    )
    quality: Quality | None = Field(None, description="unset: 80 for JPEG and WebP, 50 for AVIF; PNG has none")
    jpeg_quality: Quality | None = Field(None, description="quality of JPEG, if it differs from `__QUALITY`")
    webp_quality: Quality | None = Field(None, description="likewise for WebP")
    avif_quality: Quality | None = Field(None, description="likewise for AVIF")
    webp_effort: WebpEffort | None = Field(
        None, description="effort of WebP's encoder: `0` is fastest, `6` smallest; unset: 1"
    )
    avif_effort: AvifEffort | None = Field(None, description="likewise for AVIF, up to `9`; unset: 1")
    dpr: Densities = Field(
        (),
        description="variants for high-density screens: with `2`, `card@2x` has twice the width and height of `card`",
    )
    enlarge: bool = Field(False, description="scale a smaller photo up")
    background: Colour = Field(
        "#ffffff", description="colour behind `contain`, and instead of transparency if the format has none"
    )
    transparent: Transparent = Field(
        "flatten",
        description="if the format has no transparency: `flatten` onto the background, `keep` as PNG; `auto` keeps it",
    )
    sharpen: Sharpen | None = Field(None, description="sigma in pixels of an unsharp mask after scaling")
    blur: Blur | None = Field(None, description="sigma in pixels of a blur after scaling")
    also: Also = Field(
        (),
        description="presets that are usually requested next: one invocation renders the missing ones too",
    )
    animated: bool = Field(False, description="keep an animation, as WebP; else render its first frame")
    best_effort: bool = Field(False, description="render what can be decoded of a damaged photo")

    @model_validator(mode="after")
    def _makes_sense(self) -> Preset:
        if self.width is None and self.height is None:
            raise ValueError("needs a width or a height in pixels")
        if self.fit == "contain" and self.position in {"attention", "entropy"}:
            raise ValueError(f"position {self.position} chooses what to cut, and fit contain cuts nothing: use cover")
        for name, most in MAX_VALUES.items():
            value, densest = getattr(self, name) or 0, max(self.dpr, default=1)
            if value * densest > most:
                raise ValueError(f"dpr {densest} makes {name} {value:g} x {densest}, and {most} is the most: lower one")
        return self

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change with any part of the definition.

        Fields that were added later count where they are not at their defaults, so that old presets keep theirs.
        """
        whole = self.model_dump()
        stated = {name: whole[name] for name in whole if self._counts(name, whole[name])}
        definition = json.dumps(stated, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(definition.encode()).hexdigest()[:12]

    @cached_property
    def look(self) -> dict[str, Any]:
        """What the resize function is told of a variant: all fields but those that are about other previews."""
        return self.model_dump(exclude={"dpr", *_UNSEEN})

    def _counts(self, name: str, value: object) -> bool:
        return name not in _UNSEEN and (name in _FIRST or value != self._default(name))

    @classmethod
    def _default(cls, name: str) -> object:
        return cls.model_fields[name].default
