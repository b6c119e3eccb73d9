"""`prewmanager warm` on a real S3 and a real Redis, with a function that counts."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import unused_port

from tests.commands.conftest import Shop
from tests.commands.counting_lambda import CountingLambda
from tests.support.fakes import until, until_reported
from tests.support.gated_lambda import failed

# A walk through folders and the order of bytes disagree about these.
NAMES = ["a/b.jpg", "a/b/c.jpg", "a-b.jpg", "a.jpg", "クズ箱/a b+c%20d#e?f.jpg", "z.jpg"]


def _photos(shop: Shop, names: list[str]) -> None:
    shop.put(*(f"photo/{name}" for name in names))


async def test_what_is_missing_is_made_and_what_is_there_is_skipped(shop: Shop, function: CountingLambda) -> None:
    """One invocation for each gap, whatever order the server lists in."""
    _photos(shop, NAMES)
    shop.put("prew/card/a-b.jpg", "prew/card/a/b.jpg", "prew/card/gone.jpg")
    said = await shop.run_beside("warm", "card")

    assert said["presets"] == [{"preset": "card", "photos": 6, "there": 2, "missing": 4, "unusable": 0}]
    assert said["done"] == {"made": 4}
    assert function.invocations == Counter(f"photo/{name}" for name in NAMES if name not in {"a-b.jpg", "a/b.jpg"})
    assert shop.keys("prew/card/") == {f"prew/card/{name}" for name in [*NAMES, "gone.jpg"]}


async def test_a_second_run_has_nothing_to_do(shop: Shop, function: CountingLambda) -> None:
    """All presets unless some are named."""
    _photos(shop, NAMES[:2])
    await shop.run_beside("warm")
    said = await shop.run_beside("warm")

    assert [each["there"] for each in said["presets"]] == [2, 2]
    assert said["done"] == {}
    assert function.calls == 4


async def test_all_variants_of_a_preset_are_made(shop: Shop, function: CountingLambda) -> None:
    """Each that is missing once; and stale looks at each by its own definition."""
    auto = {"PREW_PRESETS__CARD__FORMAT": "auto"}
    _photos(shop, ["a@b.jpg"])
    shop.put("prew/card.avif/a@b.jpg")  # by whatever definition
    said = await shop.run_beside("warm", "card", **auto)
    stale = await shop.run_beside("stale", "card", exit_code=1, **auto)

    missing = {each["preset"]: each["missing"] for each in said["presets"]}
    assert missing == {"card": 1, "card.avif": 0, "card.webp": 1}
    assert shop.keys("prew/") == {f"prew/{name}/a@b.jpg" for name in missing}
    assert function.calls == 2
    assert {each["preset"] for each in stale["presets"] if each["preset_changed"]} == {"card.avif"}


async def test_a_prefix_narrows_it(shop: Shop, function: CountingLambda) -> None:
    """Photos elsewhere are left alone."""
    _photos(shop, NAMES)
    await shop.run_beside("warm", "card", "--prefix", "a/")

    assert set(function.invocations) == {"photo/a/b.jpg", "photo/a/b/c.jpg"}


async def test_a_dry_run_counts_and_estimates(shop: Shop, function: CountingLambda) -> None:
    """So many GB-seconds at the price and for the time that were said, and the requests; nothing is made."""
    _photos(shop, NAMES)
    options = ("--seconds", "2", "--memory-mb", "512", "--gb-second-usd", "0.5")
    said = await shop.run_beside("warm", "thumb", "--dry-run", *options)

    assert said["estimate"] == {
        "resizes": 6,
        "seconds_per_resize": 2.0,
        "memory_mb": 512,
        "gb_second_usd": 0.5,
        "gb_seconds": 6.0,
        "usd": 3.0,
    }
    assert function.calls == 0
    assert shop.keys("prew/") == set()


async def test_names_that_no_request_can_ask_for_are_left_out(shop: Shop, function: CountingLambda) -> None:
    """A folder's marker, a newline."""
    _photos(shop, ["a.jpg", "folder/", "new\nline.jpg"])
    said = await shop.run_beside("warm", "card")

    assert (said["presets"][0]["unusable"], said["done"]) == (2, {"made": 1})
    assert function.calls == 1


async def test_failures_are_counted_by_kind_and_listed(shop: Shop, function: CountingLambda) -> None:
    """One of two fails: exit code 1, and the other one is made."""
    _photos(shop, ["a.jpg", "b.jpg"])
    function.script.append(failed("corrupt"))
    said = await shop.run_beside("warm", "card", "--concurrency", "1", exit_code=1)

    assert (said["done"], said["failed"]) == ({"made": 1}, {"corrupt": 1})
    assert said["failures"] == [{"key": "prew/card/a.jpg", "kind": "corrupt", "detail": "secret"}]


async def test_no_more_at_once_than_asked_for(shop: Shop, function: CountingLambda) -> None:
    """As many wait at the gate as may, and at no time more."""
    _photos(shop, [f"{number}.jpg" for number in range(9)])
    function.gate.clear()
    warming = asyncio.create_task(shop.run_beside("warm", "card", "--concurrency", "3"))
    await until_reported(lambda: function.running_now == 3)
    function.gate.set()

    assert (await warming)["done"] == {"made": 9}
    assert function.most_at_once == 3


async def test_two_warmers_and_a_site_make_nothing_twice(shop: Shop, function: CountingLambda) -> None:
    """They meet at the gate: each preview is one invocation, whoever asked for it first."""
    _photos(shop, [f"{number}.jpg" for number in range(8)])
    function.gate.clear()
    port = str(unused_port())
    service = await shop.start("serve", PREW_HOST="127.0.0.1", PREW_PORT=port)
    try:
        warmers = [asyncio.create_task(shop.run_beside("warm", "card")) for _ in range(2)]
        await until_reported(lambda: function.running_now == 8)
        asked = asyncio.create_task(_ask(f"http://127.0.0.1:{port}/prew/card/5.jpg"))
        function.gate.set()
        said = [await each for each in warmers]

        assert await asked == 200
    finally:
        service.terminate()
        await service.communicate()
    assert function.invocations == Counter({f"photo/{number}.jpg": 1 for number in range(8)})
    assert sum(each["done"].get("made", 0) for each in said) == 8
    assert [each["failed"] for each in said] == [{}, {}]


async def _ask(url: str) -> int:
    async with ClientSession() as session:
        while True:
            try:
                async with session.get(url) as response:
                    return response.status
            except OSError:
                await asyncio.sleep(0.01)


async def test_killed_in_the_middle_it_goes_on_where_it_was(shop: Shop, function: CountingLambda) -> None:
    """SIGKILL with three invocations under way, which Lambda finishes: no preview is made a second time."""
    _photos(shop, [f"{number}.jpg" for number in range(9)])
    function.gate.clear()
    killed = await shop.start("warm", "card", "--concurrency", "3")
    await until_reported(lambda: function.running_now == 3)
    killed.send_signal(signal.SIGKILL)
    await killed.communicate()
    function.gate.set()
    await until(lambda: function.finished == 3)
    said = await shop.run_beside("warm", "card", "--concurrency", "3")

    assert killed.returncode == -signal.SIGKILL
    assert said["presets"][0]["there"] == 3
    assert function.invocations == Counter({f"photo/{number}.jpg": 1 for number in range(9)})


async def test_a_preset_that_is_not_set(shop: Shop, function: CountingLambda) -> None:
    """Exit code 2, and the names that there are."""
    done = await asyncio.to_thread(shop.run, "warm", "poster")

    assert done.returncode == 2
    assert "poster: no such preset; there are card, thumb" in done.stderr
    assert function.calls == 0


async def test_lines_for_people(shop: Shop, function: CountingLambda) -> None:
    """What there was, what was made, and what a dry run expects to pay."""
    _photos(shop, ["a.jpg"])
    dry = await asyncio.to_thread(shop.run, "warm", "card", "--dry-run", COLUMNS="200")
    done = await asyncio.to_thread(shop.run, "warm", "card", COLUMNS="200")

    assert "dry run: 1 previews would be made, for about 0.00 US dollars (0.5 s each at 1769 MB" in dry.stdout
    assert "1 made" in done.stdout
    assert function.calls == 1


@pytest.mark.parametrize("command", ["stats", "purge", "warm", "stale", "doctor"])
def test_the_help_has_examples(shop: Shop, command: str) -> None:
    """And says so at its end."""
    done = shop.run(command, "--help", COLUMNS="200")

    assert f"prewmanager {command} --" in done.stdout


async def test_ctrl_c_waits_for_what_is_under_way(shop: Shop, function: CountingLambda) -> None:
    """Every preview that it has begun is there when it ends, and there is no traceback."""
    _photos(shop, [f"{number}.jpg" for number in range(9)])
    function.gate.clear()
    warming = await shop.start("warm", "card", "--concurrency", "3")
    await until_reported(lambda: function.running_now == 3)
    warming.send_signal(signal.SIGINT)
    function.gate.set()
    _, err = await warming.communicate()

    assert warming.returncode == 130
    assert b"Traceback" not in err
    assert shop.keys("prew/") == {name.replace("photo", "prew/card") for name in function.invocations}
