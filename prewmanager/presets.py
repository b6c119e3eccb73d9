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

PresetName = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=32)]
Side = Annotated[int, Field(ge=1, le=MAX_SIDE_PX)]
Fit = Literal["cover", "contain", "fill", "inside", "outside"]
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
    """How a preview is made; the words are sharp's.

    `width` and `height` are pixels; where one is missing it follows from the photo's proportions. `quality` is 1 to
    100, and unset means the format's own default. `background` is `#rrggbb`, seen where `contain` pads and where
    transparency is put on a format that has none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: Side | None = None
    height: Side | None = None
    fit: Fit = "cover"
    position: Position = "centre"
    format: Format = "keep"
    quality: Annotated[int, Field(ge=1, le=100)] | None = None
    enlarge: bool = False
    background: Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$", to_lower=True)] = "#ffffff"

    @model_validator(mode="after")
    def _makes_sense(self) -> Preset:
        if self.width is None and self.height is None:
            raise ValueError("needs a width or a height in pixels")
        if self.fit == "contain" and self.position in {"attention", "entropy"}:
            raise ValueError(f"position {self.position} chooses what to cut, and fit contain cuts nothing: use cover")
        return self

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change with any part of the definition."""
        definition = json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(definition.encode()).hexdigest()[:12]
