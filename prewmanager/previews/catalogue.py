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
from prewmanager.previews.layout import SLASHES, Layout
from prewmanager.previews.variants import like
from prewmanager_presets import Preset
from prewmanager_presets.tags import cache_tags

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


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
    """The presets by name, and where photos and previews are.

    `source_bucket`, that of the photos, is part of their tags in caches.
    """

    presets: Mapping[str, Preset]
    layout: Layout
    source_bucket: str = ""

    def resolve(self, raw_path: str) -> Preview:
        """Resolve a percent-encoded path; a query string is ignored.

        Raises `InvalidKey` if the path cannot name an object, `UnknownPreset` if it names no configured preset.
        """
        key = decode_path(raw_path)
        prefix, _, rest = key.partition("/")
        preset_name, _, photo = rest.partition("/")
        if prefix != self.layout.preview_prefix or preset_name not in self.presets:
            raise UnknownPreset
        if not photo:
            raise InvalidKey("the path ends before the photo's name")
        return self.preview(preset_name, photo)

    def preview(self, preset_name: str, photo: str) -> Preview:
        """Return the preview of the photo with this name.

        Raises `InvalidKey` if the photo would be a preview, or a key longer than S3 allows.
        """
        photo_key, preview_key = self.layout.photo_key(photo), self.layout.preview_key(preset_name, photo)
        return Preview(preset_name, self.presets[preset_name], photo_key, preview_key)

    def of_photo(self, photo_key: str) -> list[Preview]:
        """Return the previews of a photo in all presets and variants, but those whose keys S3 would not allow.

        Raises `InvalidKey` if the key is no photo's.
        """
        photo = self.layout.name_of(photo_key)
        return [preview for name in self.presets if (preview := self._allowed(name, photo))]

    def cache_tags(self, preview: Preview) -> str:
        """Return the tags that a preview has in caches, separated by a comma."""
        return cache_tags(self.source_bucket, preview.photo_key, preview.preset_name)

    def companions(self, preview: Preview) -> list[Preview]:
        """Return a preview's companions: for each preset that its own names, the matching variant."""
        names = dict.fromkeys(like(preview.preset_name, each, self.presets) for each in preview.preset.companions)
        return [companion for name in names if (companion := self.other(preview, name))]

    def other(self, preview: Preview, preset_name: str) -> Preview | None:
        """Return the same photo's preview in another preset, or None if its key would be longer than S3 allows."""
        return self._allowed(preset_name, self.layout.name_of(preview.photo_key))

    def _allowed(self, preset_name: str, photo: str) -> Preview | None:
        try:
            return self.preview(preset_name, photo)
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
    if any(segment in {"", ".", ".."} for segment in SLASHES.split(key)):
        raise InvalidKey("the path has an empty, '.' or '..' segment")
    return key
