"""Faults in mid-flight, with real processes: no request hangs or is lost, and duplicate invocations are bounded."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import redis
from aiohttp import ClientSession, TCPConnector
from redis.asyncio import Redis as RedisClient

from devstack.backends import S3, start_redis
from devstack.programs import free_ports
from prewmanager.adapters.redis.photo_faults import photo_name
from prewmanager.config.names import namespace_of
from tests.support.asking import ask
from tests.support.fakes import until_reported
from tests.support.gated_lambda import GatedLambda, failed, refused, throttled
from tests.support.site import RunSite, Site

TIMES = {
    "PREW_LAMBDA_TIMEOUT": "5",
    "PREW_INVOKE_TIMEOUT": "6",
    "PREW_LEASE": "1",
    "PREW_LOCK_TTL": "10",
    "PREW_WAIT_TIMEOUT": "20",
    "PREW_TRANSIENT_TTL": "0.5",
}
Burst = list[tuple[int, str, bytes]]
RunFaulty = Callable[..., contextlib.AbstractAsyncContextManager[SimpleNamespace]]


@pytest.fixture(name="run_faulty")
def _run_faulty(run_site: RunSite, s3: S3, tmp_path: Path) -> RunFaulty:
    """Runs a site with its own Redis and gated Lambda: `async with run_faulty(replicas=2) as part`."""

    @contextlib.asynccontextmanager
    async def run(replicas: int = 2, **settings: str) -> AsyncIterator[SimpleNamespace]:
        folder = tmp_path / "redis"
        folder.mkdir()
        redis = start_redis(folder)
        try:
            async with GatedLambda(s3).running() as function:
                parts = {"redis": redis, "function": function, "replicas": replicas, "settings": TIMES | settings}
                with run_site(**parts) as site:
                    yield SimpleNamespace(site=site, redis=redis, function=function)
        finally:
            redis.program.signal(signal.SIGCONT)
            redis.program.kill()

    return run


def _photo(name: str) -> str:
    return f"/prew/card/faults/{name}-{time.time_ns()}.jpg"


async def _ask_replica(site: Site, replica: int, path: str) -> tuple[int, str, bytes]:
    async with ClientSession() as session, session.get(f"http://127.0.0.1:{site.ports[replica]}{path}") as response:
        return response.status, response.headers.get("X-Preview", ""), await response.read()


async def _burst(site: Site, replica: int, path: str, count: int) -> Burst:
    return await asyncio.gather(*(_ask_replica(site, replica, path) for _ in range(count)))


async def _all_wait(site: Site, replica: int, count: int) -> None:
    """Return when this many requests wait at a replica."""
    await until_reported(lambda: site.metric("prewmanager_waiting", site.ports[replica]) == count)


async def _leader_and_waiters(part: SimpleNamespace, path: str) -> tuple[asyncio.Task[Burst], asyncio.Task[Burst]]:
    """Ten requests at replica 0, which leads and is held in Lambda, and ten at replica 1, which waits for it."""
    leading = asyncio.create_task(_burst(part.site, 0, path, 10))
    await part.function.entered.wait()
    waiting = asyncio.create_task(_burst(part.site, 1, path, 10))
    await _all_wait(part.site, 0, 10)
    await _all_wait(part.site, 1, 10)
    return leading, waiting


def _all_well(burst: Burst) -> bool:
    return {status for status, _, _ in burst} == {200} and len({body for _, _, body in burst}) == 1


@pytest.mark.fault("replica-killed")
async def test_a_killed_leader_costs_other_replicas_waiters_no_preview(run_faulty: RunFaulty) -> None:
    """There may be two invocations: the dead leader's, whose answer is lost, and its successor's."""
    async with run_faulty() as part:
        leading, waiting = await _leader_and_waiters(part, _photo("killed"))
        part.site.services[0].kill()
        part.function.gate.set()
        burst = await waiting
        takeovers = part.site.metric("prewmanager_takeovers_total", part.site.ports[1])
        with pytest.raises(OSError):  # noqa: PT011 -- the connections to the killed process
            await leading

    assert _all_well(burst)
    assert takeovers == 1
    assert part.function.calls <= 2


@pytest.mark.fault("replica-killed")
async def test_leader_killed_behind_nginx(run_faulty: RunFaulty) -> None:
    async with run_faulty() as part:
        path = _photo("behind-nginx")
        asking = asyncio.create_task(part.site.burst(path, 40))
        await part.function.entered.wait()
        ports = part.site.ports
        await until_reported(lambda: sum(part.site.metric("prewmanager_waiting", port) for port in ports) == 40)
        part.site.services[0].kill()
        part.function.gate.set()
        burst = await asking

    assert _all_well(burst)
    assert part.function.calls <= 2


@pytest.mark.fault("redis-killed")
async def test_a_restart_with_an_empty_redis_costs_at_most_one_more_invocation(run_faulty: RunFaulty) -> None:
    async with run_faulty() as part:
        leading, waiting = await _leader_and_waiters(part, _photo("redis-restarted"))
        part.redis.program.kill()
        again = start_redis(part.redis.program.log.parent, port=part.redis.port)
        await _lease_is_back(part)
        part.function.gate.set()
        bursts = [await leading, await waiting]
        again.program.kill()

    assert all(_all_well(burst) for burst in bursts)
    assert part.function.calls <= 2


@pytest.mark.fault("redis-frozen")
async def test_while_redis_hangs_each_replica_renders_alone(run_faulty: RunFaulty) -> None:
    async with run_faulty() as part:
        leading, waiting = await _leader_and_waiters(part, _photo("redis-hangs"))
        part.redis.program.signal(signal.SIGSTOP)
        await until_reported(lambda: _is_alone(part.site, 1))
        part.function.gate.set()
        bursts = [await leading, await waiting]
        later = await _ask_replica(part.site, 1, _photo("while-redis-hangs"))
        part.redis.program.signal(signal.SIGCONT)
        await until_reported(lambda: not _is_alone(part.site, 1))

    assert all(_all_well(burst) for burst in bursts)
    assert later[0] == 200
    assert part.function.calls <= 3


@pytest.mark.fault("redis-emptied")
async def test_flushall_in_mid_flight_costs_at_most_one_more_invocation(run_faulty: RunFaulty) -> None:
    async with run_faulty() as part:
        leading, waiting = await _leader_and_waiters(part, _photo("flushall"))
        async with RedisClient.from_url(part.redis.url) as client:
            await client.flushall()
        await _lease_is_back(part)
        part.function.gate.set()
        bursts = [await leading, await waiting]

    assert all(_all_well(burst) for burst in bursts)
    assert part.function.calls <= 2


@pytest.mark.fault("blip")
async def test_a_blip_of_redis_costs_no_invocation(run_faulty: RunFaulty) -> None:
    times = {"PREW_LEASE": "6", "PREW_LOCK_TTL": "12"}
    async with run_faulty(replicas=3, **times) as part:
        paths = [_photo(f"blip-{number}") for number in range(10)]
        leading = [asyncio.create_task(_ask_replica(part.site, 0, path)) for path in paths]
        await part.function.until(lambda: part.function.calls == len(paths))
        waiting = [asyncio.create_task(_ask_replica(part.site, replica, path)) for path in paths for replica in (1, 2)]
        for replica in (1, 2):
            await _all_wait(part.site, replica, len(paths))
        with redis.Redis.from_url(part.redis.url) as client:
            await asyncio.to_thread(_polled, client)  # so that each has been told
        part.redis.program.signal(signal.SIGSTOP)
        await until_reported(lambda: _is_alone(part.site, 1) and _is_alone(part.site, 2))
        part.redis.program.signal(signal.SIGCONT)
        await until_reported(lambda: not (_is_alone(part.site, 1) or _is_alone(part.site, 2)))
        part.function.gate.set()
        answers = await asyncio.gather(*leading, *waiting)

    assert {status for status, _, _ in answers} == {200}
    assert part.function.calls == len(paths)


@pytest.mark.fault("busy-process")
async def test_flights_that_wait_for_a_slot_are_shared_all_the_same(run_faulty: RunFaulty) -> None:
    """100 flights at once, while Redis answers nobody for 1.2 s: less than two tries, but more than one."""
    async with run_faulty(PREW_MAX_INVOCATIONS="100", PREW_LEASE="5") as part:
        paths = [_photo(f"slot-{number}") for number in range(100)]
        bursts = []
        async with RedisClient.from_url(part.redis.url) as client:
            for replica in (0, 1):
                await client.client_pause(1200)
                bursts.append([asyncio.create_task(_ask_replica(part.site, replica, path)) for path in paths])
                await _all_wait(part.site, replica, len(paths))
                await part.function.until(lambda: part.function.calls == len(paths))
        part.function.gate.set()
        answers = await asyncio.gather(*bursts[0], *bursts[1])
        alone = [part.site.metric("prewmanager_flights_alone_total", port) for port in part.site.ports]

    assert Counter(status for status, _, _ in answers) == {200: 2 * len(paths)}
    assert part.function.calls == len(paths)
    assert alone == [0, 0]


@pytest.mark.fault("eviction")
async def test_a_full_redis_evicts_results_before_leases(run_faulty: RunFaulty) -> None:
    async with run_faulty() as part:
        with redis.Redis.from_url(part.redis.url) as client:
            client.config_set("maxmemory", "8mb")
            client.config_set("maxmemory-policy", "volatile-ttl")
            paths = [_photo(f"full-{number}") for number in range(30)]
            leading = [asyncio.create_task(_ask_replica(part.site, 0, path)) for path in paths]
            await part.function.until(lambda: part.function.calls == len(paths))
            waiting = [asyncio.create_task(_ask_replica(part.site, 1, path)) for path in paths]
            await _all_wait(part.site, 1, len(paths))
            for number in range(300):  # as long as a cached result lasts
                client.set(f"prew:flight:photos/other/{number}", b"x" * 50_000, px=30_000)
            assert cast("dict[str, int]", client.info("stats"))["evicted_keys"] > 100
            await asyncio.to_thread(_polled, client)
        part.function.gate.set()
        answers = await asyncio.gather(*leading, *waiting)

    assert {status for status, _, _ in answers} == {200}
    assert part.function.calls == len(paths)


@pytest.mark.fault("replica-unable")
async def test_a_replica_that_lambda_refuses_leaves_its_flight_to_another(run_faulty: RunFaulty) -> None:
    async with run_faulty() as part:
        part.function.script.append(refused("InvalidSignatureException", 403))
        part.function.gate.set()
        path = _photo("refused")
        bursts = await asyncio.gather(_burst(part.site, 0, path, 5), _burst(part.site, 1, path, 5))

    assert all(_all_well(burst) for burst in bursts)
    assert part.function.calls == 2


@pytest.mark.fault("replica-unable")
async def test_a_replica_without_lambda_gives_no_failure_to_others(run_faulty: RunFaulty, run_site: RunSite) -> None:
    nowhere = {"AWS_ENDPOINT_URL_LAMBDA": f"http://127.0.0.1:{free_ports(1)[0]}"}
    async with run_faulty(replicas=1) as part:
        part.function.gate.set()
        with run_site(redis=part.redis, function=part.function, replicas=1, settings=TIMES | nowhere) as unable:
            alone, both = _photo("alone"), _photo("both")
            failed_alone = await _ask_replica(unable, 0, alone)
            later = await _ask_replica(part.site, 0, alone)
            bursts = await asyncio.gather(_burst(unable, 0, both, 5), _burst(part.site, 0, both, 5))

    assert (failed_alone[0], later[0]) == (503, 200)
    assert all(_all_well(burst) for burst in bursts)
    assert part.function.calls == 2


@pytest.mark.fault("notification-lost")
async def test_without_notifications_waiters_find_the_result_by_polling(run_faulty: RunFaulty) -> None:
    async with run_faulty() as part:
        leading, waiting = await _leader_and_waiters(part, _photo("message-lost"))
        with redis.Redis.from_url(part.redis.url) as client:
            # One: the leader does not wait, so it has no subscription.
            await until_reported(lambda: len(client.execute_command("PUBSUB", "SHARDCHANNELS")) == 1)
            assert client.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == 1
        part.function.gate.set()
        bursts = [await leading, await waiting]

    assert all(_all_well(burst) for burst in bursts)
    assert part.function.calls == 1


@pytest.mark.fault("replica-frozen")
async def test_a_stopped_leader_neither_overwrites_nor_releases_its_successors_lease(run_faulty: RunFaulty) -> None:
    async with run_faulty() as part:
        path = _photo("blocked")
        leading, waiting = await _leader_and_waiters(part, path)
        os.kill(part.site.services[0].pid, signal.SIGSTOP)
        await until_reported(lambda: part.function.calls == 2)
        part.function.gate.set()
        waited = await waiting
        os.kill(part.site.services[0].pid, signal.SIGCONT)
        led = await leading
        again = await _ask_replica(part.site, 1, path)

    assert {status for status, _, _ in led + waited} == {200}
    assert again[2] == waited[0][2]
    assert part.function.calls == 2


async def test_work_of_three_leases_is_one_invocation(run_faulty: RunFaulty) -> None:
    async with run_faulty() as part:
        leading, waiting = await _leader_and_waiters(part, _photo("slow"))
        with redis.Redis.from_url(part.redis.url) as client:
            await until_reported(lambda: _renewals(client) >= 9)
        part.function.gate.set()
        bursts = [await leading, await waiting]

    assert all(_all_well(burst) for burst in bursts)
    assert part.function.calls == 1


@pytest.mark.fault("lambda-throttles")
async def test_a_preview_throttled_three_times_is_rendered(run_faulty: RunFaulty) -> None:
    async with run_faulty() as part:
        part.function.script.extend(throttled() for _ in range(3))
        part.function.gate.set()
        path = _photo("throttled")
        bursts = await asyncio.gather(_burst(part.site, 0, path, 20), _burst(part.site, 1, path, 20))

    assert all(_all_well(burst) for burst in bursts)
    assert part.function.calls == 4


@pytest.mark.fault("clients-leave")
async def test_clients_that_disconnect_do_not_end_the_flight(run_faulty: RunFaulty) -> None:
    async with run_faulty() as part:
        path = _photo("leave")
        requests = [asyncio.create_task(_ask_replica(part.site, 0, path))]
        await part.function.entered.wait()
        requests += [
            asyncio.create_task(_ask_replica(part.site, replica, path)) for replica in (0, 1) for _ in range(50)
        ]
        await _all_wait(part.site, 0, 51)
        await _all_wait(part.site, 1, 50)
        staying = requests[10::10]
        for request in requests:
            if request not in staying:
                request.cancel()
        part.function.gate.set()
        burst = await asyncio.gather(*staying)

    assert _all_well(burst)
    assert part.function.calls == 1


@pytest.mark.fault("replica-restarted")
async def test_no_request_is_lost_in_a_rolling_restart_under_load(run_faulty: RunFaulty) -> None:
    async with run_faulty(replicas=3) as part:
        part.function.gate.set()
        site, done = part.site, asyncio.Event()
        statuses: list[int] = []

        async def client(number: int) -> None:
            async with ClientSession(connector=TCPConnector(limit=0)) as session:
                for count in range(10_000):
                    if done.is_set():
                        return
                    path = f"{site.nginx.url}/prew/thumb/rolling/{number // 2}-{count}.jpg"
                    async with session.get(path) as response:
                        statuses.append(response.status)
                        await response.read()

        async def answers(more: int) -> None:
            enough = len(statuses) + more
            await until_reported(lambda: len(statuses) >= enough)

        clients = [asyncio.create_task(client(number)) for number in range(8)]
        for replica in range(3):
            await answers(50)
            await asyncio.to_thread(site.restart, replica)
        await answers(50)
        done.set()
        await asyncio.gather(*clients)

    assert set(statuses) == {200}
    assert max(part.function.invocations.values()) <= 2


@pytest.mark.fault("photo-uploaded-late")
async def test_an_eviction_without_redis_is_not_done(run_faulty: RunFaulty) -> None:
    """The cleaner fails, and its event comes again."""
    async with run_faulty(replicas=1) as part:
        path = f"/-/results/photo/{_photo('evicted').removeprefix('/prew/card/')}"
        part.redis.program.kill()
        away = await asyncio.to_thread(ask, part.site.ports[0], path, "DELETE")
        again = start_redis(part.redis.program.log.parent, port=part.redis.port)
        await until_reported(lambda: ask(part.site.ports[0], path, "DELETE").status == 204)
        again.program.kill()

    assert (away.status, away.headers["Retry-After"]) == (503, "1")


@pytest.mark.fault("photo-missing")
async def test_a_photo_uploaded_after_its_failure_was_cached_appears_after_the_ttl(run_faulty: RunFaulty) -> None:
    async with run_faulty(PREW_MISSING_TTL="1") as part:
        part.function.gate.set()
        part.function.script.extend([failed("missing"), failed("missing")])
        waits, evicted = _photo("waits"), _photo("evicted")
        before = [await _ask_replica(part.site, 0, path) for path in (waits, evicted)]
        photo = evicted.removeprefix("/prew/card/")
        done = await asyncio.to_thread(ask, part.site.ports[0], f"/-/results/photo/{photo}", "DELETE")
        at_once = await _ask_replica(part.site, 1, evicted)
        with redis.Redis.from_url(part.redis.url) as asking:
            name = photo_name(namespace_of(part.site.s3.bucket, part.site.s3.endpoint), f"photo/{waits[11:]}")
            assert asking.get(name) == b"missing"
            await until_reported(lambda: not asking.exists(name))
        in_time = await _ask_replica(part.site, 1, waits)

    assert ([status for status, _, _ in before], done.status) == ([404, 404], 204)
    assert (at_once[0], in_time[0]) == (200, 200)


@pytest.mark.fault("made-up-names")
@pytest.mark.fault("client-greedy")
async def test_made_up_names_cannot_run_up_a_bill(run_faulty: RunFaulty) -> None:
    limits = {"PREW_MAX_RESIZES_PER_SECOND": "0.01", "PREW_RESIZE_BURST": "20"}
    async with run_faulty(replicas=2, **limits) as part:
        part.function.gate.set()
        known = _photo("known")
        assert (await _ask_replica(part.site, 0, known))[0] == 200
        async with ClientSession(connector=TCPConnector(limit=50)) as session:

            async def one(number: int) -> tuple[int, str | None]:
                async with session.get(f"{part.site.nginx.url}/prew/card/made-up/{number}.jpg") as response:
                    return response.status, response.headers.get("Retry-After")

            answers = await asyncio.gather(*(one(number) for number in range(200)))
        known_again = [status for status, _, _ in await part.site.burst(known, 50)]
        others = {"X-Forwarded-For": "192.0.2.1"}
        other = await asyncio.to_thread(ask, part.site.ports[1], _photo("other"), "GET", others)

    assert Counter(status for status, _ in answers) == {200: 15, 503: 185}
    assert other.status == 200
    assert all(1 <= int(retry) <= 100 for status, retry in answers if status == 503 and retry is not None)
    assert part.function.calls == 17
    assert known_again == [200] * 50


async def _lease_is_back(part: SimpleNamespace) -> None:
    """Return when a renewal or a takeover has written the flight's lease to an empty Redis."""
    with redis.Redis.from_url(part.redis.url) as client:
        await until_reported(lambda: any(client.scan_iter(match="prew:flight:*")))


def _renewals(client: redis.Redis) -> int:
    commands = cast("dict[str, dict[str, int]]", client.info("commandstats"))
    return commands.get("cmdstat_set", {}).get("calls", 0) - 1  # the first one acquires it


def _polled(client: redis.Redis) -> None:
    """Return when replicas have asked Redis many times more."""
    first = _scripts(client)
    while _scripts(client) < first + 60:
        pass


def _scripts(client: redis.Redis) -> int:
    return cast("dict[str, dict[str, int]]", client.info("commandstats"))["cmdstat_evalsha"]["calls"]


def _is_alone(site: Site, replica: int) -> bool:
    return site.metric("prewmanager_redis_up", site.ports[replica]) == 0
