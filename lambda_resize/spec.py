"""What a preview shall look like: the fields of a preset, in the names and meanings of the sharp library."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from lambda_resize.errors import InvalidRequest

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

MAX_SIDE = 10_000
STRATEGIES = frozenset({"attention", "entropy"})
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
        enlarge: Whether a small photo is scaled up.
        background: `#rrggbb`, behind `contain` and in place of transparency where the output has none.

    Raises:
        InvalidRequest: A field is out of bounds; the text begins with its name.
    """

    width: int | None = None
    height: int | None = None
    fit: Fit = "cover"
    position: Position = "centre"
    format: Format = "keep"
    quality: int | None = None
    enlarge: bool = False
    background: str = "#ffffff"

    def __post_init__(self) -> None:
        if self.width is None and self.height is None:
            raise InvalidRequest("width, height: one of them is needed")
        _check_range("width", self.width, MAX_SIDE)
        _check_range("height", self.height, MAX_SIDE)
        _check_range("quality", self.quality, 100)
        _check_choice("fit", self.fit, get_args(Fit))
        _check_choice("position", self.position, get_args(Position))
        _check_choice("format", self.format, get_args(Format))
        if self.fit == "contain" and self.position in STRATEGIES:
            raise InvalidRequest(f"position: {self.position} goes with the fit cover, not with contain")
        _check_flag("enlarge", self.enlarge)
        _check_colour("background", self.background)

    @property
    def background_rgb(self) -> tuple[int, int, int]:
        """The background as red, green, blue, 0 to 255 each."""
        red, green, blue = bytes.fromhex(self.background[1:])
        return red, green, blue

    @property
    def fingerprint(self) -> str:
        """12 hex digits that change with any field: SHA-256 over the fields as JSON, names sorted, no spaces."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def _check_range(name: str, value: object, high: int) -> None:
    """Accept None and whole numbers from 1 to `high`; a bool is an int to Python, and none to us."""
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= high:
        raise InvalidRequest(f"{name}: {value!r} is not a whole number from 1 to {high}")


def _check_choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidRequest(f"{name}: {value!r} is not one of {', '.join(allowed)}")


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise InvalidRequest(f"{name}: {value!r} is neither true nor false")


def _check_colour(name: str, value: object) -> None:
    if not isinstance(value, str) or not _COLOUR.fullmatch(value):
        raise InvalidRequest(f"{name}: {value!r} is not a colour as #rrggbb")
