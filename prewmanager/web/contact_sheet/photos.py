"""Photos of the bucket, a page at a time, found by the beginning or any part of their names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from prewmanager.errors import InvalidKey
from prewmanager.previews.catalogue import Catalogue, decode_path
from prewmanager.previews.inventory import StoredObject
from prewmanager.previews.ports import Pages

PAGE = 60
LISTED_AT_ONCE = 1000  # S3's limit
MOST_LOOKED_AT = 20_000  # names in one request; a search through more is gone on with by its cursor


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo by its name without the prefix; `size` is in bytes. Of an unusable one no path can ask for a preview."""

    name: str
    size: int
    modified: datetime
    usable: bool


@dataclass(frozen=True, slots=True)
class Found:
    """One page of photos, how many names were looked at for it, and where the next page begins, if there is one."""

    photos: list[Photo]
    looked_at: int
    cursor: str | None


class PhotoFinder:
    """Finds photos in a listing that is read as far as one page needs."""

    def __init__(self, pages: Pages, catalogue: Catalogue) -> None:
        self._pages = pages
        self._catalogue = catalogue

    async def find(self, prefix: str, search: str, cursor: str | None) -> Found:
        """The next photos whose name begins with `prefix` and has `search` in it, in any case of letters.

        Raises `InvalidKey` for a cursor that is none of ours, and `StorageFailed`.
        """
        token, skip = _parse(cursor)
        wanted, photos, looked_at = search.casefold(), list[Photo](), 0
        while looked_at < MOST_LOOKED_AT:
            page = await self._pages.page(
                f"{self._catalogue.source_prefix}/{prefix}", LISTED_AT_ONCE if wanted else PAGE, token
            )
            for number, photo in self._photos(page.objects):
                if number < skip:
                    continue
                if len(photos) == PAGE:
                    return Found(photos, looked_at, f"{number}:{token or ''}")
                looked_at += 1
                if wanted in photo.name.casefold():
                    photos.append(photo)
            if page.token is None:
                return Found(photos, looked_at, None)
            token, skip = page.token, 0
            if len(photos) == PAGE:
                break
        return Found(photos, looked_at, f"0:{token}")

    def _photos(self, objects: list[StoredObject]) -> Iterator[tuple[int, Photo]]:
        """With their places in the listing; what ends with a slash is a folder that some tool made."""
        for number, each in enumerate(objects):
            if not each.key.endswith("/"):
                name = each.key.removeprefix(f"{self._catalogue.source_prefix}/")
                yield number, Photo(name, each.size, each.modified, self._is_usable(name))

    def _is_usable(self, name: str) -> bool:
        try:
            decode_path(f"/{quote(name)}")
            for preset in self._catalogue.presets:
                self._catalogue.preview(preset, name)
        except InvalidKey:
            return False
        return True


def _parse(cursor: str | None) -> tuple[str | None, int]:
    """S3's token, and how many objects of its page belong to the page before."""
    if not cursor:
        return None, 0
    number, colon, token = cursor.partition(":")
    if not (colon and number.isascii() and number.isdigit() and int(number) <= LISTED_AT_ONCE):
        raise InvalidKey("the cursor is none of ours")
    return token or None, int(number)
