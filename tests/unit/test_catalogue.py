"""From a request's path to preset and keys."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewmanager.errors import InvalidKey, UnknownPreset
from prewmanager.previews.catalogue import Catalogue, decode_path
from prewmanager.previews.layout import Layout
from prewmanager_presets import Preset
from tests.support.fakes import CATALOGUE

ODD_NAMES = [
    "plain.jpg",
    "with space.jpg",
    "plus+plus.jpg",
    "a%20b.jpg",
    "a%23b.jpg",
    "a#b.jpg",
    "what?.jpg",
    '\'(1)"quoted".jpg',
    "[brackets]{}.jpg",
    "Фото/Москва.jpg",
    "クズ箱/ゴミ.jpg",
    "x" * 200 + ".jpg",
    "a=b&c@d~e*f!g$h.jpg",
    "back\\slash.jpg",
    "...jpg",
    "e\u0301.jpg",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_become_their_keys(name: str) -> None:
    strict = CATALOGUE.resolve("/prew/card/" + quote(name))
    lazy = CATALOGUE.resolve("/prew/card/" + quote(name, safe="/+'()[]{}=&@~*!$\\\""))

    assert strict.photo_key == lazy.photo_key == f"photo/{name}"
    assert strict.preview_key == lazy.preview_key == f"prew/card/{name}"


def test_a_query_is_not_part_of_the_key() -> None:
    assert CATALOGUE.resolve("/prew/card/a.jpg?v=2").photo_key == "photo/a.jpg"
    assert CATALOGUE.resolve("/prew/card/a.jpg%3Fv=2").photo_key == "photo/a.jpg?v=2"


@pytest.mark.parametrize(
    "path",
    [
        "/prew/card/../secret",
        "/prew/card/%2e%2e/secret",
        "/prew/card/..%2fsecret",
        "/prew/card/..%5csecret",
        "/prew/card/a/./b.jpg",
        "/prew/card//a.jpg",
        "/prew/card/a.jpg/",
        "/prew/card/",
        "/prew/card",
        "/prew/card/a%00.jpg",
        "/prew/card/a%0d%0ab.jpg",
        "/prew/card/a%7f.jpg",
        "/prew/card/%ff%fe.jpg",
        "/prew/card/%ed%a0%80.jpg",
        "/prew/card/a%2",
        "/prew/card/a%zz.jpg",
        "prew/card/a.jpg",
        "/prew/card/" + "a" * 1020,
        "/prew/card/" + quote("ф" * 510),
    ],
)
def test_invalid_keys_are_refused(path: str) -> None:
    with pytest.raises(InvalidKey):
        CATALOGUE.resolve(path)


@pytest.mark.parametrize(
    "path", ["/prew/cart/a.jpg", "/prew/Card/a.jpg", "/prew/", "/photo/a.jpg", "/x", "/prew/p%2Fq/a"]
)
def test_other_presets_are_unknown(path: str) -> None:
    with pytest.raises((UnknownPreset, InvalidKey)):
        CATALOGUE.resolve(path)


def test_an_encoded_preset_is_the_same_preset() -> None:
    assert CATALOGUE.resolve("/pr%65w/c%61rd%2Fa.jpg").preview_key == "prew/card/a.jpg"


def test_the_flight_changes_with_the_preset() -> None:
    before = CATALOGUE.resolve("/prew/card/a.jpg")
    after = Catalogue({"card": Preset(width=721)}, Layout("photo", "prew")).resolve("/prew/card/a.jpg")

    assert before.preview_key == after.preview_key
    assert before.flight_key != after.flight_key


@given(st.text(min_size=1, max_size=60))
def test_any_text_is_its_own_key_or_refused(name: str) -> None:
    try:
        path = "/prew/card/" + quote(name)
        key = decode_path(path)
    except (InvalidKey, UnicodeEncodeError):
        return
    assert key == f"prew/card/{name}"
    assert ".." not in key.split("/")


@given(st.text(alphabet="/%.2eEfF5cC0aprewcd\\", max_size=40))
def test_no_spelling_leaves_the_prefix(tail: str) -> None:
    try:
        found = CATALOGUE.resolve("/prew/card/" + tail)
    except (InvalidKey, UnknownPreset):
        return
    assert found.preview_key.startswith("prew/card/")
    assert found.photo_key.startswith("photo/")
    assert not {"", ".", ".."} & set(found.photo_key.replace("\\", "/").split("/"))
