"""Which objects below the photos cannot be pictures: folder markers, and what file managers and people leave there."""

from __future__ import annotations

import mimetypes

from prewmanager.previews.inventory import StoredObject
from prewmanager.previews.ports import ObjectReader

_LEFT_BEHIND = frozenset({"thumbs.db", "desktop.ini"})
# What S3 stores for a file whose type the uploader did not say.
_UNKNOWN = frozenset({"", "application/octet-stream", "binary/octet-stream"})


def is_folder(stored: StoredObject) -> bool:
    """Whether an object is a folder's marker: S3's console creates one for each folder that is made there."""
    return stored.key.endswith("/")


async def is_no_picture(stored: StoredObject, photos: ObjectReader) -> bool:
    """Whether neither name nor content type is a picture's; for a picture's name, nobody is asked.

    Raises `StorageFailed`.
    """
    if not stored.size:
        return True
    name = stored.key.rpartition("/")[2].lower()
    by_name = mimetypes.guess_type(name)[0] or ""
    if by_name.startswith("image/"):
        return False
    head = await photos.head(stored.key)
    content_type = "" if head is None else head.made.content_type.partition(";")[0].strip().lower()
    if content_type not in _UNKNOWN:
        return not content_type.startswith("image/")
    return bool(by_name) or name.startswith(".") or name in _LEFT_BEHIND
