"""The page of all photos in all presets."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from devstack.page import MOST_PHOTOS, describe, write_page

PRESETS = [
    {"name": "thumb", "width": 200, "height": None},
    {"name": "square", "width": 320, "height": 320, "fit": "cover"},
]


class _Addresses(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.images: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "img":
            assert values["loading"] == "lazy"
            self.images.append(values["src"] or "")
        elif tag == "a":
            self.links.append(values["href"] or "")


def _read(page: Path) -> _Addresses:
    addresses = _Addresses()
    addresses.feed(page.read_text(encoding="utf-8"))
    return addresses


def test_each_photo_is_there_in_each_preset(tmp_path: Path) -> None:
    """A row has the photo itself, and its preview in each preset."""
    found = _read(write_page(tmp_path / "www", ["photo/a.jpg", "photo/b/c.jpg"], PRESETS))

    assert found.images == [f"/prew/{preset}/{name}" for name in ("a.jpg", "b/c.jpg") for preset in ("thumb", "square")]
    assert {"/photo/a.jpg", "/photo/b/c.jpg"} <= set(found.links)


@pytest.mark.parametrize("name", ["a b+c.jpg", "100% #1?.jpg", '<script>"&.jpg', "фото/湖.jpg"])
def test_any_name_is_addressed_by_its_bytes(tmp_path: Path, name: str) -> None:
    """Whatever the name holds, the address decodes to it, and is made of harmless letters."""
    page = write_page(tmp_path, [f"photo/{name}"], PRESETS)
    (thumb, _) = _read(page).images

    assert unquote(thumb) == f"/prew/thumb/{name}"
    assert thumb.isascii()
    assert not set(thumb) & set(" +#?\"<>&'")
    assert "<script>" not in page.read_text(encoding="utf-8")


def test_the_prefixes_are_those_that_are_set(tmp_path: Path) -> None:
    """Other prefixes give other addresses."""
    found = _read(write_page(tmp_path, ["originals/a.jpg"], PRESETS, source="originals", preview="small"))

    assert found.images == ["/small/thumb/a.jpg", "/small/square/a.jpg"]
    assert "/originals/a.jpg" in found.links


def test_a_large_folder_is_cut_and_says_so(tmp_path: Path) -> None:
    """Not more than so many photos, and how many there are."""
    page = write_page(tmp_path, [f"photo/{number}.jpg" for number in range(500)], PRESETS)

    assert len(_read(page).images) == MOST_PHOTOS * len(PRESETS)
    assert "of 500 photos" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        ({"width": 200, "height": None}, "200 wide"),
        ({"width": None, "height": 90}, "90 high"),
        ({"width": 320, "height": 200, "fit": "inside"}, "320 x 200, inside"),
    ],
)
def test_a_preset_in_words(preset: dict[str, object], words: str) -> None:
    """Its size, and its fit where it has two sides."""
    assert describe(preset) == words
