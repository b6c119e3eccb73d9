"""Replicas and functions of the previous release and of this one, on one Redis and one bucket: `make test-upgrade`.

What docs/how-to/upgrade.md promises for a rolling update, and for going back.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest
import pyvips
from aiohttp import ClientSession, TCPConnector, web

from devstack.backends import S3
from devstack.programs import LOOPBACK
from tests.support.gated_lambda import GatedLambda, failed
from tests.upgrade.conftest import Ground, Replica

BOTH = [("old", "new"), ("new", "old")]
PATH = "/prew/card/a.jpg"
Answer = asyncio.Task[tuple[int, str, bytes]]

pytestmark = pytest.mark.timeout(180)


class FailingLambda(GatedLambda):
    """A function that fails once its gate is open."""

    def __init__(self, s3: S3, kind: str) -> None:
        super().__init__(s3)
        self._kind = kind

    async def answer(self, event: dict[str, Any]) -> web.Response:
        assert event["src_key"]
        return failed(self._kind)


async def _waiting(ground: Ground, function: GatedLambda, pair: tuple[str, str]) -> tuple[Replica, Answer, Answer]:
    """Have a replica hold a flight, whose function waits for its gate, and one of the other version wait for it."""
    ground.put("photo/a.jpg")
    leader, waiter = [await asyncio.to_thread(ground.start, version, function.url) for version in pair]
    first = asyncio.create_task(leader.get(PATH))
    await function.entered.wait()
    second = asyncio.create_task(waiter.get(PATH))
    # Nothing outside shows that it has asked Redis: where the lease did not hold it back, it would invoke the function.
    await asyncio.sleep(1)
    return leader, first, second


@pytest.mark.parametrize("pair", BOTH, ids="-".join)
async def test_a_waiter_gets_the_other_versions_preview(ground: Ground, pair: tuple[str, str]) -> None:
    async with GatedLambda(ground.s3).running() as function:
        _, first, second = await _waiting(ground, function, pair)
        function.gate.set()
        made, joined = await asyncio.wait_for(asyncio.gather(first, second), timeout=20)

    # Where the waiter's result has no bytes, it reads them from S3.
    assert (made[:2], joined[0], joined[1] in {"joined", "found"}) == ((200, "made"), 200, True)
    assert made[2] == joined[2]
    assert function.calls == 1


@pytest.mark.parametrize("pair", BOTH, ids="-".join)
@pytest.mark.parametrize(("kind", "status"), [("missing", 404), ("corrupt", 422), ("of a newer version", 502)])
async def test_a_waiter_gets_the_other_versions_failure_and_who_asks_later_too(
    ground: Ground, pair: tuple[str, str], kind: str, status: int
) -> None:
    async with FailingLambda(ground.s3, kind).running() as function:
        leader, first, second = await _waiting(ground, function, pair)
        function.gate.set()
        answered = await asyncio.wait_for(asyncio.gather(first, second), timeout=20)
        later = await leader.get(PATH)

    assert [each[0] for each in (*answered, later)] == [status] * 3
    assert function.calls == 1


@pytest.mark.parametrize("pair", BOTH, ids="-".join)
async def test_a_dead_replica_is_followed_by_a_takeover(ground: Ground, pair: tuple[str, str]) -> None:
    async with GatedLambda(ground.s3).running() as function:
        leader, first, second = await _waiting(ground, function, pair)
        leader.program.process.kill()
        await asyncio.wait_for(function.until(lambda: function.calls == 2), timeout=30)
        function.gate.set()
        answered = await asyncio.wait_for(second, timeout=30)
        await asyncio.gather(first, return_exceptions=True)

    assert answered[0] == 200
    assert function.calls == 2


async def test_during_an_update_each_preview_is_rendered_once(ground: Ground) -> None:
    """Twenty requests for each of twenty photos, spread over a replica of each version."""
    names = [f"{number}.jpg" for number in range(20)]
    for name in names:
        ground.put(f"photo/{name}")
    async with (
        GatedLambda(ground.s3).running() as function,
        ClientSession(connector=TCPConnector(limit=0)) as session,
    ):
        replicas = [await asyncio.to_thread(ground.start, version, function.url) for version in ("old", "new")]

        async def get(name: str, replica: Replica) -> int:
            async with session.get(f"http://{LOOPBACK}:{replica.port}/prew/card/{name}") as response:
                await response.read()
                return response.status

        asked = [asyncio.create_task(get(name, replica)) for _ in range(10) for name in names for replica in replicas]
        await function.until(lambda: function.calls == len(names))
        function.gate.set()
        statuses = await asyncio.wait_for(asyncio.gather(*asked), timeout=60)

    assert Counter(statuses) == {200: 400}
    assert function.invocations == Counter([f"photo/{name}" for name in names])


@pytest.mark.parametrize(("service", "function"), BOTH)
async def test_service_and_function_of_two_versions_render(ground: Ground, service: str, function: str) -> None:
    """A new function renders by an older service's definition; an older one may not know it, and that is logged."""
    picture = pyvips.Image.gaussnoise(2000, 1500).cast("uchar").jpegsave_buffer()
    ground.put("photo/a.jpg", picture)
    ground.put("photo/broken.jpg", picture[:100])
    replica = await asyncio.to_thread(lambda: ground.start(service, ground.start_function(function)))
    paths = (PATH, "/prew/square/a.jpg", "/prew/card/gone.jpg", "/prew/card/broken.jpg")
    answered = [(await replica.get(path))[:2] for path in paths]
    await asyncio.to_thread(replica.program.stop)  # what the function writes after its answer is there then
    listed, stale = [
        await asyncio.to_thread(ground.run, service, command, "--json") for command in ("presets", "stale")
    ]
    wanted = {each["name"]: each["fingerprint"] for each in json.loads(listed.stdout)}
    as_wanted = all(
        ground.metadata(f"prew/{preset}/a.jpg")["preset-fingerprint"] == wanted[preset] for preset in ("card", "square")
    )

    assert answered == [(200, "made"), (200, "made"), (404, ""), (422, "")]
    assert as_wanted != ("function.is_older" in replica.program.log.read_text())
    assert as_wanted or function == "old"
    assert stale.returncode == (0 if as_wanted else 1), stale.stdout + stale.stderr
