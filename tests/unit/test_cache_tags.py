"""The tags of previews in caches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from prewmanager_presets.tags import cache_tags, photo_tag, preset_tag


def test_all_variants_of_a_preset_and_all_previews_of_a_photo_have_a_tag_in_common() -> None:
    tags = {cache_tags("photos", "photo/a.jpg", name) for name in ("card", "card.webp", "card@2x", "card@2x.avif")}
    (only,) = tags

    assert only == "photo-e5eafe31bcaa84bae32b,preset-card"
    assert cache_tags("photos", "photo/a.jpg", "thumb").partition(",")[0] == only.partition(",")[0]


@given(st.tuples(st.sampled_from(["a", "b"]), st.text(max_size=9)), st.tuples(st.sampled_from(["a", "b"]), st.text()))
def test_photos_of_two_buckets_or_keys_have_two_tags(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (photo_tag(*one) == photo_tag(*other)) == (one == other)


@given(st.text(min_size=1))
def test_a_tag_is_one_that_cloudfront_accepts(name: str) -> None:
    tag = preset_tag(name)

    assert len(tag) <= 256
    assert all("!" <= character <= "~" and character != "," for character in tag)


def test_two_presets_have_two_tags() -> None:
    assert preset_tag("card") != preset_tag("card_2")
