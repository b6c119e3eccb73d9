"""One contract for every flight board: in memory, on fakeredis, on a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import fakeredis
import pytest
from redis.asyncio import Redis as RedisClient

from devstack.backends import Redis
from prewmanager.adapters.local_board import LocalBoard
from prewmanager.adapters.redis_board import CHANNEL, RedisBoard
from prewmanager.adapters.redis_news import RedisNews
from prewmanager.ports import Busy, Failure, FlightBoard, Lease, Settled
from tests.fakes import made

LEASE_S = 0.3
MISSING = Failure("missing", "no such key", None)


@contextlib.asynccontextmanager
async def _redis_board(client: RedisClient) -> AsyncIterator[RedisBoard]:
    news = RedisNews(client, CHANNEL)
    await client.flushall()
    async with client, news.listening():
        yield RedisBoard(client, news, namespace="photos", lease_s=LEASE_S, max_body_bytes=1000)


@pytest.fixture(name="board", params=["local", "fakeredis", "redis"])
async def _board(request: pytest.FixtureRequest) -> AsyncIterator[FlightBoard]:
    if request.param == "local":
        yield LocalBoard(lease_s=LEASE_S)
    elif request.param == "fakeredis":
        async with _redis_board(fakeredis.FakeAsyncRedis()) as board:
            yield board
    else:
        server: Redis = request.getfixturevalue("redis_server")
        async with _redis_board(RedisClient.from_url(server.url)) as board:
            yield board


async def _lease(board: FlightBoard, key: str = "k") -> Lease:
    claim = await board.claim(key)
    assert not isinstance(claim, Settled | Busy)
    return claim


async def test_the_first_claim_wins_and_the_others_see_a_holder(board: FlightBoard) -> None:
    """Of twenty claims at once one is a lease, and all others name the same holder."""
    claims = await asyncio.gather(*(board.claim("k") for _ in range(20)))
    holders = {claim.holder for claim in claims if isinstance(claim, Busy)}

    assert sum(not isinstance(claim, Busy) for claim in claims) == 1
    assert len(holders) == 1


async def test_a_flight_is_taken_only_where_it_is_free(board: FlightBoard) -> None:
    """Neither from its holder nor in place of what is remembered; the lease is like any other."""
    lease = await board.take("k")
    assert lease is not None
    assert await board.take("k") is None
    assert isinstance(await board.claim("k"), Busy)
    assert await lease.settle(MISSING, 60)

    assert await board.take("k") is None
    assert await board.claim("k") == Settled(MISSING)


async def test_taking_disturbs_nobody_who_waits(board: FlightBoard) -> None:
    """Who watches the flight meanwhile hears of its end all the same, long before its own time is over."""
    lease = await _lease(board)
    assert isinstance(await board.claim("k"), Busy)
    await board.watch("k", 0.2)  # from here on the news are heard
    assert await lease.renew()
    assert isinstance(await board.claim("k"), Busy)
    watching = asyncio.create_task(board.watch("k", 600))
    await asyncio.sleep(0)
    assert await board.take("k") is None
    await lease.settle(MISSING, 60)
    async with asyncio.timeout(20):
        await watching


async def test_keys_are_apart(board: FlightBoard) -> None:
    """A lease on one key leaves the next free."""
    await _lease(board, "a")
    await _lease(board, "b")


async def test_a_failure_is_told_to_whoever_asks(board: FlightBoard) -> None:
    """A settled failure is the answer to the next claims, with its kind and detail."""
    lease = await _lease(board)

    assert await lease.settle(MISSING, 5)
    assert await board.claim("k") == Settled(MISSING)


async def test_a_forgotten_outcome_leaves_room_for_the_next(board: FlightBoard) -> None:
    """What is true no more can be forgotten before its time, by who was told it."""
    lease = await _lease(board)
    await lease.settle(MISSING, 60)
    told = await board.claim("k")
    assert isinstance(told, Settled)

    await board.forget("k", told)

    assert not isinstance(await board.claim("k"), Settled | Busy)


async def test_forgetting_leaves_what_came_since(board: FlightBoard) -> None:
    """Who was told an outcome that ended meanwhile forgets neither the next lease nor the next outcome."""
    lease = await _lease(board)
    await lease.settle(MISSING, 60)
    told = await board.claim("k")
    assert isinstance(told, Settled)
    await board.forget("k", told)
    lease = await _lease(board)

    await board.forget("k", told)
    assert isinstance(await board.claim("k"), Busy)
    await lease.settle(Failure("corrupt", "another"), 60)
    await board.forget("k", told)

    assert await board.claim("k") == Settled(Failure("corrupt", "another"))


async def test_an_outcome_ends_after_its_lifetime(board: FlightBoard) -> None:
    """After its lifetime a failure is forgotten and the flight is free again."""
    await (await _lease(board)).settle(MISSING, 0.05)
    await asyncio.sleep(0.1)

    await _lease(board)


async def test_a_lease_that_is_not_renewed_ends(board: FlightBoard) -> None:
    """When its owner is gone, the next claim after the lease takes over."""
    await _lease(board)
    assert isinstance(await board.claim("k"), Busy)
    await asyncio.sleep(LEASE_S + 0.1)

    await _lease(board)


async def test_a_renewed_lease_goes_on(board: FlightBoard) -> None:
    """Renewing keeps others out for longer than one lease."""
    lease = await _lease(board)
    for _ in range(4):
        await asyncio.sleep(LEASE_S / 2)
        assert await lease.renew()
        assert isinstance(await board.claim("k"), Busy)


async def test_a_late_owner_neither_renews_nor_overwrites_nor_releases(board: FlightBoard) -> None:
    """What the old owner does after a takeover leaves the new owner's lease and result alone."""
    late = await _lease(board)
    await asyncio.sleep(LEASE_S + 0.1)
    current = await _lease(board)

    assert not await late.renew()
    assert not await late.settle(Failure("failed", "late"), 5)
    await late.abandon()
    assert isinstance(await board.claim("k"), Busy)
    assert await current.settle(MISSING, 5)
    assert not await late.settle(Failure("failed", "late"), 5)
    assert await board.claim("k") == Settled(MISSING)


async def test_a_late_owner_whom_nobody_replaced_is_not_too_late(board: FlightBoard) -> None:
    """Where the lease has ended and nobody took over, the result is taken all the same: the work was done."""
    late = await _lease(board)
    await asyncio.sleep(LEASE_S + 0.1)

    assert await late.renew()
    assert await late.settle(MISSING, 5)


async def test_an_abandoned_flight_is_free_at_once(board: FlightBoard) -> None:
    """Giving back makes room for the next one without waiting for the lease to end."""
    await (await _lease(board)).abandon()

    await _lease(board)


async def test_whoever_watches_is_told(board: FlightBoard) -> None:
    """Who claims, and watches while it is somebody else's, has the outcome long before the time-out."""

    async def outcome() -> Settled:
        while not isinstance(claim := await board.claim("k"), Settled):
            await board.watch("k", 30)
        return claim

    lease = await _lease(board)
    watching = asyncio.create_task(outcome())
    await asyncio.sleep(0.05)
    assert not watching.done()
    await lease.settle(MISSING, 5)

    assert await asyncio.wait_for(watching, 5) == Settled(MISSING)


async def test_watching_ends_by_itself(board: FlightBoard) -> None:
    """A watcher that is not told returns after its time-out."""
    await _lease(board)
    assert isinstance(await board.claim("k"), Busy)

    await asyncio.wait_for(board.watch("k", 0.05), 5)


@pytest.mark.parametrize("board", ["fakeredis", "redis"], indirect=True)
async def test_a_preview_is_handed_to_the_other_replicas(board: FlightBoard) -> None:
    """A result within the bound travels whole; a larger one says that it is in the bucket."""
    small, large = made(b"\x00\xff\nblocked:" * 10), made(b"x" * 1001)
    await (await _lease(board, "small")).settle(small, 5)
    await (await _lease(board, "large")).settle(large, 5)
    told = await board.claim("large")

    assert await board.claim("small") == Settled(small)
    assert isinstance(told, Settled)
    assert told.outcome == type(large)(large.content_type, 1001, large.etag, large.cache_control, None)


async def test_the_local_board_remembers_no_previews() -> None:
    """In one process a preview that was made is looked up in the bucket, so memory stays small."""
    board = LocalBoard()
    await (await _lease(board)).settle(made(), 30)

    await _lease(board)


async def test_the_local_board_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many remembered failures the oldest goes."""
    monkeypatch.setattr("prewmanager.adapters.local_board.MAX_REMEMBERED", 2)
    board = LocalBoard()
    for key in "abc":
        await (await _lease(board, key)).settle(MISSING, 30)

    assert await board.claim("b") == Settled(MISSING)
    await _lease(board, "a")


async def test_watching_nothing_returns_at_once() -> None:
    """On the local board there is nothing to wait for where there is no flight."""
    await LocalBoard().watch("k", 30)
