"""Where photos and previews are: the names of photos, in their buckets' keys and in paths. No I/O.

name     2026/11/a.jpg
paths    /photo/2026/11/a.jpg                  /prew/card/2026/11/a.jpg
keys     wp-content/uploads/2026/11/a.jpg      prew/card/2026/11/a.jpg
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from prewmanager.errors import InvalidKey

MAX_KEY_BYTES = 1024  # S3's limit, for the whole key
# S3 stores a backslash like any character, but some S3 servers treat it as a slash.
SLASHES = re.compile(r"[/\\]")


@dataclass(frozen=True, slots=True)
class Layout:
    """The first path segments of photos and previews, and what photos' keys begin with.

    `source_keys` is empty for the bucket's root, and otherwise ends with a slash; None: the source prefix. The keys of
    previews are their paths.
    """

    source_prefix: str
    preview_prefix: str
    source_keys: str | None = None

    @property
    def photos(self) -> str:
        """What photos' keys begin with: empty, or with a slash at its end."""
        return f"{self.source_prefix}/" if self.source_keys is None else self.source_keys

    @property
    def previews(self) -> str:
        """What previews' keys begin with, with a slash at its end."""
        return f"{self.preview_prefix}/"

    @property
    def overlaps(self) -> bool:
        """Whether all photos would be below the previews' prefix."""
        return self.photos.startswith(self.previews)

    def previews_in(self, preset_name: str) -> str:
        """Return what the keys of one preset's or variant's previews begin with, with a slash at its end."""
        return f"{self.preview_prefix}/{preset_name}/"

    def photo_key(self, name: str) -> str:
        """Return the key of the photo with this name.

        Raises `InvalidKey` if that would be a preview's, or longer than S3 allows.
        """
        key = _checked(f"{self.photos}{name}")
        if not self.is_photo(key):
            raise InvalidKey(f"not a photo's key: previews are below {self.previews}")
        return key

    def preview_key(self, preset_name: str, name: str) -> str:
        """Return the key of the preview of the photo with this name. Raises `InvalidKey` if S3 allows none as long."""
        return _checked(f"{self.previews_in(preset_name)}{name}")

    def is_photo(self, key: str) -> bool:
        """Whether an object with this key is a photo: not if it is, or may be, a preview."""
        is_preview = SLASHES.split(key, maxsplit=1)[:-1] == [self.preview_prefix]
        return key.startswith(self.photos) and len(key) > len(self.photos) and not is_preview

    def name_of(self, photo_key: str) -> str:
        """Return the name of the photo with this key. Raises `InvalidKey` if it is no photo's."""
        if not self.is_photo(photo_key):
            rule = f"begins with {self.photos}" if self.photos else f"does not begin with {self.previews}"
            raise InvalidKey(f"a photo's key {rule}")
        return photo_key.removeprefix(self.photos)

    def path_key(self, key: str) -> str:
        """Return the path, without its first slash, of the photo or the preview with this key; not percent-encoded."""
        return f"{self.source_prefix}/{self.name_of(key)}" if self.is_photo(key) else key


def _checked(key: str) -> str:
    if len(key.encode()) > MAX_KEY_BYTES:
        raise InvalidKey(f"the key is longer than {MAX_KEY_BYTES} bytes")
    return key
