"""A preset: what a preview of one name looks like. Pure values, validated."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

# A double underscore separates the parts of a variable's name (PREW_PRESETS__CARD__WIDTH), so no name may have one.
NAME_PATTERN = r"^[a-z](_?[a-z0-9])*_?$"
MAX_SIDE_PX = 10_000
_FIRST = {"width", "height", "fit", "position", "format", "quality", "enlarge", "background"}

PresetName = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=32)]
Side = Annotated[int, Field(ge=1, le=MAX_SIDE_PX)]
Fit = Literal["cover", "contain", "fill", "inside", "outside"]
Quality = Annotated[int, Field(ge=1, le=100)]
Sharpen = Annotated[float, Field(ge=0.1, le=10)]
Blur = Annotated[float, Field(ge=0.3, le=20)]
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$", to_lower=True)]
Transparent = Literal["flatten", "keep"]
Format = Literal["keep", "jpeg", "png", "webp", "avif"]
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


class Preset(BaseModel):
    """How a preview is made; the words are sharp's. Descriptions are what the README says of each field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: Side | None = Field(None, description="pixels; without it, as the height and the photo's proportions say")
    height: Side | None = Field(None, description="likewise; one of the two is needed")
    fit: Fit = Field("cover", description="how the photo meets the box, in the words of the sharp library")
    position: Position = Field("centre", description="which part `cover` keeps, and where `contain` puts the photo")
    format: Format = Field("keep", description="`keep`: the photo's own, where browsers show it")
    quality: Quality | None = Field(None, description="unset: 80 for JPEG and WebP, 50 for AVIF; PNG has none")
    enlarge: bool = Field(False, description="whether a photo that is smaller is scaled up")
    background: Colour = Field(
        "#ffffff", description="behind `contain`, and in place of transparency where the format has none"
    )
    transparent: Transparent = Field(
        "flatten", description="where the format has no transparency: `flatten` onto the background, `keep` as a PNG"
    )
    sharpen: Sharpen | None = Field(None, description="strength (sigma, pixels) of an unsharp mask after scaling")
    blur: Blur | None = Field(None, description="strength (sigma, pixels) of a blur after scaling")
    animated: bool = Field(False, description="whether an animation stays one, in WebP; else its first frame is taken")
    best_effort: bool = Field(False, description="whether what can be decoded of a damaged photo is better than none")

    @model_validator(mode="after")
    def _makes_sense(self) -> Preset:
        if self.width is None and self.height is None:
            raise ValueError("needs a width or a height in pixels")
        if self.fit == "contain" and self.position in {"attention", "entropy"}:
            raise ValueError(f"position {self.position} chooses what to cut, and fit contain cuts nothing: use cover")
        return self

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change with any part of the definition.

        Fields that were added later count where they are not at their defaults, so that old presets keep theirs.
        """
        whole = self.model_dump()
        stated = {name: whole[name] for name in whole if name in _FIRST or whole[name] != self._default(name)}
        definition = json.dumps(stated, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(definition.encode()).hexdigest()[:12]

    @classmethod
    def _default(cls, name: str) -> object:
        return cls.model_fields[name].default
