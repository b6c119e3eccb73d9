"""Resolves a request's path to a preview: its preset, the photo's key, the preview's key. No I/O.

The path is the client's, percent-encoded, as nginx passed it to S3: nginx and the service must derive the same key, or
a preview is rendered again at each request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from prewmanager.errors import InvalidKey, UnknownPreset
from prewmanager.previews.variants import like
from prewmanager_presets import Preset

MAX_KEY_BYTES = 1024  # S3's limit, for the whole key
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# S3 stores a backslash like any character, but some S3 servers treat it as a slash.
_SEGMENTS = re.compile(r"[/\\]")


@dataclass(frozen=True, slots=True)
class Preview:
    """A preview of one photo in one preset; keys are S3 keys, not percent-encoded."""

    preset_name: str
    preset: Preset
    photo_key: str
    preview_key: str

    @property
    def flight_key(self) -> str:
        """The key of the preview's flight, the same for every request.

        It includes the fingerprint, so that a changed preset never gets a result of the old definition.
        """
        return f"{self.preview_key}@{self.preset.fingerprint}"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The presets by name, and the first path segments of photos and previews."""

    presets: Mapping[str, Preset]
    source_prefix: str
    preview_prefix: str

    def resolve(self, raw_path: str) -> Preview:
        """Resolve a percent-encoded path; a query string is ignored.

        Raises `InvalidKey` if the path cannot name an object, `UnknownPreset` if it names no configured preset.
        """
        key = decode_path(raw_path)
        prefix, _, rest = key.partition("/")
        preset_name, _, photo = rest.partition("/")
        if prefix != self.preview_prefix or preset_name not in self.presets:
            raise UnknownPreset
        if not photo:
            raise InvalidKey("the path ends before the photo's name")
        return self.preview(preset_name, photo)

    def preview(self, preset_name: str, photo: str) -> Preview:
        """Return the preview of the photo with this name, its key without the source prefix.

        Raises `InvalidKey` if a key would be longer than S3 allows.
        """
        photo_key, preview_key = f"{self.source_prefix}/{photo}", f"{self.preview_prefix}/{preset_name}/{photo}"
        if max(len(photo_key.encode()), len(preview_key.encode())) > MAX_KEY_BYTES:
            raise InvalidKey(f"the key is longer than {MAX_KEY_BYTES} bytes")
        return Preview(preset_name, self.presets[preset_name], photo_key, preview_key)

    def of_photo(self, photo_key: str) -> list[Preview]:
        """Return the previews of a photo in all presets and variants.

        Raises `InvalidKey` if the key is not below the source prefix, or a preview's would be longer than S3 allows.
        """
        prefix, _, photo = photo_key.partition("/")
        if prefix != self.source_prefix or not photo:
            raise InvalidKey(f"not a photo's key: it begins with {self.source_prefix}/")
        return [self.preview(name, photo) for name in self.presets]

    def companions(self, preview: Preview) -> list[Preview]:
        """Return a preview's companions: for each preset that its own names, the matching variant."""
        names = dict.fromkeys(like(preview.preset_name, each, self.presets) for each in preview.preset.companions)
        return [companion for name in names if (companion := self.other(preview, name))]

    def other(self, preview: Preview, preset_name: str) -> Preview | None:
        """Return the same photo's preview in another preset, or None if its key would be longer than S3 allows."""
        try:
            return self.preview(preset_name, preview.photo_key.removeprefix(f"{self.source_prefix}/"))
        except InvalidKey:
            return None


def decode_path(raw_path: str) -> str:
    """Decode a percent-encoded absolute path to an S3 key, which has no leading slash, and check it.

    Raises `InvalidKey` for a malformed escape, text that is not UTF-8, control characters, and empty, `.` or `..`
    segments (a proxy, S3 and a file system each interpret them differently).
    """
    path = raw_path.partition("?")[0]
    if not path.startswith("/") or _BAD_ESCAPE.search(path):
        raise InvalidKey("the path is malformed")
    try:
        key = unquote_to_bytes(path[1:]).decode()
    except UnicodeError:
        raise InvalidKey("the path is not UTF-8") from None
    if _CONTROL.search(key):
        raise InvalidKey("the path has a control character")
    if any(segment in {"", ".", ".."} for segment in _SEGMENTS.split(key)):
        raise InvalidKey("the path has an empty, '.' or '..' segment")
    return key
