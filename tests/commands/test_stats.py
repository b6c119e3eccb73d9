"""`prewmanager stats` on a real S3."""

from __future__ import annotations

from tests.commands.conftest import Shop
from tests.support.many_objects import put_many


def test_each_preset_is_counted(shop: Shop) -> None:
    shop.put("photo/a.jpg", body=b"x" * 1000)
    shop.put("prew/card/a.jpg", "prew/card/deep/er/b c.jpg", body=b"12345")
    card, thumb = shop.json("stats")

    assert (card["preset"], card["known"], card["count"], card["bytes"]) == ("card", True, 2, 10)
    assert card["oldest"] <= card["newest"]
    assert (thumb["preset"], thumb["count"], thumb["bytes"], thumb["oldest"]) == ("thumb", 0, 0, None)


def test_unknown_presets_are_shown_too(shop: Shop) -> None:
    """A preset that was removed from the settings still costs storage."""
    shop.put("prew/banner/a.jpg")
    rows = shop.json("stats")

    assert [(row["preset"], row["known"], row["count"]) for row in rows] == [
        ("card", True, 0),
        ("thumb", True, 0),
        ("banner", False, 1),
    ]


def test_each_variant_has_a_row_after_its_preset(shop: Shop) -> None:
    shop.put("prew/card/a.jpg", "prew/card.avif/a.jpg", "prew/card.avif/b.jpg", "prew/card@3x/a.jpg")
    rows = shop.json("stats", PREW_PRESETS__CARD__FORMAT="auto", PREW_PRESETS__THUMB__DPR="2")

    assert [(row["preset"], row["known"], row["count"]) for row in rows] == [
        ("card", True, 1),
        ("card.avif", True, 2),
        ("card.webp", True, 0),
        ("thumb", True, 0),
        ("thumb@2x", True, 0),
        ("card@3x", False, 1),
    ]


def test_more_previews_than_one_page_of_a_listing(shop: Shop) -> None:
    put_many(shop.s3, shop.bucket, (f"prew/card/{number:04}.jpg" for number in range(1005)))
    card, _ = shop.json("stats")

    assert (card["count"], card["bytes"]) == (1005, 1005)


def test_a_newline_or_backslash_in_a_key_does_not_end_the_listing(shop: Shop) -> None:
    shop.put("prew/card/new\nline.jpg", "prew/card/ключ?#%.jpg")
    card, _ = shop.json("stats")

    assert card["count"] == 2


def test_without_json_a_table_has_sizes_in_units(shop: Shop) -> None:
    shop.put("prew/card/a.jpg", body=b"x" * 2500)
    done = shop.run("stats", COLUMNS="120")

    assert done.returncode == 0
    assert "2.5 kB" in done.stdout


def test_a_missing_bucket_is_one_line_with_s3s_code(shop: Shop) -> None:
    done = shop.run("stats", PREW_SOURCE_BUCKET="no-such-bucket")

    assert done.returncode == 1
    assert "NoSuchBucket" in done.stderr
    assert "Traceback" not in done.stderr
