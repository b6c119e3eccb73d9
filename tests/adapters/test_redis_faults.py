"""The flight store in Redis during failures of Redis, or of the connection to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from redis.asyncio import Redis as RedisClient

from devstack.backends import Redis, start_redis
from prewmanager.adapters.memory_quota import MemoryQuota
from prewmanager.adapters.memory_store import MemoryFlightStore
from prewmanager.adapters.redis import circuit_breaker
from prewmanager.adapters.redis.codec import decode, encode_outcome
from prewmanager.adapters.redis.connect import connect
from prewmanager.adapters.redis.fallback import FallbackFlightStore, FallbackQuota
from prewmanager.adapters.redis.flight_store import KEY_PREFIX, RedisFlightStore
from prewmanager.adapters.redis.notifications import RedisNotifications
from prewmanager.adapters.redis.quota import RedisQuota
from prewmanager.errors import FlightStoreUnavailable
from prewmanager.flights.ports import Lease
from prewmanager.flights.result import Completed, Held
from prewmanager.previews.outcome import Failure, Made
from tests.support.fakes import made, until
from tests.support.redis_flights import redis_flight_store
from tests.support.redis_proxy import FaultProxy


@contextlib.asynccontextmanager
async def _client(url: str) -> AsyncIterator[RedisClient]:
    async with connect(url, timeout_s=0.3) as client:
        assert isinstance(client, RedisClient)
        yield client


@pytest.mark.fault("reply-lost")
async def test_a_lost_reply_does_not_lose_the_election(redis_server: Redis) -> None:
    proxy = FaultProxy(redis_server.port)
    async with proxy.running() as url, _client(url) as client:
        await client.flushall()
        proxy.swallow_reply_to = b"EVALSHA"
        acquired = await redis_flight_store(client).acquire("k")

        assert proxy.swallowed == 1
        assert not isinstance(acquired, Held | Completed)
        assert await acquired.complete(Failure("missing", ""), 5)


@contextlib.asynccontextmanager
async def _mute() -> AsyncIterator[tuple[str, asyncio.Queue[None]]]:
    """The address of a server that accepts connections and never answers, and a list with an item per connection."""
    accepted: asyncio.Queue[None] = asyncio.Queue()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.put_nowait(None)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0", accepted


@pytest.mark.fault("redis-frozen")
async def test_a_redis_that_hangs_is_unavailable() -> None:
    async with _mute() as (url, _), _client(url) as client:
        with pytest.raises(FlightStoreUnavailable):
            await redis_flight_store(client).acquire("k")


async def test_a_subscription_that_a_server_does_not_answer_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prewmanager.adapters.redis.subscriptions._CONNECT_TIMEOUT_S", 0.1)
    async with _mute() as (url, accepted), _client(url) as client:
        notifications = RedisNotifications(client, resubscribe_s=0.01)
        async with notifications.listening():
            with notifications.expecting("k"):
                await notifications.wait("k", 0.01)
                async with asyncio.timeout(10):
                    for _ in range(3):
                        await accepted.get()


@pytest.mark.fault("redis-away")
async def test_no_lease_method_raises_when_redis_is_gone(tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    async with _client(server.url) as client:
        lease = await redis_flight_store(client).acquire("k")
        assert not isinstance(lease, Held | Completed)
        server.program.kill()

        assert await lease.renew()
        assert not await lease.complete(Failure("missing", ""), 5)
        await lease.release()


@pytest.mark.fault("redis-away")
async def test_redis_is_away_at_the_first_failure_and_back_after_a_probe(tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    changes: list[bool] = []
    async with connect(server.url, timeout_s=0.3, on_change=changes.append) as client:
        assert isinstance(client, RedisClient)
        flight_store = _falling_back(client)
        server.program.kill()
        alone = await flight_store.acquire("k")
        assert not isinstance(alone, Held | Completed)
        assert isinstance(await flight_store.acquire("k"), Held)
        await flight_store.wait_for_change("k", 0.01)
        assert changes == [False]
        again = start_redis(tmp_path, port=server.port)
        await until(lambda: changes == [False, True])
        shared = await flight_store.acquire("k")
        assert not isinstance(shared, Held | Completed)
        again.program.kill()
        await flight_store.acquire("other")

    assert changes == [False, True, False]


def _falling_back(client: RedisClient, lease_s: float = 5, **options: Any) -> FallbackFlightStore:
    on_alone = options.pop("on_alone", lambda: None)
    shared = redis_flight_store(client, **options)
    return FallbackFlightStore(shared, MemoryFlightStore(), lease_s=lease_s, on_alone=on_alone)


@pytest.mark.fault("lost-link")
async def test_nothing_is_left_of_a_flight_whose_link_broke(tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    async with _client(server.url) as client, _client(server.url) as other:
        notifications = RedisNotifications(client)
        flight_store = _falling_back(client, 0.01, notifications=notifications)
        await redis_flight_store(other).acquire("k")
        with flight_store.watching("k"):
            assert isinstance(await flight_store.acquire("k"), Held)
            server.program.kill()
            assert isinstance(await flight_store.acquire("k"), Held)  # for a lease, although Redis is away
            while isinstance(await flight_store.acquire("k"), Held):
                await flight_store.wait_for_change("k", 0.01)

    assert not notifications._expected
    assert not flight_store._held


@pytest.mark.fault("full-of-bodies")
async def test_bodies_fill_no_more_than_half_of_redis(tmp_path: Path) -> None:
    server = start_redis(tmp_path, options=("--maxmemory", "8mb", "--maxmemory-policy", "noeviction"))
    preview = made(b"x" * 100_000)
    async with _client(server.url) as client:
        flight_store = redis_flight_store(
            client,
            RedisNotifications(client),
            max_body_bytes=200_000,
        )
        found = []
        for number in range(200):
            lease = await flight_store.acquire(f"k{number}")
            assert not isinstance(lease, Held | Completed)
            assert isinstance(await flight_store.acquire(f"k{number}"), Held)
            assert await lease.complete(preview, 60)
            found.append(await flight_store.acquire(f"k{number}"))
        memory = await client.info("memory")

    bodies = [each.outcome.body for each in found if isinstance(each, Completed) and isinstance(each.outcome, Made)]
    assert len(bodies) == 200
    assert bodies[0] == preview.body
    assert bodies[-1] is None
    assert memory["used_memory"] < 5_000_000
    server.program.kill()


@pytest.mark.fault("full-of-bodies")
async def test_a_preview_of_no_use_without_its_bytes_keeps_its_lease_where_there_is_no_room(tmp_path: Path) -> None:
    server = start_redis(tmp_path, options=("--maxmemory", "8mb", "--maxmemory-policy", "noeviction"))
    async with _client(server.url) as client:
        store = redis_flight_store(client, max_body_bytes=2_000_000)
        small, large = (replace(made(b"x" * size), stored=False) for size in (100, 2_000_000))
        assert await (await _acquired(store, "small")).complete(small, 60)
        lease = await _acquired(store, "large")
        assert not await lease.complete(large, 60)
        assert await store.acquire("small") == Completed(small)
        assert isinstance(await store.acquire("large"), Held)
        assert await lease.complete(replace(large, stored=True), 60)
        assert await store.acquire("large") == Completed(replace(large, stored=True, body=None))
    server.program.kill()


@pytest.mark.fault("redis-away")
async def test_without_redis_the_quota_counts_per_process(tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    async with _client(server.url) as client:
        quota = FallbackQuota(RedisQuota(client, "photos", 0.01, 1), MemoryQuota(0.01, 1))
        shared = [await quota.consume(""), await quota.consume("")]
        server.program.kill()
        alone = [await quota.consume(""), await quota.consume("")]

    assert shared[0] == alone[0] == 0
    assert min(shared[1], alone[1]) > 90


@pytest.mark.fault("notification-lost")
async def test_notifications_come_again_after_redis_was_away(tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    async with _client(server.url) as client:
        notifications = RedisNotifications(client, resubscribe_s=0.01)
        async with notifications.listening():
            await _subscribed(notifications)
            server.program.kill()
            again = start_redis(tmp_path, port=server.port)
            for _ in range(2):  # the first wait may return because the subscription is restored
                with notifications.expecting("k"):
                    waiting = asyncio.create_task(notifications.wait("k", 30))
                    while not waiting.done():
                        await _announce(client, "k")
    again.program.kill()


@pytest.mark.fault("password-rotated")
async def test_a_rotated_password_is_read_again(tmp_path: Path) -> None:
    server = start_redis(tmp_path, options=("--requirepass", "old"))
    (tmp_path / "password").write_text("old\n")
    changes: list[bool] = []
    async with connect(
        server.url, timeout_s=0.3, on_change=changes.append, password_file=tmp_path / "password"
    ) as client:
        flight_store = _falling_back(cast("RedisClient", client))
        await flight_store.acquire("before")
        async with RedisClient.from_url(server.url, password="old") as operator:
            await operator.config_set("requirepass", "new")
            await operator.client_kill_filter(_type="normal", skipme=False)
        await flight_store.acquire("meanwhile")
        (tmp_path / "password").write_text("new\n")
        await until(lambda: changes == [False, True])
        assert not isinstance(await flight_store.acquire("afterwards"), Held | Completed)
        async with RedisClient.from_url(server.url, password="new") as operator:
            assert await operator.exists(f"{KEY_PREFIX}photos/afterwards")
    server.program.kill()


async def _subscribed(notifications: RedisNotifications) -> None:
    with notifications.expecting("the first one"):
        await notifications.wait("the first one", 30)


async def _announce(client: RedisClient, channel: str) -> None:
    await client.execute_command("SPUBLISH", channel, "")  # type: ignore[no-untyped-call]  # redis-py's


class SlowReply(RedisClient):
    """Lets something happen between a command and its reply."""

    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def execute_command(self, *arguments: Any, **options: Any) -> Any:
        reply = await super().execute_command(*arguments, **options)  # type: ignore[no-untyped-call]  # redis-py's
        if self.meanwhile is not None:
            await self.meanwhile()
        return reply


async def test_a_flight_that_completes_while_it_is_read_is_not_waited_for(redis_server: Redis) -> None:
    async with _client(redis_server.url) as other, SlowReply(port=redis_server.port) as client:
        await other.flushall()
        notifications = RedisNotifications(client)
        lease = await redis_flight_store(other).acquire("k")
        assert not isinstance(lease, Held | Completed)

        async def meanwhile() -> None:
            await lease.complete(Failure("missing", ""), 5)
            with notifications.expecting("the next one"):
                await _announce(other, "the next one")
                await notifications.wait("the next one", 30)

        async with notifications.listening():
            await _subscribed(notifications)
            client.meanwhile = meanwhile
            flight_store = redis_flight_store(client, notifications)
            with flight_store.watching("k"):
                assert isinstance(await flight_store.acquire("k"), Held)
                async with asyncio.timeout(5):
                    await flight_store.wait_for_change("k", 600)


async def test_a_subscription_ends_with_its_wait_and_the_connection_after_the_last(redis_server: Redis) -> None:
    async with _client(redis_server.url) as client:
        notifications = RedisNotifications(client, linger_s=0)
        async with notifications.listening():
            for _ in range(2):
                with notifications.expecting("k"):
                    await notifications.wait("k", 30)
                    assert await _subscribers(client, "k") == 1
                while await _subscribers(client, "k"):
                    pass
                while await client.client_list(_type="pubsub"):
                    pass


async def _subscribers(client: RedisClient, channel: str) -> int:
    counts: list[Any] = await client.execute_command("PUBSUB", "SHARDNUMSUB", channel)  # type: ignore[no-untyped-call]  # redis-py's
    return int(counts[1])


@pytest.mark.fault("many-replicas")
async def test_of_200_replicas_those_that_wait_for_a_flight_hear_of_it_and_no_other(redis_server: Redis) -> None:
    """Each waits for a flight of its own, two of them for one more; then a hundred lonely flights complete."""
    heard: list[tuple[int, str]] = []
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(connect(redis_server.url, timeout_s=20))
        assert isinstance(client, RedisClient)
        await client.flushall()
        other = redis_flight_store(client, lease_s=300)
        replicas = [Replica(number, client, heard) for number in range(200)]
        for replica in replicas:
            await stack.enter_async_context(replica.notifications.listening())
            stack.enter_context(replica.store.watching(f"own {replica.number}"))
        leases = {key: await _acquired(other, key) for key in ["shared", *(f"own {each}" for each in range(200))]}
        await asyncio.gather(*(replica.waits_for(f"own {replica.number}") for replica in replicas))
        for replica in replicas[:2]:
            stack.enter_context(replica.store.watching("shared"))
            await replica.waits_for("shared")
        for number in range(100):
            assert await (await _acquired(other, f"lonely {number}")).complete(made(b"x"), 5)
        waiting = [asyncio.create_task(each.store.wait_for_change("shared", 30)) for each in replicas[:2]]
        assert await leases["shared"].complete(made(b"x"), 5)
        await asyncio.gather(*waiting)

    assert sorted(heard) == [(0, "shared"), (1, "shared")]


class Overheard(RedisNotifications):
    """Tells which messages it gets."""

    on_message: Callable[[str], None]

    def _came(self, channel: str, message: str | None) -> None:
        if message is not None:
            self.on_message(channel.rpartition("/")[2])
        super()._came(channel, message)


class Replica:
    """A process with a subscription connection of its own; `heard` gets its number and the flight of each message."""

    def __init__(self, number: int, client: RedisClient, heard: list[tuple[int, str]]) -> None:
        self.number = number
        self.notifications = Overheard(client)
        self.notifications.on_message = lambda channel: heard.append((number, channel))
        self.store = redis_flight_store(client, self.notifications)

    async def waits_for(self, key: str) -> None:
        """Wait until the subscription stands."""
        assert isinstance(await self.store.acquire(key), Held)
        await self.store.wait_for_change(key, 30)


async def _acquired(store: RedisFlightStore, key: str) -> Lease:
    acquired = await store.acquire(key)
    assert not isinstance(acquired, Held | Completed)
    return acquired


async def test_a_lonely_flight_sends_two_small_commands(redis_server: Redis) -> None:
    """Its lease and its result without the preview's bytes; nothing is published."""
    async with _client(redis_server.url) as client:
        await client.flushall()
        store = redis_flight_store(client, max_body_bytes=1_000_000)
        await (await _acquired(store, "warms up")).complete(made(b"x"), 5)  # the scripts are known then
        before = await client.info("stats")
        await (await _acquired(store, "k")).complete(made(b"x" * 70_000), 5)
        after = await client.info("stats")
        held = await client.memory_usage(f"{KEY_PREFIX}photos/k")

    assert after["total_net_input_bytes"] - before["total_net_input_bytes"] < 1000
    assert held is not None
    assert held < 1000


@pytest.mark.parametrize("written", [True, False])
async def test_a_flight_that_is_answered_first_sends_three_commands_and_the_bytes_once(
    redis_server: Redis, *, written: bool
) -> None:
    """Its lease, its result, and what became of the write; with the photo's faults, a miss has four."""
    unwritten = replace(made(b"x" * 70_000), etag="", stored=False)
    async with _client(redis_server.url) as client:
        await client.flushall()
        store = redis_flight_store(client, max_body_bytes=1_000_000)
        warms_up = await _acquired(store, "warms up")  # the scripts are known then
        await warms_up.complete(unwritten, 5)
        await warms_up.replace(replace(unwritten, stored=True, body=None), 5)
        await (await _acquired(store, "warms up, too")).complete(unwritten, 5)
        await store.evict("warms up, too", None)
        await client.config_resetstat()
        lease = await _acquired(store, "k")
        await lease.complete(unwritten, 5)
        held = await client.memory_usage(f"{KEY_PREFIX}photos/k")
        await lease.replace(replace(unwritten, stored=True, body=None) if written else None, 5)
        commands, stats = await client.info("commandstats"), await client.info("stats")
        left = await client.memory_usage(f"{KEY_PREFIX}photos/k")

    assert commands["cmdstat_evalsha"]["calls"] == 3
    assert 70_000 < stats["total_net_input_bytes"] < 73_000
    assert held is not None
    assert held > 70_000
    assert (left or 0) < 1000


@pytest.mark.fault("unknown-value")
@pytest.mark.parametrize("value", [b"nonsense", b"result:{}", b"result:{]\n", b"failed:{}", b"failed:[]"])
async def test_a_value_that_is_none_of_ours_is_a_lease_for_one_lock_ttl(value: bytes, redis_server: Redis) -> None:
    alone: list[str] = []
    changes: list[bool] = []
    async with connect(redis_server.url, on_change=changes.append) as client:
        assert isinstance(client, RedisClient)
        await client.set(f"{KEY_PREFIX}photos/k", value)
        flight_store = _falling_back(client, lock_ttl_s=0.2, on_alone=lambda: alone.append("k"))
        assert isinstance(await flight_store.acquire("k"), Held)
        acquired: object = Held()
        while isinstance(acquired, Held):
            acquired = await flight_store.acquire("k")
        assert alone == ["k"]
        assert not isinstance(await flight_store.acquire("another"), Held | Completed)
        assert alone == ["k"]
        assert isinstance(await redis_flight_store(client).acquire("another"), Held)  # it is in Redis
        await client.flushall()

    assert changes == []


@pytest.mark.fault("wrong-type")
async def test_an_error_about_one_key_concerns_one_flight(redis_server: Redis) -> None:
    changes: list[bool] = []
    async with connect(redis_server.url, on_change=changes.append) as client:
        assert isinstance(client, RedisClient)
        await client.flushall()
        await client.rpush(f"{KEY_PREFIX}photos/k", "a list")
        one, other = _falling_back(client), _falling_back(client)
        for _ in range(2):
            assert not isinstance(await one.acquire("k"), Completed)
            assert not isinstance(await other.acquire("k"), Completed)
        await one.acquire("another")
        assert isinstance(await other.acquire("another"), Held)
        await client.flushall()

    assert changes == []


@pytest.mark.fault("refusal")
@pytest.mark.parametrize(
    "refuse", ["config set maxmemory 1", "replicaof 127.0.0.1 1", "acl setuser default resetkeys ~other:*"]
)
async def test_a_redis_that_refuses_writes_says_so_once_and_comes_back(
    refuse: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of memory without eviction; a replica; a user without the keys."""
    monkeypatch.setitem(circuit_breaker._PROBE_EVERY_S, "refuses", 0.05)
    accept = {"config": "config set maxmemory 0", "replicaof": "replicaof no one", "acl": "acl setuser default allkeys"}
    server = start_redis(tmp_path)
    changes: list[bool] = []
    async with connect(server.url, on_change=changes.append) as client, RedisClient.from_url(server.url) as operator:
        assert isinstance(client, RedisClient)
        flight_store = _falling_back(client)
        held = redis_flight_store(client)
        await held.acquire("in flight")
        await operator.execute_command(*refuse.split())  # type: ignore[no-untyped-call]  # redis-py's
        if not refuse.startswith("acl"):
            assert isinstance(await held.acquire("in flight"), Held)
        for number in range(20):
            assert not isinstance(await flight_store.acquire(f"k{number}"), Held | Completed)
        with pytest.raises(FlightStoreUnavailable):
            await held.ping()
        assert changes == [False]
        await operator.execute_command(*accept[refuse.split(maxsplit=1)[0]].split())  # type: ignore[no-untyped-call]  # redis-py's
        await until(lambda: changes == [False, True])
        assert not isinstance(await held.acquire("afterwards"), Held | Completed)
        await held.ping()
    server.program.kill()


@pytest.mark.fault("failover-behind-address")
async def test_a_failover_behind_one_address_is_followed(tmp_path: Path) -> None:
    """New connections reach the new server, ours stay with the old one, which became a replica."""
    folders = [tmp_path / name for name in ("old", "new")]
    for folder in folders:
        folder.mkdir()
    old, new = (start_redis(folder) for folder in folders)
    proxy = FaultProxy(old.port)
    changes: list[bool] = []
    async with proxy.running() as url, connect(url, on_change=changes.append) as client:
        flight_store = redis_flight_store(client)
        await asyncio.gather(*(flight_store.acquire(f"before {number}") for number in range(10)))
        async with RedisClient.from_url(old.url) as operator:
            await operator.replicaof("127.0.0.1", str(new.port))
        proxy.port = new.port
        acquired = await asyncio.gather(*(flight_store.acquire(f"after {number}") for number in range(50)))
        async with RedisClient.from_url(new.url) as operator:
            names = {name async for name in operator.scan_iter(match=f"{KEY_PREFIX}photos/after*")}
    for server in (old, new):
        server.program.kill()

    assert not any(isinstance(each, Held | Completed) for each in acquired)
    assert len(names) == 50
    assert changes == []


@pytest.mark.fault("busy-process")
async def test_waiting_for_a_slot_is_no_failure_of_redis(redis_server: Redis) -> None:
    """640 flights at once through 64 slots, with 250 ms for each command: the last wait for longer than a time-out."""
    changes: list[bool] = []
    proxy = FaultProxy(redis_server.port, delay_s=0.25)
    async with proxy.running() as url, connect(url, timeout_s=2, on_change=changes.append) as client:
        assert isinstance(client, RedisClient)
        await client.flushall()
        one, other = (redis_flight_store(client, lease_s=300) for _ in range(2))
        keys = [f"busy {number}" for number in range(640)]
        first = await asyncio.gather(*map(one.acquire, keys))
        second = await other.acquire(keys[-1])

    assert not any(isinstance(each, Held | Completed) for each in first)
    assert second == Held()
    assert changes == []


@pytest.mark.fault("half-open-subscription")
async def test_a_subscription_whose_other_end_is_gone_is_renewed(redis_server: Redis) -> None:
    proxy = FaultProxy(redis_server.port)
    async with proxy.running() as url, _client(url) as client, _client(redis_server.url) as other:
        # It does not end by itself during the test.
        notifications = RedisNotifications(client, resubscribe_s=0.01, linger_s=3600)
        async with notifications.listening():
            await _subscribed(notifications)
            proxy.go_silent()
            for _ in range(2):  # the first wait may return because the subscription is restored
                with notifications.expecting("k"):
                    waiting = asyncio.create_task(notifications.wait("k", 30))
                    while not waiting.done():
                        await _announce(other, "k")
                        await asyncio.sleep(0.01)
            with notifications.expecting("k"):
                waiting = asyncio.create_task(notifications.wait("k", 600))
                async with asyncio.timeout(20):
                    while not waiting.done():
                        await _announce(other, "k")
                        await asyncio.sleep(0.01)


def test_a_kind_from_a_newer_version_is_a_failed_resize() -> None:
    value = encode_outcome(Failure("missing", "x"), 10).replace(b'"missing"', b'"from_the_future"')

    assert decode(value) == Completed(Failure("failed", "x", None))


def test_a_value_without_a_thumbhash_is_what_older_versions_wrote_and_read() -> None:
    plain = made()
    hashed = replace(plain, thumbhash="1Q/+HQ==")
    value = encode_outcome(plain, 10)

    assert b"thumbhash" not in value
    assert decode(value) == Completed(plain)
    assert decode(encode_outcome(hashed, 10)) == Completed(hashed)


async def test_deleting_the_documented_key_evicts_a_failure(redis_server: Redis) -> None:
    async with _client(redis_server.url) as client:
        await client.flushall()
        lease = await redis_flight_store(client).acquire("prew/card/a.jpg@0123456789ab")
        assert not isinstance(lease, Held | Completed)
        await lease.complete(Failure("missing", ""), 60)

        assert await client.delete("prew:flight:photos/prew/card/a.jpg@0123456789ab") == 1
        assert not isinstance(
            await redis_flight_store(client).acquire("prew/card/a.jpg@0123456789ab"), Held | Completed
        )
