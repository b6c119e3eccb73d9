"""The flight store in Redis during failures of Redis, or of the connection to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis as RedisClient

from devstack.backends import Redis, start_redis
from prewmanager.adapters.memory_quota import MemoryQuota
from prewmanager.adapters.memory_store import MemoryFlightStore
from prewmanager.adapters.redis.circuit_breaker import CircuitBreaker
from prewmanager.adapters.redis.codec import decode, encode_outcome
from prewmanager.adapters.redis.connect import connect
from prewmanager.adapters.redis.fallback import FallbackFlightStore, FallbackQuota
from prewmanager.adapters.redis.flight_store import CHANNEL, KEY_PREFIX, RedisFlightStore
from prewmanager.adapters.redis.notifications import RedisNotifications
from prewmanager.adapters.redis.quota import RedisQuota
from prewmanager.errors import FlightStoreUnavailable
from prewmanager.flights.result import Completed, Held
from prewmanager.previews.outcome import Failure, Made
from tests.support.fakes import made, until


class FaultProxy:
    """A TCP proxy in front of Redis that can swallow the reply to the next command with a given word."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.swallow_reply_to: bytes | None = None
        self.swallowed = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back_writer = await asyncio.open_connection("127.0.0.1", self._port)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                swallow = self.swallow_reply_to is not None and self.swallow_reply_to in data
                back_writer.write(data)
                await back_writer.drain()
                reply = await back_reader.read(65536)
                if swallow:
                    self.swallow_reply_to, self.swallowed = None, self.swallowed + 1
                    break
                writer.write(reply)
                await writer.drain()
        writer.close()
        back_writer.close()


def _flight_store(client: RedisClient, notifications: RedisNotifications | None = None) -> RedisFlightStore:
    return RedisFlightStore(
        client,
        notifications or RedisNotifications(client, CHANNEL),
        namespace="photos",
        lease_s=5,
        longest_result_s=300,
        max_body_bytes=1000,
    )


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
        acquired = await _flight_store(client).acquire("k")

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
            await _flight_store(client).acquire("k")


async def test_a_subscription_that_a_server_does_not_answer_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prewmanager.adapters.redis.notifications._CONNECT_TIMEOUT_S", 0.1)
    async with _mute() as (url, accepted), _client(url) as client:
        notifications = RedisNotifications(client, CHANNEL, resubscribe_s=0.01)
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
        lease = await _flight_store(client).acquire("k")
        assert not isinstance(lease, Held | Completed)
        server.program.kill()

        assert await lease.renew()
        assert not await lease.complete(Failure("missing", ""), 5)
        await lease.release()


@pytest.mark.fault("redis-away")
async def test_the_circuit_opens_at_the_first_failure_and_closes_after_a_probe(tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    changes: list[bool] = []
    async with _client(server.url) as client:
        circuit_breaker = CircuitBreaker(_flight_store(client).ping, probe_every_s=0.01, on_change=changes.append)
        flight_store = FallbackFlightStore(_flight_store(client), MemoryFlightStore(), circuit_breaker, lease_s=5)
        async with circuit_breaker.watched():
            server.program.kill()
            alone = await flight_store.acquire("k")
            assert not isinstance(alone, Held | Completed)
            assert not circuit_breaker.closed
            assert isinstance(await flight_store.acquire("k"), Held)
            await flight_store.wait_for_change("k", 0.01)
            again = start_redis(tmp_path, port=server.port)
            await until(lambda: circuit_breaker.closed)
            shared = await flight_store.acquire("k")
            assert not isinstance(shared, Held | Completed)
            again.program.kill()
            await flight_store.acquire("other")

    assert changes == [False, True, False]


@pytest.mark.fault("lost-link")
async def test_nothing_is_left_of_a_flight_whose_link_broke(tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    async with _client(server.url) as client, _client(server.url) as other:
        notifications = RedisNotifications(client, CHANNEL)
        shared = _flight_store(client, notifications)
        circuit_breaker = CircuitBreaker(shared.ping, probe_every_s=60, on_change=lambda _: None)
        flight_store = FallbackFlightStore(shared, MemoryFlightStore(), circuit_breaker, lease_s=0.01)
        await _flight_store(other).acquire("k")
        async with circuit_breaker.watched():
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
        flight_store = RedisFlightStore(
            client,
            RedisNotifications(client, CHANNEL),
            namespace="photos",
            lease_s=5,
            longest_result_s=300,
            max_body_bytes=200_000,
        )
        found = []
        for number in range(200):
            lease = await flight_store.acquire(f"k{number}")
            assert not isinstance(lease, Held | Completed)
            assert await lease.complete(preview, 60)
            found.append(await flight_store.acquire(f"k{number}"))
        memory = await client.info("memory")

    bodies = [each.outcome.body for each in found if isinstance(each, Completed) and isinstance(each.outcome, Made)]
    assert len(bodies) == 200
    assert bodies[0] == preview.body
    assert bodies[-1] is None
    assert memory["used_memory"] < 5_000_000
    server.program.kill()


@pytest.mark.fault("redis-away")
async def test_without_redis_the_quota_counts_per_process(tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    async with _client(server.url) as client:
        circuit_breaker = CircuitBreaker(_flight_store(client).ping, probe_every_s=60, on_change=lambda _: None)
        quota = FallbackQuota(RedisQuota(client, "photos", 0.01, 1), MemoryQuota(0.01, 1), circuit_breaker)
        async with circuit_breaker.watched():
            shared = [await quota.consume(), await quota.consume()]
            server.program.kill()
            alone = [await quota.consume(), await quota.consume()]

    assert shared[0] == alone[0] == 0
    assert min(shared[1], alone[1]) > 90


@pytest.mark.fault("notification-lost")
async def test_notifications_come_again_after_redis_was_away(tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    async with _client(server.url) as client:
        notifications = RedisNotifications(client, CHANNEL, resubscribe_s=0.01)
        async with notifications.listening():
            await _subscribed(notifications)
            server.program.kill()
            again = start_redis(tmp_path, port=server.port)
            for _ in range(2):  # the first wait may return because the subscription is restored
                with notifications.expecting("k"):
                    waiting = asyncio.create_task(notifications.wait("k", 30))
                    while not waiting.done():
                        await client.publish(CHANNEL, "a key that nobody expects")
                        await client.publish(CHANNEL, "k")
    again.program.kill()


async def _subscribed(notifications: RedisNotifications) -> None:
    with notifications.expecting("the first one"):
        await notifications.wait("the first one", 30)


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
        notifications = RedisNotifications(client, CHANNEL)
        lease = await _flight_store(other).acquire("k")
        assert not isinstance(lease, Held | Completed)

        async def meanwhile() -> None:
            await lease.complete(Failure("missing", ""), 5)
            with notifications.expecting("the next one"):
                await other.publish(CHANNEL, "the next one")
                await notifications.wait("the next one", 30)

        async with notifications.listening():
            await _subscribed(notifications)
            client.meanwhile = meanwhile
            flight_store = _flight_store(client, notifications)
            with flight_store.watching("k"):
                assert isinstance(await flight_store.acquire("k"), Held)
                async with asyncio.timeout(5):
                    await flight_store.wait_for_change("k", 600)


async def test_the_subscription_ends_when_nobody_waits(redis_server: Redis) -> None:
    """A replica without shared flights gets no notifications; the next waiting flight subscribes again."""
    async with _client(redis_server.url) as client:
        notifications = RedisNotifications(client, "prew:a channel of its own", linger_s=0)

        async def subscribers() -> int:
            return int((await client.pubsub_numsub("prew:a channel of its own"))[0][1])

        async with notifications.listening():
            for _ in range(2):
                await _subscribed(notifications)
                while await subscribers():
                    pass


@pytest.mark.parametrize("value", [b"nonsense", b"result:{}", b"result:{]\n", b"failed:{}", b"failed:[]"])
async def test_a_value_that_is_none_of_ours_is_unavailable(value: bytes, redis_server: Redis) -> None:
    async with _client(redis_server.url) as client:
        await client.set(f"{KEY_PREFIX}photos/k", value)
        with pytest.raises(FlightStoreUnavailable):
            await _flight_store(client).acquire("k")
        await client.flushall()


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
        lease = await _flight_store(client).acquire("prew/card/a.jpg@0123456789ab")
        assert not isinstance(lease, Held | Completed)
        await lease.complete(Failure("missing", ""), 60)

        assert await client.delete("prew:flight:photos/prew/card/a.jpg@0123456789ab") == 1
        assert not isinstance(await _flight_store(client).acquire("prew/card/a.jpg@0123456789ab"), Held | Completed)
