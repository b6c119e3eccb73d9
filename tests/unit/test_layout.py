"""Where photos and previews are, in keys and in paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_resize.request import preview_key
from prewmanager.errors import InvalidKey
from prewmanager.previews.catalogue import Catalogue
from prewmanager.previews.layout import Layout
from prewmanager_presets import Preset

NESTED = Layout("photo", "prew", "wp-content/uploads/")
ROOT = Layout("photo", "prew", "")
ALIKE = Layout("photo", "prew")
LAYOUTS = (NESTED, ROOT, ALIKE)
_NAMES = st.text("apew-./\\é", min_size=1, max_size=8)


def _catalogue(layout: Layout) -> Catalogue:
    return Catalogue({"card": Preset(width=720)}, layout)


@pytest.mark.parametrize(
    ("layout", "photo"),
    [(NESTED, "wp-content/uploads/2026/11/a.jpg"), (ROOT, "2026/11/a.jpg"), (ALIKE, "photo/2026/11/a.jpg")],
)
def test_paths_do_not_say_where_photos_are(layout: Layout, photo: str) -> None:
    preview = _catalogue(layout).resolve("/prew/card/2026/11/a.jpg")

    assert (preview.photo_key, preview.preview_key) == (photo, "prew/card/2026/11/a.jpg")
    assert [layout.path_key(key) for key in (photo, preview.preview_key)] == [
        "photo/2026/11/a.jpg",
        "prew/card/2026/11/a.jpg",
    ]
    assert _catalogue(layout).of_photo(photo) == [preview]


@pytest.mark.parametrize("name", ["prew/card/a.jpg", "prew\\card\\a.jpg", "prew/a.jpg"])
def test_a_preview_at_the_buckets_root_is_no_photo(name: str) -> None:
    with pytest.raises(InvalidKey, match="previews are below prew/"):
        _catalogue(ROOT).preview("card", name)
    with pytest.raises(InvalidKey, match="does not begin with prew/"):
        _catalogue(ROOT).of_photo(name)
    assert not ROOT.is_photo(name)
    assert _catalogue(ALIKE).preview("card", name).photo_key == f"photo/{name}"


def test_a_photo_may_have_the_name_of_the_previews_folder() -> None:
    assert _catalogue(ROOT).resolve("/prew/card/prew").photo_key == "prew"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_key_may_be_as_long_as_s3_allows(layout: Layout) -> None:
    name = "a" * (1024 - max(len(layout.photos), len("prew/card/")))

    assert _catalogue(layout).preview("card", name).photo_key.endswith(name)
    with pytest.raises(InvalidKey, match="longer than 1024 bytes"):
        _catalogue(layout).preview("card", f"{name}a")


def test_a_long_name_has_previews_in_presets_with_short_names() -> None:
    catalogue = Catalogue(dict.fromkeys(("card", "card@2x.webp"), Preset(width=720)), ALIKE)
    previews = catalogue.of_photo(f"photo/{'a' * 1014}")

    assert [each.preset_name for each in previews] == ["card"]


@given(layout=st.sampled_from(LAYOUTS), name=_NAMES)
def test_the_function_derives_the_same_key(layout: Layout, name: str) -> None:
    try:
        preview = _catalogue(layout).preview("card", name)
    except InvalidKey:
        return

    assert layout.name_of(preview.photo_key) == name
    assert preview_key(preview.photo_key, layout.photos.removesuffix("/"), "prew", "card") == preview.preview_key
