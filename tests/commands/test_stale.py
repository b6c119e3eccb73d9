"""`prewmanager stale` on a real S3 and a real Redis, with a gated function."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from redis import Redis as BlockingRedis

from devstack.backends import Redis
from prewmanager_presets.efforts import EFFORTS
from tests.commands.conftest import Shop, fingerprints
from tests.support.gated_lambda import GatedLambda, failed

ODD = "クズ箱/a b+c%20d#e?f.jpg"


@pytest.fixture(name="now")
def _now(shop: Shop) -> str:
    """The current fingerprint of card."""
    return fingerprints(shop.environment)["card"]


def _one_of_each(shop: Shop, now: str) -> None:
    """One photo for each reason; photos are stored before previews, so that only one is newer than its preview."""
    shop.put("photo/fresh.jpg", f"photo/{ODD}", "photo/a/unmarked.jpg", "photo/without.jpg")
    shop.put("prew/card/fresh.jpg", "prew/card/newer.jpg", "prew/card/a-gone.jpg", fingerprint=now)
    shop.put(f"prew/card/{ODD}", fingerprint="000000000000")
    shop.put("prew/card/a/unmarked.jpg")
    shop.put_later("photo/newer.jpg", than="prew/card/newer.jpg")


def test_each_reason_is_found_and_nothing_is_changed(shop: Shop, now: str) -> None:
    _one_of_each(shop, now)
    before = shop.keys()
    report = shop.json("stale", "card", exit_code=1)

    assert report["presets"] == [
        {
            "preset": "card",
            "previews": 5,
            "preset_changed": 2,
            "photo_changed": 1,
            "photo_gone": 1,
            "untagged": 0,
            "unusable": 0,
        }
    ]
    assert {each["key"]: each["reason"] for each in report["stale"]} == {
        f"prew/card/{ODD}": "preset_changed",
        "prew/card/a/unmarked.jpg": "preset_changed",
        "prew/card/newer.jpg": "photo_changed",
        "prew/card/a-gone.jpg": "photo_gone",
    }
    assert shop.keys() == before


def test_nothing_stale_is_exit_code_0(shop: Shop, now: str) -> None:
    shop.put("photo/a.jpg", "photo/without.jpg")
    shop.put("prew/card/a.jpg", fingerprint=now)
    report = shop.json("stale")

    assert (report["left"], report.get("stale")) == (0, None)


def test_presets_that_are_gone_are_named_where_none_is_asked_for(shop: Shop, now: str) -> None:
    """Nothing is wrong with their previews, which are served until they are purged: the exit code is 0."""
    shop.put("photo/a.jpg", "prew/banner/a.jpg", "prew/banner.webp/a.jpg")
    shop.put("prew/card/a.jpg", fingerprint=now)
    report, of_card = shop.json("stale"), shop.json("stale", "card")
    shown = shop.run("stale").stdout

    assert (report["left"], report["dropped"], of_card["dropped"]) == (0, ["banner", "banner.webp"], [])
    assert "banner, banner.webp: previews are stored and served, but no such preset is configured" in shown


async def test_fix_repairs_all(shop: Shop, function: GatedLambda, now: str) -> None:
    _one_of_each(shop, now)
    report = await shop.run_beside("stale", "card", "--fix")
    again = await shop.run_beside("stale", "card")

    assert (report["done"], report["left"], again["left"]) == ({"made": 3, "deleted": 1}, 0, 0)
    assert function.jpeg_efforts == {EFFORTS["small"]["jpeg"]: 3}
    assert function.invocations == Counter([f"photo/{ODD}", "photo/a/unmarked.jpg", "photo/newer.jpg"])
    assert shop.keys("prew/") == {f"prew/card/{name}" for name in ("fresh.jpg", "newer.jpg", ODD, "a/unmarked.jpg")}


async def test_the_old_preview_is_served_until_the_new_one_is_stored(shop: Shop, function: GatedLambda) -> None:
    shop.put("photo/a.jpg")
    shop.put("prew/card/a.jpg", body=b"old")
    function.gate.clear()
    fixing = asyncio.create_task(shop.run_beside("stale", "card", "--fix"))
    await function.until(lambda: function.in_flight == 1)
    meanwhile = shop.read("prew/card/a.jpg")
    function.gate.set()
    await fixing

    assert meanwhile == b"old"
    assert shop.read("prew/card/a.jpg").startswith(b"photo/a.jpg 1")


async def test_two_at_once_render_nothing_twice_within_their_limits(shop: Shop, function: GatedLambda) -> None:
    names = [f"{number}.jpg" for number in range(8)]
    shop.put(*(f"photo/{name}" for name in names))
    shop.put(*(f"prew/card/{name}" for name in names))
    function.gate.clear()
    both = [asyncio.create_task(shop.run_beside("stale", "card", "--fix", "--concurrency", "2")) for _ in range(2)]
    await function.until(lambda: function.in_flight == 2)
    function.gate.set()
    reports = [await each for each in both]

    assert function.invocations == Counter({f"photo/{name}": 1 for name in names})
    assert sum(each["done"].get("made", 0) for each in reports) == 8
    assert [each["left"] for each in reports] == [0, 0]
    assert function.most_at_once <= 4


async def test_a_cached_result_is_no_repair(shop: Shop, function: GatedLambda, redis_server: Redis, now: str) -> None:
    """A photo is replaced just after its preview was rendered, whose result is still in Redis."""
    shop.put("prew/card/a.jpg", body=b"old", fingerprint=now)
    shop.put_later("photo/a.jpg", than="prew/card/a.jpg")
    with BlockingRedis.from_url(redis_server.url) as redis:
        header = b'{"content_type":"image/jpeg","size":3,"etag":"","cache_control":null,"carried":true}'
        redis.set(f"prew:flight:{shop.namespace}/prew/card/a.jpg@{now}", b"result:" + header + b"\nold", ex=60)
    report = await shop.run_beside("stale", "card", "--fix")

    assert report["done"] == {"made": 1}
    assert function.calls == 1


async def test_a_preview_that_cannot_be_rendered_again_stays(shop: Shop, function: GatedLambda) -> None:
    shop.put("photo/a.jpg")
    shop.put("prew/card/a.jpg", body=b"old")
    function.script.append(failed("corrupt"))
    report = await shop.run_beside("stale", "card", "--fix", exit_code=1)

    assert (report["left"], report["failed"], report["failure"][0]["key"]) == (1, {"corrupt": 1}, "prew/card/a.jpg")
    assert shop.read("prew/card/a.jpg") == b"old"


async def test_a_prefix_narrows_it(shop: Shop, function: GatedLambda) -> None:
    shop.put("prew/card/2024/a.jpg", "prew/card/2023/a.jpg")
    report = await shop.run_beside("stale", "--fix", "--prefix", "2024/")

    assert report["done"] == {"deleted": 1}
    assert shop.keys() == {"prew/card/2023/a.jpg"}
    assert function.calls == 0


async def test_lines_report_stale_previews_and_what_fix_would_do_and_did(shop: Shop, function: GatedLambda) -> None:
    shop.put("prew/card/a.jpg")
    found = await asyncio.to_thread(shop.run, "stale", COLUMNS="200")
    fixed = await asyncio.to_thread(shop.run, "stale", "--fix", COLUMNS="200")

    assert "1 previews are stale; --fix renders them again" in found.stdout
    assert "1 deleted" in fixed.stdout
    assert function.calls == 0
