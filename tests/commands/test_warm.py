"""`prewmanager warm` on a real S3 and a real Redis, with a gated function."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter

import pytest
from redis import Redis as BlockingRedis

from devstack.backends import Redis
from devstack.programs import LOOPBACK, free_ports
from prewmanager_presets.efforts import EFFORTS
from tests.commands.conftest import Shop
from tests.support.asking import ask
from tests.support.gated_lambda import GatedLambda, failed

# Sorted by bytes and sorted by folder, they differ.
NAMES = ["a/b.jpg", "a/b/c.jpg", "a-b.jpg", "a.jpg", "クズ箱/a b+c%20d#e?f.jpg", "z.jpg"]


def _photos(shop: Shop, names: list[str]) -> None:
    shop.put(*(f"photo/{name}" for name in names))


async def test_missing_previews_are_rendered_and_stored_ones_skipped(shop: Shop, function: GatedLambda) -> None:
    _photos(shop, NAMES)
    shop.put("prew/card/a-b.jpg", "prew/card/a/b.jpg", "prew/card/gone.jpg")
    report = await shop.run_beside("warm", "card")

    assert report["presets"] == [
        {"preset": "card", "photos": 6, "stored": 2, "missing": 4, "unusable": 0, "skipped": 0}
    ]
    assert report["done"] == {"made": 4}
    assert function.jpeg_efforts == {EFFORTS["small"]["jpeg"]: 4}
    assert function.invocations == Counter(f"photo/{name}" for name in NAMES if name not in {"a-b.jpg", "a/b.jpg"})
    assert shop.keys("prew/card/") == {f"prew/card/{name}" for name in [*NAMES, "gone.jpg"]}


async def test_a_second_run_over_all_presets_renders_nothing(shop: Shop, function: GatedLambda) -> None:
    _photos(shop, NAMES[:2])
    await shop.run_beside("warm")
    report = await shop.run_beside("warm")

    assert [each["stored"] for each in report["presets"]] == [2, 2]
    assert report["done"] == {}
    assert function.calls == 4


async def test_all_variants_of_a_preset_are_rendered(shop: Shop, function: GatedLambda) -> None:
    shop.environment["PREW_PRESETS__CARD__FORMAT"] = "auto"
    _photos(shop, ["a@b.jpg"])
    shop.put("prew/card.avif/a@b.jpg")  # without a fingerprint
    report = await shop.run_beside("warm", "card")
    stale = await shop.run_beside("stale", "card", exit_code=1)

    missing = {each["preset"]: each["missing"] for each in report["presets"]}
    assert missing == {"card": 1, "card.avif": 0, "card.webp": 1}
    assert shop.keys("prew/") == {f"prew/{name}/a@b.jpg" for name in missing}
    assert function.calls == 2
    assert {each["preset"] for each in stale["presets"] if each["preset_changed"]} == {"card.avif"}


async def test_a_prefix_narrows_it(shop: Shop, function: GatedLambda) -> None:
    _photos(shop, NAMES)
    await shop.run_beside("warm", "card", "--prefix", "a/")

    assert set(function.invocations) == {"photo/a/b.jpg", "photo/a/b/c.jpg"}


async def test_an_effort_can_be_asked_for_and_the_previews_are_the_presets_all_the_same(
    shop: Shop, function: GatedLambda
) -> None:
    _photos(shop, NAMES[:1])
    await shop.run_beside("warm", "card", "--effort", "fast")
    stale = await shop.run_beside("stale", "card")

    assert function.jpeg_efforts == {None: 1}
    assert stale["presets"][0]["preset_changed"] == 0


async def test_a_dry_run_counts_and_estimates(shop: Shop, function: GatedLambda) -> None:
    _photos(shop, NAMES)
    options = ("--seconds", "2", "--memory-mb", "512", "--gb-second-usd", "0.5")
    report = await shop.run_beside("warm", "thumb", "--dry-run", *options)

    assert report["estimate"] == {
        "resizes": 6,
        "seconds_per_resize": 2.0,
        "memory_mb": 512,
        "gb_second_usd": 0.5,
        "gb_seconds": 6.0,
        "usd": 3.0,
    }
    assert function.calls == 0
    assert shop.keys("prew/") == set()


async def test_names_that_no_request_can_express_are_left_out(shop: Shop, function: GatedLambda) -> None:
    _photos(shop, ["a.jpg", "folder/", "new\nline.jpg"])
    report = await shop.run_beside("warm", "card")

    assert (report["presets"][0]["unusable"], report["done"]) == (1, {"made": 1})
    assert function.calls == 1


async def test_failures_are_counted_by_kind_and_listed(shop: Shop, function: GatedLambda) -> None:
    _photos(shop, ["a.jpg", "b.jpg"])
    function.script.append(failed("corrupt"))
    report = await shop.run_beside("warm", "card", "--concurrency", "1", exit_code=1)

    assert (report["done"], report["failed"]) == ({"made": 1}, {"corrupt": 1})
    assert report["failure"] == [{"key": "prew/card/a.jpg", "kind": "corrupt", "detail": "secret"}]


async def test_no_more_at_once_than_requested(shop: Shop, function: GatedLambda) -> None:
    _photos(shop, [f"{number}.jpg" for number in range(9)])
    function.gate.clear()
    warming = asyncio.create_task(shop.run_beside("warm", "card", "--concurrency", "3"))
    await function.until(lambda: function.in_flight == 3)
    function.gate.set()

    assert (await warming)["done"] == {"made": 9}
    assert function.most_at_once == 3


async def test_two_warmers_and_a_site_render_nothing_twice(shop: Shop, function: GatedLambda) -> None:
    _photos(shop, [f"{number}.jpg" for number in range(8)])
    function.gate.clear()
    port = free_ports(1)[0]
    async with shop.serving(PREW_HOST=LOOPBACK, PREW_PORT=str(port)):
        warmers = [asyncio.create_task(shop.run_beside("warm", "card")) for _ in range(2)]
        await function.until(lambda: function.in_flight == 8)
        request = asyncio.create_task(asyncio.to_thread(ask, port, "/prew/card/5.jpg"))
        function.gate.set()
        reports = [await each for each in warmers]

        assert (await request).status == 200
    assert function.invocations == Counter({f"photo/{number}.jpg": 1 for number in range(8)})
    assert sum(each["done"].get("made", 0) for each in reports) == 8
    assert [each["failed"] for each in reports] == [{}, {}]


@pytest.mark.fault("command-killed")
async def test_after_a_kill_it_continues_without_rendering_twice(shop: Shop, function: GatedLambda) -> None:
    """Lambda completes the three invocations that were in flight."""
    _photos(shop, [f"{number}.jpg" for number in range(9)])
    function.gate.clear()
    killed = await shop.start("warm", "card", "--concurrency", "3")
    await function.until(lambda: function.in_flight == 3)
    killed.send_signal(signal.SIGKILL)
    await killed.communicate()
    function.gate.set()
    await function.until(lambda: function.finished == 3)
    report = await shop.run_beside("warm", "card", "--concurrency", "3")

    assert killed.returncode == -signal.SIGKILL
    assert report["presets"][0]["stored"] == 3
    assert function.invocations == Counter({f"photo/{number}.jpg": 1 for number in range(9)})


async def test_an_unknown_preset_is_refused_with_the_known_names(shop: Shop, function: GatedLambda) -> None:
    done = await asyncio.to_thread(shop.run, "warm", "poster")

    assert done.returncode == 2
    assert "poster: unknown preset; configured are card, thumb" in done.stderr
    assert function.calls == 0


async def test_lines_report_renders_and_the_cost_of_a_dry_run(shop: Shop, function: GatedLambda) -> None:
    _photos(shop, ["a.jpg"])
    dry = await asyncio.to_thread(shop.run, "warm", "card", "--dry-run", COLUMNS="200")
    done = await asyncio.to_thread(shop.run, "warm", "card", COLUMNS="200")

    assert "dry run: 1 previews would be rendered, for about 0.00 US dollars (0.5 s each at 1769 MB" in dry.stdout
    assert "1 made" in done.stdout
    assert function.calls == 1


@pytest.mark.parametrize("command", ["stats", "purge", "warm", "stale", "doctor"])
def test_the_help_has_examples(shop: Shop, command: str) -> None:
    done = shop.run(command, "--help", COLUMNS="200")

    assert f"prewmanager {command} --" in done.stdout


@pytest.mark.fault("command-killed")
async def test_ctrl_c_waits_for_the_flights_without_a_traceback(shop: Shop, function: GatedLambda) -> None:
    _photos(shop, [f"{number}.jpg" for number in range(9)])
    function.gate.clear()
    warming = await shop.start("warm", "card", "--concurrency", "3", "--json")
    await function.until(lambda: function.in_flight == 3)
    warming.send_signal(signal.SIGINT)
    function.gate.set()
    out, err = await warming.communicate()
    summary = json.loads(out.splitlines()[-1])

    assert warming.returncode == 130
    assert b"Traceback" not in err
    assert (summary["type"], summary["interrupted"]) == ("summary", True)
    assert sum(summary["done"].values()) <= len(function.invocations) < 9
    assert shop.keys("prew/") == {name.replace("photo", "prew/card") for name in function.invocations}


@pytest.mark.fault("command-killed")
async def test_sigterm_releases_the_leases_of_what_it_cannot_finish(
    shop: Shop, function: GatedLambda, redis_server: Redis
) -> None:
    _photos(shop, [f"{number}.jpg" for number in range(9)])
    function.gate.clear()
    warming = await shop.start(
        "warm", "card", "--concurrency", "3", PREW_REDIS_URL=redis_server.url, PREW_SHUTDOWN_GRACE="1"
    )
    await function.until(lambda: function.in_flight == 3)
    with BlockingRedis.from_url(redis_server.url) as client:
        flights = f"prew:flight:{shop.namespace}/*"
        before = list(client.scan_iter(flights))
        warming.send_signal(signal.SIGTERM)
        _, err = await warming.communicate()
        after = list(client.scan_iter(flights))
    function.gate.set()

    assert (warming.returncode, err) == (143, b"")
    assert (len(before), after) == (3, [])


@pytest.mark.fault("no-pictures")
async def test_what_cannot_be_a_picture_is_skipped_and_costs_nothing(shop: Shop, function: GatedLambda) -> None:
    """Folder markers, what file managers leave, and texts; but not a picture under an odd name, or one of no type."""
    _photos(shop, ["a.jpg"])
    typed = {
        "photo/readme.txt": "text/plain",
        "photo/page": "text/html",
        "photo/picture.txt": "image/png",
        "photo/scan.pdf": "application/octet-stream",
        "photo/upload-4711": "binary/octet-stream",
    }
    for key, content_type in typed.items():
        shop.client.put_object(Bucket=shop.bucket, Key=key, Body=b"picture", ContentType=content_type)
    shop.put("photo/.DS_Store", "photo/2024/._b.jpg.tmp", "photo/Thumbs.db")
    shop.put("photo/empty.jpg", "photo/folder/", body=b"")
    report = await shop.run_beside("warm", "card")

    (card,) = report["presets"]
    assert (card["photos"], card["missing"], card["skipped"]) == (3, 3, 7)
    assert set(function.invocations) == {"photo/a.jpg", "photo/picture.txt", "photo/upload-4711"}


@pytest.mark.parametrize("command", ["warm", "stale", "purge"])
def test_a_prefix_that_matches_nothing_is_a_warning_and_exit_code_1(shop: Shop, command: str) -> None:
    shop.put("photo/2024/a.jpg", "prew/card/2024/a.jpg")
    dry = ["--dry-run"] if command == "warm" else []
    done = shop.run(command, "card", "--prefix", "2042/", *dry)

    assert done.returncode == 1
    assert "--prefix 2042/: no " in done.stderr
