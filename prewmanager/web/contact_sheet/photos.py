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

PAGE_SIZE = 60
LIST_LIMIT = 1000  # S3's maximum for one request
MAX_SEARCHED = 20_000  # names in one request; the cursor continues a longer search


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo by its name without the source prefix; `size` is in bytes. No path can request an unusable one."""

    name: str
    size: int
    modified: datetime
    usable: bool


@dataclass(frozen=True, slots=True)
class PhotoPage:
    """One page of photos, the number of names searched for it, and where the next page begins, if there is one."""

    photos: list[Photo]
    searched: int
    cursor: str | None


class PhotoFinder:
    """Finds photos in a listing, of which it reads only as much as one page needs."""

    def __init__(self, pages: Pages, catalogue: Catalogue) -> None:
        self._pages = pages
        self._catalogue = catalogue

    async def find(self, prefix: str, search: str, cursor: str | None) -> PhotoPage:
        """Return the next photos whose names begin with `prefix` and contain `search`, ignoring case.

        Raises `InvalidKey` for an invalid cursor, and `StorageFailed`.
        """
        token, skip = _parse_cursor(cursor)
        layout = self._catalogue.layout
        # Below the bucket's root there may be any number of previews between the photos.
        limit = LIST_LIMIT if search or not layout.photos else PAGE_SIZE
        wanted, photos, searched, listed = search.casefold(), list[Photo](), 0, 0
        while listed < MAX_SEARCHED:
            page = await self._pages.page(f"{layout.photos}{prefix}", limit, token)
            listed += len(page.objects)
            for number, photo in self._photos(page.objects):
                if number < skip:
                    continue
                if len(photos) == PAGE_SIZE:
                    return PhotoPage(photos, searched, f"{number}:{token or ''}")
                searched += 1
                if wanted in photo.name.casefold():
                    photos.append(photo)
            if page.token is None:
                return PhotoPage(photos, searched, None)
            token, skip = page.token, 0
            if len(photos) == PAGE_SIZE:
                break
        return PhotoPage(photos, searched, f"0:{token}")

    def _photos(self, objects: list[StoredObject]) -> Iterator[tuple[int, Photo]]:
        """Yield photos with their positions in the listing, without the folder objects that some tools create."""
        for number, each in enumerate(objects):
            if self._catalogue.layout.is_photo(each.key) and not each.key.endswith("/"):
                name = self._catalogue.layout.name_of(each.key)
                yield number, Photo(name, each.size, each.modified, self._is_usable(name))

    def _is_usable(self, name: str) -> bool:
        try:
            decode_path(f"/{quote(name)}")
            for preset in self._catalogue.presets:
                self._catalogue.preview(preset, name)
        except InvalidKey:
            return False
        return True


def _parse_cursor(cursor: str | None) -> tuple[str | None, int]:
    """Return S3's token, and how many objects of the listing behind it the page before has used."""
    if not cursor:
        return None, 0
    number, colon, token = cursor.partition(":")
    if not (colon and number.isascii() and number.isdigit() and int(number) <= LIST_LIMIT):
        raise InvalidKey("the cursor is invalid")
    return token or None, int(number)
