"""The edge function's settings, fixed when it is packaged: Lambda@Edge has no environment variables.

`python -m shipping` checks a JSON file of these fields and packages it as `edge_config.json`, beside this module.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from lambda_resize.settings import MIB, SettingsError
from prewmanager_presets import MAX_SIDE

CONFIG_FILE = "edge_config.json"

_HOST = re.compile(
    r"(?=.{1,253}(?::|$))[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+(?::\d{1,5})?"
)
_SCHEMES = ("http", "https")
_SIZE = re.compile(r"(?=.*\d)(\d{0,5})x(\d{0,5})")
_CHOICES = {
    "missing_side": ("default", "proportional"),
    "fit": ("contain", "cover", "fill", "inside", "outside"),
    "undecodable": ("origin", "picture", "problem"),
}
_FORMATS = ("avif", "webp")
_BOUNDS = {
    "default_width": MAX_SIDE,
    "default_height": MAX_SIDE,
    "max_width": MAX_SIDE,
    "max_height": MAX_SIDE,
    "max_source_bytes": 256 * MIB,
    "max_source_pixels": 500_000_000,
    "max_answer_bytes": MIB,
    "max_redirects": 10,
    "fetch_timeout_s": 25,
    "total_timeout_s": 28,
}


@dataclass(frozen=True)
class EdgeSettings:
    """All settings of the edge function.

    Attributes:
        allowed_hosts: Hosts that images may come from, each as in a URL: lower case, `host` or `host:port`. Names only,
            international ones in their `xn--` form; no wildcards.
        schemes: URL schemes that may be fetched: `https`, `http` or both.
        default_width: Pixels, if the query has no size; see `missing_side`.
        default_height: Pixels, likewise.
        max_width: Largest `w`, in pixels; a larger one is a 400.
        max_height: Largest `h`, likewise.
        missing_side: What a query with only one side means: `default`, the other is its default, or `proportional`, the
            photo's proportions make the other, up to its maximum.
        sizes: The sizes that are answered, as `300x300`, and `300x` or `x300` for one side if that is `proportional`;
            others are a 400. The default size always is. Empty: every size within the maxima.
        fit: How an image fits a size, in sharp's words; `contain` adds white around it.
        undecodable: What a viewer gets where the image cannot be decoded: the answer of the `origin`, a grey `picture`,
            or a `problem`, 422.
        formats: `avif`, `webp` or both: the first one that the viewer's `Accept` names is the image's; empty: an image
            keeps its own. The template's `FormatsByAccept` must say `true` with it.
        max_source_bytes: Largest image that is fetched.
        max_source_pixels: Width x height of the image; Lambda@Edge functions have little memory by default.
        max_answer_bytes: Largest answer, headers and base64 included. CloudFront answers 502 above 1 MB
            (docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html); whether MB
            or MiB is not documented, so the smaller one is assumed.
        max_redirects: Redirects that are followed for one image.
        fetch_timeout_s: Seconds for the whole fetch, with lookups and redirects.
        total_timeout_s: Seconds for fetch and rendering together; Lambda@Edge ends the function after 30.
    """

    allowed_hosts: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ("https",)
    default_width: int = 1200
    default_height: int = 627
    max_width: int = 2400
    max_height: int = 2400
    missing_side: str = "default"
    sizes: tuple[str, ...] = ()
    fit: str = "contain"
    undecodable: str = "origin"
    formats: tuple[str, ...] = ()
    max_source_bytes: int = 20 * MIB
    max_source_pixels: int = 50_000_000
    max_answer_bytes: int = 1_000_000
    max_redirects: int = 3
    fetch_timeout_s: int = 10
    total_timeout_s: int = 25

    def __post_init__(self) -> None:
        """Check all fields.

        Raises:
            SettingsError: One is invalid. The message begins with its name and repeats no value: whatever was pasted
                into the wrong place, a key too, would end in a log.
        """
        for name in ("allowed_hosts", "schemes", "sizes", "formats"):
            if not isinstance(getattr(self, name), tuple):
                raise SettingsError(f"{name}: not a list")
        for number, host in enumerate(self.allowed_hosts, start=1):
            _check_host(f"allowed_hosts: entry {number}", host)
        for number, scheme in enumerate(self.schemes, start=1):
            if scheme not in _SCHEMES:
                raise SettingsError(f"schemes: entry {number} is neither https nor http")
        for number, each in enumerate(self.formats, start=1):
            _check_choice(f"formats: entry {number} is", each, _FORMATS)
        for name, choices in _CHOICES.items():
            _check_choice(f"{name}:", getattr(self, name), choices)
        for name, high in _BOUNDS.items():
            _check_number(name, getattr(self, name), high)
        self._check_together()

    def _check_together(self) -> None:
        if self.default_width > self.max_width or self.default_height > self.max_height:
            raise SettingsError("default_width, default_height: above max_width or max_height")
        if self.fetch_timeout_s > self.total_timeout_s:
            raise SettingsError("fetch_timeout_s: above total_timeout_s")
        for number, size in enumerate(self.sizes, start=1):
            found = _SIZE.fullmatch(str(size))
            if not found or not self._is_within(*found.groups()):
                raise SettingsError(f"sizes: entry {number} is not a size like 300x300 within max_width and max_height")
            if "" in found.groups() and self.missing_side == "default":
                raise SettingsError(f"sizes: entry {number} has one side, which needs missing_side: proportional")

    def _is_within(self, width: str, height: str) -> bool:
        sides = [(text, high) for text, high in ((width, self.max_width), (height, self.max_height)) if text]
        return all(not text.startswith("0") and int(text) <= high for text, high in sides)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the settings from a JSON object; omitted fields have their defaults. Raises `SettingsError`."""
        try:
            given: Any = json.loads(text)
        except ValueError as error:
            raise SettingsError(f"not valid JSON: {error}") from error
        if not isinstance(given, Mapping):
            raise SettingsError(f"a {type(given).__name__}, not an object")
        if unknown := given.keys() - {field.name for field in fields(cls)}:
            raise SettingsError(f"{', '.join(sorted(unknown))}: unknown setting")
        values: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in given.items()}
        return cls(**values)

    @classmethod
    def packaged(cls) -> Self:
        """Read the settings packaged beside this module. Raises `SettingsError` if there are none, or invalid ones."""
        path = Path(__file__).with_name(CONFIG_FILE)
        if not path.exists():
            raise SettingsError(f"{CONFIG_FILE}: not in this package")
        return cls.from_json(path.read_text())


def _check_choice(what: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SettingsError(f"{what} not one of {', '.join(choices)}")


def _check_number(name: str, value: object, high: int) -> None:
    low = 0 if name == "max_redirects" else 1
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise SettingsError(f"{name}: not a whole number from {low} to {high}")


def _check_host(what: str, host: object) -> None:
    """Reject anything but a host name: an IP address could be an AWS service's, and has many spellings."""
    if not isinstance(host, str) or not _HOST.fullmatch(host) or host.partition(":")[0].rpartition(".")[2].isdigit():
        raise SettingsError(f"{what} is not a lower-case host name")
    try:
        ipaddress.ip_address(host.partition(":")[0])
    except ValueError:
        return
    raise SettingsError(f"{what} is an IP address")
