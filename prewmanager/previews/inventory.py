"""Objects of a bucket, as listings and HEAD requests describe them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from prewmanager.previews.outcome import Made

Wanted = Callable[[str], bool]
"""Whether the preview with this key is selected."""


class StoredObject(NamedTuple):
    """One object of a listing.

    `size` is in bytes, `modified` is S3's Last-Modified, in whole seconds, `etag` has no quotes.
    """

    key: str
    size: int
    modified: datetime
    etag: str = ""


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """One object's metadata.

    `fingerprint` is that of the preset by which a preview was rendered, `source_etag` that of the photo, without its
    quotes; None if the object does not say. `polished`: it has replaced one in more bytes. `tagged`: it has cache tags.
    """

    made: Made
    modified: datetime
    fingerprint: str | None
    source_etag: str | None = None
    polished: bool = False
    tagged: bool = False


class ListedPage(NamedTuple):
    """One page of a listing, and the token of the next page, None after the last."""

    objects: list[StoredObject]
    token: str | None
