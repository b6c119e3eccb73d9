"""`prewmanager purge` on a real S3 and a real Redis."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis as BlockingRedis

from devstack.backends import Redis
from prewmanager.adapters.redis.photo_faults import photo_name
from tests.commands.conftest import Shop
from tests.support.many_objects import put_many

ODD = "クズ箱/a b+c%20[x]*?.jpg"


@pytest.fixture(name="redis")
def _redis(redis_server: Redis, shop: Shop) -> Iterator[BlockingRedis]:
    """The shop's Redis."""
    shop.environment["PREW_REDIS_URL"] = redis_server.url
    with BlockingRedis.from_url(redis_server.url) as client:
        yield client


def _flight(shop: Shop, key: str) -> str:
    return f"prew:flight:{shop.namespace}/{key}@0123456789ab"


def test_nothing_is_deleted_without_yes(shop: Shop, redis: BlockingRedis) -> None:
    shop.put("photo/a.jpg", "prew/card/a.jpg", "prew/card/b.jpg", "prew/thumb/a.jpg", body=b"12345")
    redis.set(_flight(shop, "prew/card/a.jpg"), b"failed:{}")
    before = shop.keys()
    report = shop.json("purge", "card")

    assert report == {
        "dry_run": True,
        "presets": [{"preset": "card", "previews": 2, "bytes": 10, "reason": "named", "kept": 0}],
        "cached_results": 1,
        "nginx": None,
        "cloudfront": None,
        "caches": [],
    }
    assert shop.keys() == before
    assert redis.get(_flight(shop, "prew/card/a.jpg")) == b"failed:{}"


def test_yes_deletes_the_presets_previews_and_results(shop: Shop, redis: BlockingRedis) -> None:
    shop.put("photo/a.jpg", f"photo/{ODD}", f"prew/card/{ODD}", "prew/card/a.jpg", "prew/thumb/a.jpg")
    redis.set(_flight(shop, "prew/card/a.jpg"), b"result:{}\npicture")
    redis.set(_flight(shop, "prew/thumb/a.jpg"), b"result:{}\npicture")
    report = shop.json("purge", "card", "--yes")

    assert (report["presets"][0]["previews"], report["cached_results"]) == (2, 1)
    assert shop.keys() == {"photo/a.jpg", f"photo/{ODD}", "prew/thumb/a.jpg"}
    assert redis.get(_flight(shop, "prew/card/a.jpg")) is None
    assert redis.get(_flight(shop, "prew/thumb/a.jpg")) is not None


def test_what_is_known_of_a_photo_goes_with_its_previews(shop: Shop, redis: BlockingRedis) -> None:
    known = {name: photo_name(shop.namespace, f"photo/{name}.jpg") for name in "ab"}
    for name in known.values():
        redis.set(name, b"missing")
    shop.json("purge", "--photo", "photo/a.jpg")
    assert redis.get(known["a"]) == b"missing"
    shop.json("purge", "--photo", "photo/a.jpg", "--yes")

    assert [redis.get(known[name]) for name in "ab"] == [None, b"missing"]


def test_a_flight_keeps_its_lease(shop: Shop, redis: BlockingRedis) -> None:
    """Without it another replica would render the preview a second time."""
    redis.set(_flight(shop, "prew/card/a.jpg"), b"blocked:token")
    report = shop.json("purge", "card", "--yes")

    assert report["cached_results"] == 0
    assert redis.get(_flight(shop, "prew/card/a.jpg")) == b"blocked:token"


def test_results_of_another_bucket_stay(shop: Shop, redis: BlockingRedis) -> None:
    """Two sites may share a Redis."""
    redis.set(f"prew:flight:2{shop.namespace}/prew/card/a.jpg@0123456789ab", b"result:{}\n")

    assert shop.json("purge", "card", "--yes")["cached_results"] == 0


def test_a_prefix_limits_the_purge(shop: Shop, redis: BlockingRedis) -> None:
    shop.put("prew/card/2024/a.jpg", "prew/card/2024b.jpg", "prew/card/2023/a.jpg")
    redis.set(_flight(shop, "prew/card/2023/a.jpg"), b"result:{}\n")
    report = shop.json("purge", "card", "--prefix", "2024", "--yes")

    assert (report["presets"][0]["previews"], report["cached_results"]) == (2, 0)
    assert shop.keys() == {"prew/card/2023/a.jpg"}


def test_one_photos_previews_are_purged_in_every_preset(shop: Shop, redis: BlockingRedis) -> None:
    shop.put(f"photo/{ODD}", f"prew/card/{ODD}", f"prew/thumb/{ODD}", f"prew/card/{ODD}.jpg")
    redis.set(_flight(shop, f"prew/thumb/{ODD}"), b"failed:{}")
    redis.set(_flight(shop, f"prew/thumb/{ODD}@2.jpg"), b"failed:{}")
    report = shop.json("purge", "--photo", f"photo/{ODD}", "--yes")

    assert [(each["preset"], each["previews"]) for each in report["presets"]] == [("card", 1), ("thumb", 1)]
    assert report["cached_results"] == 1
    assert shop.keys() == {f"photo/{ODD}", f"prew/card/{ODD}.jpg"}


def test_a_purge_of_a_preset_includes_its_variants(shop: Shop) -> None:
    folders = ("card", "card.avif", "card.webp", "card@2x", "card@2x.avif", "card@2x.webp")
    shop.put("prew/thumb/a.jpg", *(f"prew/{folder}/a.jpg" for folder in folders))
    shop.environment |= {"PREW_PRESETS__CARD__FORMAT": "auto", "PREW_PRESETS__CARD__DPR": "2"}
    report = shop.json("purge", "card", "--yes")

    assert sorted(each["preset"] for each in report["presets"]) == sorted(folders)
    assert shop.keys() == {"prew/thumb/a.jpg"}


def test_dropped_presets_need_orphans(shop: Shop) -> None:
    shop.put("prew/banner/a.jpg", "prew/card/a.jpg")
    refused = shop.run("purge", "banner", "--yes")
    report = shop.json("purge", "banner", "--orphans", "--yes")

    assert refused.returncode == 2
    assert "'banner': not in the settings" in refused.stderr
    assert report["presets"] == [{"preset": "banner", "previews": 1, "bytes": 7, "reason": "dropped", "kept": 0}]
    assert shop.keys() == {"prew/card/a.jpg"}


def test_a_dropped_presets_name_selects_its_stored_variants_unless_exact(shop: Shop) -> None:
    variants = {f"prew/banner{suffix}/a.jpg" for suffix in (".webp", "@2x", "@2x.avif")}
    others = {"prew/banner_wide/a.jpg", "prew/card/a.jpg"}
    shop.put("prew/banner/a.jpg", *variants, *others)
    shop.json("purge", "banner", "--orphans", "--exact", "--yes")
    assert shop.keys() == variants | others
    shop.json("purge", "banner", "--orphans", "--yes")

    assert shop.keys() == others


def test_orphans_without_a_name_are_all_dropped_presets_and_previews_of_missing_photos(shop: Shop) -> None:
    """In any order of the listings: SeaweedFS lists `a/b` before `a-b`."""
    kept = {"photo/a/b.jpg", "photo/a-b.jpg", "prew/card/a/b.jpg", "prew/card/a-b.jpg", "prew/thumb/a-b.jpg"}
    gone = {"prew/card/a/gone.jpg", "prew/thumb/gone.jpg"}
    shop.put("prew/banner/a-b.jpg", "prew/old.webp/a-b.jpg", "prew/old@2x/a-b.jpg", *kept, *gone)
    before = shop.keys()
    counted = shop.json("purge", "--orphans")
    assert shop.keys() == before
    report = shop.json("purge", "--orphans", "--yes")

    assert report["presets"] == counted["presets"]
    assert [(each["preset"], each["previews"], each["reason"]) for each in report["presets"]] == [
        ("banner", 1, "dropped"),
        ("old.webp", 1, "dropped"),
        ("old@2x", 1, "dropped"),
        ("card", 1, "photo_gone"),
        ("thumb", 1, "photo_gone"),
    ]
    assert shop.keys() == kept


def test_orphans_of_a_bucket_without_photos_are_refused(shop: Shop) -> None:
    """The settings name the wrong bucket or prefix, and every preview would seem to have lost its photo."""
    shop.put("prew/banner/a.jpg", "prew/card/a.jpg", "pictures/a.jpg")
    done = shop.run("purge", "--orphans", "--yes")

    assert done.returncode == 2
    assert f"no photo is stored under {shop.bucket}/photo/" in done.stderr
    assert shop.keys() == {"prew/banner/a.jpg", "prew/card/a.jpg", "pictures/a.jpg"}


def test_previews_under_a_former_prefix_go_with_their_results_and_nothing_else(
    shop: Shop, redis: BlockingRedis
) -> None:
    """An object without a preset's fingerprint may be anything: it stays, and is an exit code."""
    shop.put("photo/a.jpg", "prew/card/a.jpg", "old/album/holiday.jpg", "older/card/a.jpg")
    shop.put("old/card/a.jpg", "old/card@2x/a.jpg", "old/banner.webp/a.jpg", fingerprint="0123456789ab")
    redis.set(_flight(shop, "old/card/a.jpg"), b"failed:{}")
    before = shop.keys()
    counted = shop.json("purge", "--former-prefix", "old", exit_code=1)
    assert shop.keys() == before
    report = shop.json("purge", "--former-prefix", "old", "--yes", exit_code=1)

    assert report["presets"] == counted["presets"]
    assert {each["preset"]: (each["previews"], each["kept"]) for each in report["presets"]} == {
        "album": (0, 1),
        "banner.webp": (1, 0),
        "card": (1, 0),
        "card@2x": (1, 0),
    }
    assert {each["reason"] for each in report["presets"]} == {"former_prefix"}
    assert report["cached_results"] == 1
    assert shop.keys() == {"photo/a.jpg", "prew/card/a.jpg", "old/album/holiday.jpg", "older/card/a.jpg"}


def test_named_presets_under_a_former_prefix_go_alone(shop: Shop) -> None:
    shop.put("old/card/a.jpg", "old/card.webp/a.jpg", "old/thumb/a.jpg", fingerprint="0123456789ab")
    shop.json("purge", "card", "--former-prefix", "old", "--yes")
    refused = shop.run("purge", "banner", "--former-prefix", "old", "--yes")

    assert refused.returncode == 2
    assert "'banner': not under old/" in refused.stderr
    assert shop.keys() == {"old/thumb/a.jpg"}


def test_a_prefix_that_a_running_replica_has_is_not_a_former_one(shop: Shop, redis: BlockingRedis) -> None:
    shop.put("old/card/a.jpg", fingerprint="0123456789ab")
    redis.set(f"prew:site:{shop.namespace}/old/0123456789ab", b"photos in a bucket", ex=60)
    done = shop.run("purge", "--former-prefix", "old", "--yes")

    assert done.returncode == 2
    assert "within the last minute: photos in a bucket" in done.stderr
    assert shop.keys() == {"old/card/a.jpg"}


def test_one_photo_is_purged_in_dropped_presets_with_orphans(shop: Shop) -> None:
    shop.put("prew/banner/a.jpg", "prew/card/a.jpg", "prew/card/b.jpg")
    shop.json("purge", "--photo", "photo/a.jpg", "--orphans", "--yes")

    assert shop.keys() == {"prew/card/b.jpg"}


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--photo", "a.jpg"),
        ("--photo", "photo/"),
        ("--photo", "prew/card/a.jpg"),
        ("--photo", "photo/a.jpg", "--prefix", "a"),
        ("../photo", "--orphans"),
        ("", "--orphans"),
        ("card/../../photo", "--orphans"),
        ("--former-prefix", "photo"),
        ("--former-prefix", "prew"),
        ("--former-prefix", "photo/"),
        ("--former-prefix", ".."),
        ("--former-prefix", ""),
    ],
)
def test_an_invalid_call_deletes_nothing(shop: Shop, arguments: tuple[str, ...]) -> None:
    shop.put("photo/a.jpg", "prew/card/a.jpg")
    done = shop.run("purge", *arguments, "--yes")

    assert done.returncode == 2
    assert done.stderr
    assert shop.keys() == {"photo/a.jpg", "prew/card/a.jpg"}


def test_a_purge_of_several_batches_leaves_nothing_out(shop: Shop) -> None:
    """It deletes while it lists."""
    put_many(shop.s3, shop.bucket, (f"prew/card/{number % 2}/{number:04}.jpg" for number in range(1050)))
    report = shop.json("purge", "card", "--yes")

    assert report["presets"][0]["previews"] == 1050
    assert shop.keys() == set()


@pytest.mark.fault("purge-without-redis")
def test_nothing_is_deleted_while_the_configured_redis_is_down(shop: Shop) -> None:
    shop.put("prew/card/a.jpg")
    done = shop.run("purge", "card", "--yes", PREW_REDIS_URL="redis://127.0.0.1:1/0")

    assert done.returncode == 1
    assert "PING" in done.stderr
    assert shop.keys() == {"prew/card/a.jpg"}


def test_a_line_reports_count_and_size_and_that_nothing_was_deleted(shop: Shop) -> None:
    shop.put("prew/card/a.jpg", body=b"x" * 2500)
    done = shop.run("purge", "card", COLUMNS="200")

    assert "dry run: 1 previews (2.5 kB) and 0 cached results would be deleted" in done.stdout
