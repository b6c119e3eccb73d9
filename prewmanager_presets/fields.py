"""The fields of presets, in the names and meanings of the sharp library; docs/images.md describes them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from prewmanager_presets.efforts import EFFORTS, Effort, efforts_at
from prewmanager_presets.kinds import (
    Colour,
    Densities,
    Flag,
    Likeness,
    Names,
    Number,
    PresetError,
    Word,
    define,
    definitions,
)
from prewmanager_presets.qualities import DEFAULT_QUALITIES, equal_quality

MAX_SIDE = 10_000  # pixels
CONTENT_POSITIONS = frozenset({"attention", "entropy"})  # chosen by content; used by `cover` only

_SIDE = Number(1, MAX_SIDE)
_QUALITY = Number(1, 100)
_FITS = Word(("cover", "contain", "fill", "inside", "outside"))
_SIDES = ("top", "right top", "right", "right bottom", "bottom", "left bottom", "left", "left top")
_POSITIONS = Word(("centre", *_SIDES, "attention", "entropy"))
_FORMATS = Word(("keep", "jpeg", "png", "webp", "avif"))
_AUTO_FORMATS = Word(("keep", "auto", "jpeg", "png", "webp", "avif"))
_FORMAT = (
    "`keep`: the photo's own, if browsers show it; `auto`: AVIF, WebP, or JPEG (PNG if transparent), as the browser "
    "accepts"
)
_DENSITIES = "variants for high-density screens: with `2`, `card@2x` has twice the width and height of `card`"
_CHROMA = Word(("auto", "420", "444"))
_CHROMA_SAYS = (
    "resolution of colour: `420` half, `444` whole, `auto` whole where the picture has fine coloured detail, as text; "
    "unset: `auto`, with `__EFFORT=fast` `420`"
)
_EFFORTS = Word(tuple(EFFORTS))
_EFFORT = "how hard the encoders try: `small` makes the fewest bytes; an effort set for one format counts more"
_COMPANIONS = "presets that are usually requested next: one invocation renders the missing ones too"


@dataclass(frozen=True)
class Spec:
    """How one preview is rendered: what the resize function gets. Raises `PresetError`."""

    width: int | None = define(
        _SIDE,
        None,
        "pixels; unset: follows from the height and the photo's proportions",
        always_counts=True,
        is_scaled=True,
    )
    height: int | None = define(_SIDE, None, "likewise; one of the two is required", always_counts=True, is_scaled=True)
    fit: str = define(
        _FITS, "cover", "how the photo fits the box, in the words of the sharp library", always_counts=True
    )
    position: str = define(
        _POSITIONS, "centre", "which part `cover` keeps, and where `contain` places the photo", always_counts=True
    )
    format: str = define(_FORMATS, "keep", _FORMAT, always_counts=True)
    quality: int | None = define(
        _QUALITY, None, "as of JPEG, unset: 80; WebP and AVIF get theirs that looks the same", always_counts=True
    )
    jpeg_quality: int | None = define(_QUALITY, None, "quality of JPEG, if it differs from `__QUALITY`", format="jpeg")
    webp_quality: int | None = define(_QUALITY, None, "quality of WebP, by its own scale", format="webp")
    avif_quality: int | None = define(_QUALITY, None, "likewise for AVIF", format="avif")
    jpeg_effort: int | None = define(
        Number(0, 3),
        None,
        "effort of JPEG's encoder: `0` is fastest, `3` smallest; unset: by `__EFFORT`",
        format="jpeg",
    )
    png_effort: int | None = define(Number(0, 2), None, "likewise for PNG, up to `2`", format="png")
    webp_effort: int | None = define(Number(0, 6), None, "likewise for WebP, up to `6`", format="webp")
    avif_effort: int | None = define(
        Number(0, 9),
        None,
        "likewise for AVIF, up to `9`; above a megapixel `3` at most",
        format="avif",
    )
    avif_bitdepth: str | None = define(
        Word(("8", "10")),
        None,
        "bits a channel of AVIF: `10` take fewer bytes, up to 4 megapixels; unset: `10`, with `__EFFORT=fast` `8`",
        format="avif",
    )
    chroma: str | None = define(_CHROMA, None, _CHROMA_SAYS)
    target: str | None = define(
        Likeness(),
        None,
        "quality is found for each photo: the one at which the preview has this SSIMULACRA2, as estimated, or that of "
        "its JPEG at a quality, `q80`; not for PNG, what moves, previews above 2 megapixels or below 96 pixels a side",
    )
    max_bytes: int | None = define(
        Number(1_000, 100_000_000),
        None,
        "lower qualities are tried until a preview is no larger, down to JPEG's 20; PNG has none to lower",
    )
    enlarge: bool = define(Flag(), False, "scale a smaller photo up", always_counts=True)
    background: str = define(
        Colour(),
        "#ffffff",
        "colour behind `contain`, and instead of transparency if the format has none",
        always_counts=True,
    )
    transparent: str = define(
        Word(("flatten", "keep")),
        "flatten",
        "if the format has no transparency: `flatten` onto the background, `keep` as PNG; `auto` keeps it",
    )
    sharpen: float | None = define(
        Number(0.1, 10, whole=False),
        None,
        "sigma in pixels of an unsharp mask after scaling",
        is_scaled=True,
    )
    # A larger sigma needs a mask of more than a hundred pixels a side, which takes seconds.
    blur: float | None = define(
        Number(0.3, 20, whole=False), None, "sigma in pixels of a blur after scaling", is_scaled=True
    )
    animated: bool = define(Flag(), False, "keep an animation, as WebP; else render its first frame")
    best_effort: bool = define(Flag(), False, "render what can be decoded of a damaged photo")
    colours: str = define(
        Word(("srgb", "wide")), "srgb", "`wide`: a photo with colours beyond sRGB's is rendered in Display P3"
    )
    metadata: str = define(
        Word(("none", "copyright")),
        "none",
        "`copyright`: keep the photo's creator, notice, credit, terms and their addresses, and nothing else",
    )

    def __post_init__(self) -> None:
        if self.width is None and self.height is None:
            raise PresetError("width, height", "needs a width or a height in pixels")
        for name, field in definitions(type(self)).items():
            field.check(name, getattr(self, name))
        if self.fit == "contain" and self.position in CONTENT_POSITIONS:
            reason = f"position {self.position} chooses what to cut, but fit contain cuts nothing: use cover"
            raise PresetError("position", reason)

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change with the definition: SHA-256 over the fields as sorted, compact JSON.

        Fields that were added later count only if they are not at their defaults, so that older presets keep their
        fingerprints.
        """
        whole = self.as_dict()
        counted = {name: whole[name] for name, field in definitions(type(self)).items() if field.counts(whole[name])}
        canonical = json.dumps(counted, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def as_dict(self) -> dict[str, Any]:
        """Return all fields by name."""
        return {name: getattr(self, name) for name in definitions(type(self))}

    def changes(self) -> dict[str, Any]:
        """Return the fields that are not at their defaults."""
        fields = definitions(type(self)).items()
        return {name: value for name, field in fields if (value := getattr(self, name)) != field.default}


@dataclass(frozen=True)
class Preset(Spec):
    """A configured preset: a spec whose format may be `auto`, with densities, companions, and one dial for efforts."""

    format: str = define(_AUTO_FORMATS, "keep", _FORMAT, always_counts=True)
    effort: Effort = define(_EFFORTS, "balanced", _EFFORT, is_drawn=False)  # noqa: RUF009 -- as those of type str
    dpr: tuple[int, ...] = define(Densities(), (), _DENSITIES)
    companions: tuple[str, ...] = define(Names(), (), _COMPANIONS, is_drawn=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        densest = max(self.dpr, default=1)
        for name, field in definitions(type(self)).items():
            value = getattr(self, name)
            if field.is_scaled and value and isinstance(field.kind, Number) and value * densest > field.kind.high:
                times = f"dpr {densest} makes {name} {value:g} x {densest}"
                raise PresetError(name, f"{times}, but the limit is {field.kind.high:g}: lower one")

    @cached_property
    def fingerprint(self) -> str:
        """The fingerprint of what is sent to the function: with the encoders' settings as they resolve."""
        return super(Preset, replace(self, **self._resolved_at(self.effort))).fingerprint

    @cached_property
    def spec(self) -> dict[str, Any]:
        """The fields that the resize function gets."""
        return self.spec_at(self.effort)

    def spec_at(self, effort: Effort) -> dict[str, Any]:
        """Return the fields that the resize function gets, at another effort than the preset's.

        What is rendered so is the preset's preview in fewer or more bytes, and has the preset's fingerprint.
        """
        return {name: getattr(self, name) for name in definitions(Spec)} | self._resolved_at(effort)

    def _resolved_at(self, effort: Effort) -> dict[str, Any]:
        """Return the encoders' settings that follow from others, of the formats that may come."""
        found = efforts_at(effort, self._formats)
        efforts = {field: level for field, level in found.items() if getattr(self, field) is None}
        qualities = {f"{name}_quality": self._quality(name) for name in self._formats if name in DEFAULT_QUALITIES}
        unset = self.chroma is None and self.effort != "fast" and qualities
        deep = self.avif_bitdepth is None and self.effort != "fast" and "avif" in self._formats
        return efforts | qualities | ({"chroma": "auto"} if unset else {}) | ({"avif_bitdepth": "10"} if deep else {})

    def _quality(self, target: str) -> int | None:
        """Return a format's quality, None where the function uses it without being told."""
        own: int | None = getattr(self, f"{target}_quality")
        without = self.quality or DEFAULT_QUALITIES[target]
        wanted = own or equal_quality(target, self.quality or DEFAULT_QUALITIES["jpeg"])
        return None if wanted == without else wanted

    @property
    def _formats(self) -> tuple[str, ...]:
        """The formats in which its previews may be."""
        match self.format:
            case "keep" | "auto":
                return ("jpeg", "png", "webp", "avif")
            case "jpeg":
                return ("jpeg", "png") if self.transparent == "keep" else ("jpeg",)
            case "avif":
                return ("avif", "webp") if self.animated else ("avif",)
            case other:
                return (other,)
