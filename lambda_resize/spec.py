"""What a preview shall look like: the fields of a preset, in the names and meanings of the sharp library."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import Field, dataclass, fields
from typing import Literal, get_args

from lambda_resize.errors import InvalidRequest

Fit = Literal["cover", "contain", "fill", "inside", "outside"]
Format = Literal["keep", "jpeg", "png", "webp", "avif"]
Transparent = Literal["flatten", "keep"]
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

MAX_SIDE = 10_000
MAX_SIGMA = 20.0  # of a blur; beyond, a mask of more than a hundred pixels a side would take seconds
STRATEGIES = frozenset({"attention", "entropy"})
FIRST = frozenset({"width", "height", "fit", "position", "format", "quality", "enlarge", "background"})
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class Spec:
    """One preset, complete and checked.

    Attributes:
        width: Pixels, 1 to 10000; None is "as the height says". One of the two must be given.
        height: Pixels, likewise.
        fit: How the photo meets that box, see `lambda_resize.geometry`.
        position: Which part `cover` keeps, or where `contain` puts the photo. `attention` and `entropy` look at the
            content, so they go with `cover` alone.
        format: Output format; `keep` is that of the original where browsers show it.
        quality: 1 to 100; None is the default of the output format. PNG has none.
        jpeg_quality: That of JPEG, where it differs from `quality`.
        webp_quality: Likewise of WebP.
        avif_quality: Likewise of AVIF.
        webp_effort: Work of WebP's encoder, 0 (fastest) to 6 (smallest); None is its default. JPEG and PNG have none.
        avif_effort: Likewise of AVIF's, 0 to 9.
        enlarge: Whether a small photo is scaled up.
        background: `#rrggbb`, behind `contain` and in place of transparency where the output has none.
        transparent: What becomes of a picture that one can see through, where the output has no transparency:
            `flatten` puts it on the background, `keep` makes a PNG of it.
        sharpen: Strength in pixels (sigma, 0.1 to 10) of an unsharp mask after scaling; None for none.
        blur: Strength in pixels (sigma, 0.3 to 20) of a Gaussian blur after scaling; None for none.
        animated: Whether an animation stays one, as WebP, where `format` is `webp`, `avif` (whoever shows that shows
            WebP too) or `keep`; else its first frame is taken.
        best_effort: Whether as much as can be decoded of a damaged photo is better than none.

    Raises:
        InvalidRequest: A field is out of bounds; the text begins with its name.
    """

    width: int | None = None
    height: int | None = None
    fit: Fit = "cover"
    position: Position = "centre"
    format: Format = "keep"
    quality: int | None = None
    jpeg_quality: int | None = None
    webp_quality: int | None = None
    avif_quality: int | None = None
    webp_effort: int | None = None
    avif_effort: int | None = None
    enlarge: bool = False
    background: str = "#ffffff"
    transparent: Transparent = "flatten"
    sharpen: float | None = None
    blur: float | None = None
    animated: bool = False
    best_effort: bool = False

    def __post_init__(self) -> None:
        if self.width is None and self.height is None:
            raise InvalidRequest("width, height: one of them is needed")
        _check_range("width", self.width, MAX_SIDE)
        _check_range("height", self.height, MAX_SIDE)
        for quality in ("quality", "jpeg_quality", "webp_quality", "avif_quality"):
            _check_range(quality, getattr(self, quality), 100)
        _check_range("webp_effort", self.webp_effort, 6, low=0)
        _check_range("avif_effort", self.avif_effort, 9, low=0)
        _check_choice("fit", self.fit, get_args(Fit))
        _check_choice("position", self.position, get_args(Position))
        _check_choice("format", self.format, get_args(Format))
        if self.fit == "contain" and self.position in STRATEGIES:
            raise InvalidRequest(f"position: {self.position} goes with the fit cover, not with contain")
        _check_colour("background", self.background)
        _check_choice("transparent", self.transparent, get_args(Transparent))
        _check_sigma("sharpen", self.sharpen, 0.1, 10.0)
        _check_sigma("blur", self.blur, 0.3, MAX_SIGMA)
        for flag in ("enlarge", "animated", "best_effort"):
            _check_flag(flag, getattr(self, flag))

    @property
    def may_move(self) -> bool:
        """Whether an animation stays one."""
        return self.animated and self.format in {"keep", "webp", "avif"}

    def quality_of(self, target: str) -> int | None:
        """That of an output format, which `keep` leaves open until the photo is known; None for its default."""
        own: int | None = getattr(self, f"{target}_quality", None)
        return own or self.quality

    def effort_of(self, target: str) -> int | None:
        """That of an output format; None for its default."""
        own: int | None = getattr(self, f"{target}_effort", None)
        return own

    @property
    def background_rgb(self) -> tuple[int, int, int]:
        """The background as red, green, blue, 0 to 255 each."""
        red, green, blue = bytes.fromhex(self.background[1:])
        return red, green, blue

    @property
    def fingerprint(self) -> str:
        """12 hex digits that change with any field: SHA-256 over the fields as JSON, names sorted, no spaces.

        Fields that were added later are left out at their defaults, so that old presets keep theirs.
        """
        stated = {f.name: getattr(self, f.name) for f in fields(self) if f.name in FIRST or not self._default(f)}
        canonical = json.dumps(stated, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def _default(self, field: Field[object]) -> bool:
        return bool(getattr(self, field.name) == field.default)


def _check_range(name: str, value: object, high: int, low: int = 1) -> None:
    """Accept None and whole numbers from `low` to `high`; a bool is an int to Python, and none to us."""
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise InvalidRequest(f"{name}: {value!r} is not a whole number from {low} to {high}")


def _check_sigma(name: str, value: object, low: float, high: float) -> None:
    if value is None:
        return
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise InvalidRequest(f"{name}: {value!r} is not a number from {low:g} to {high:g}")


def _check_choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidRequest(f"{name}: {value!r} is not one of {', '.join(allowed)}")


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise InvalidRequest(f"{name}: {value!r} is neither true nor false")


def _check_colour(name: str, value: object) -> None:
    if not isinstance(value, str) or not _COLOUR.fullmatch(value):
        raise InvalidRequest(f"{name}: {value!r} is not a colour as #rrggbb")
