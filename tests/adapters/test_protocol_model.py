"""The flight protocol against a model of it, step by random step, on fakeredis and on a real Redis.

Time is a step of its own: `expire` may come between any two others, as a lease or a result may end at any moment.

Invariants, as docs/architecture.md has them:

1. At most one live token: of all leases that were ever acquired, at most one can still be renewed or completed.
2. A result once seen changes only when it expires or is evicted, or loses its bytes once its preview is written.
3. Every waiter ends: when whatever is in the flight store has expired, the next one acquires a lease.
4. A result has the preview's bytes where somebody may wait for it, or it is not written yet, and nowhere else.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis as RedisClient

from prewmanager.adapters.redis.codec import decode
from prewmanager.adapters.redis.flight_store import KEY_PREFIX
from prewmanager.adapters.redis.notifications import RedisNotifications
from prewmanager.flights.ports import Lease
from prewmanager.flights.result import Completed, Held
from prewmanager.previews.outcome import Made
from tests.support.fakes import made
from tests.support.redis_flights import redis_flight_store

KEY = "prew/card/a.jpg@0123456789ab"
NAME = f"{KEY_PREFIX}photos/{KEY}"


class TwiceSent(RedisClient):
    """A client whose command is applied but its reply lost, so that it is sent again, as in redis-py."""

    loses_reply = False

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        send: Any = super().execute_command
        if self.loses_reply:
            self.loses_reply = False
            await send(*args, **options)
        return await send(*args, **options)


class Protocol(RuleBasedStateMachine):
    """Any number of processes acquire, renew, complete, release, evict and die in any order, while time passes.

    The model: `owner`, the lease in the flight store, which may have `ended` and be `waited` for, and `outcome`, the
    result in it; both are None where there is none.
    """

    leases = Bundle("leases")

    def __init__(self, client: RedisClient, runner: asyncio.Runner) -> None:
        super().__init__()
        self._runner = runner
        self._client = client
        self._wire = TwiceSent(connection_pool=client.connection_pool)
        self._flight_store = redis_flight_store(
            self._wire,
            RedisNotifications(client),
            lease_s=600,
            max_body_bytes=100,
        )
        self._outcomes = 0
        self.owner: Lease | None = None
        self.ended = False
        self.waited = False
        self.changed = False  # the photo has, since the owner has its lease
        self.outcome: Made | None = None
        self.unwritten: Lease | None = None  # whose result `outcome` is, with the bytes of a preview not written yet
        self.seen: list[Completed] = []
        self.answered: list[Lease] = []
        self._run(client.delete(NAME))

    def _run(self, work: Any) -> Any:
        async def await_it() -> Any:
            return await work

        return self._runner.run(await_it())

    @rule(target=leases, reply_lost=st.booleans(), waits=st.booleans())
    def acquire(self, reply_lost: bool, waits: bool) -> Any:  # noqa: FBT001 -- drawn by hypothesis
        """A process acquires the lease if it is free, even if a reply is lost; if not, it may wait."""
        self._wire.loses_reply = reply_lost
        acquired = self._run(self._flight_store.acquire(KEY, waits=waits))
        if self.outcome is not None:
            assert acquired == Completed(self.outcome)
        elif self.owner is not None and not self.ended:
            assert isinstance(acquired, Held)
            self.waited = self.waited or waits
        else:
            assert not isinstance(acquired, Completed | Held)
            # A takeover may have the waiters of the earlier holder.
            self.owner, self.ended, self.waited = acquired, False, self.owner is not None
            self.changed = False
            return acquired
        return multiple()

    @rule(lease=leases)
    def renew(self, lease: Lease) -> None:
        """A process renews, possibly much too late; if nobody took over, it has the lease again."""
        free = self.owner is None and self.outcome is None
        renewed = self._run(lease.renew())
        assert renewed == (lease is self.owner or free)
        if renewed:
            # What Redis has lost may have been waited for.
            self.owner, self.ended, self.waited = lease, False, free or self.waited
            self.changed = self.changed and not free

    @rule(lease=leases)
    def complete(self, lease: Lease) -> None:
        """A process completes, possibly much too late; another's lease or result stays."""
        self._outcomes += 1
        outcome = made(b"%d" % self._outcomes)
        lost = self.owner is None and self.outcome is None
        mine = lease is self.owner or lost
        assert self._run(lease.complete(outcome, 600)) == mine
        if mine:
            self.owner, self.outcome = None, outcome if lost or self.waited else replace(outcome, body=None)
            self.unwritten = None

    @rule(lease=leases)
    def complete_unwritten(self, lease: Lease) -> None:
        """The same, once, with a preview that is not written yet; all of them have the same size, and no ETag."""
        if lease in self.answered:
            return
        self.answered.append(lease)
        outcome = replace(made(b"unwritten"), etag="", stored=False)
        lost = self.owner is None and self.outcome is None
        mine = lease is self.owner or lost
        assert self._run(lease.complete(outcome, 600)) == mine
        if mine and self.changed and not lost:
            self.owner = None
        elif mine:
            self.owner, self.outcome, self.unwritten = None, outcome, lease

    @rule(lease=leases, written=st.booleans())
    def learn_of_the_write(self, lease: Lease, written: bool) -> None:  # noqa: FBT001 -- drawn by hypothesis
        """A process learns whether its preview is written, possibly much too late; another's lease or result stays."""
        outcome = replace(made(b"unwritten"), etag="", body=None) if written else None
        self._run(lease.replace(outcome, 600))
        if lease is self.unwritten:
            self.outcome = outcome
            self.unwritten = None

    @rule(lease=leases)
    def release(self, lease: Lease) -> None:
        """A process releases its lease, possibly much too late; another's stays."""
        self._run(lease.release())
        if lease is self.owner:
            self.owner = None

    @rule()
    def evict(self) -> None:
        """A process evicts an outcome whose preview is gone."""
        acquired = self._run(self._flight_store.acquire(KEY)) if self.outcome is not None else None
        if isinstance(acquired, Completed):
            self.seen.append(acquired)
            self._run(self._flight_store.evict(KEY, acquired))
            self.outcome = self.unwritten = None

    @rule()
    def photo_changes(self) -> None:
        """A process evicts whatever there is, since the photo has changed; what runs may know the earlier one."""
        self._run(self._flight_store.evict(KEY, None))
        self.outcome = self.unwritten = None
        if self.owner is not None:
            self.changed = self.waited = True

    @precondition(lambda self: self.seen)
    @rule()
    def evict_late(self) -> None:
        """A process evicts an outcome after another lease or outcome has replaced it, which stays."""
        self._run(self._flight_store.evict(KEY, self.seen[-1]))

    @precondition(lambda self: self.owner is not None)
    @rule()
    def end_lease(self) -> None:
        """The lease ends; its key stays."""
        value = self._run(self._client.get(NAME))
        lease, _, ends = value.rpartition(b":")
        flags = b"00" if ends.startswith(b"00") else b"0" if ends.startswith(b"0") else b""
        self._run(self._client.set(NAME, lease + b":" + flags + b"1", keepttl=True))
        self.ended = True

    @rule()
    def expire(self) -> None:
        """The key expires; the same happens when Redis loses all keys."""
        self._run(self._client.delete(NAME))
        self.owner = self.outcome = self.unwritten = None

    @invariant()
    def the_flight_store_equals_the_model(self) -> None:
        """The key has no value, one token, or one result."""
        value = self._run(self._client.get(NAME))
        if self.outcome is not None:
            assert decode(value) == Completed(self.outcome)
        elif self.owner is not None:
            assert value.startswith(b"blocked:")
            ends = value.rpartition(b":")[2]
            assert (ends.startswith(b"0"), ends.startswith(b"00")) == (self.waited, self.changed)
        else:
            assert value is None

    def teardown(self) -> None:
        """After every expiry, the next process can acquire the lease."""
        self.expire()
        assert not isinstance(self._run(self._flight_store.acquire(KEY)), Completed | Held)


@pytest.mark.parametrize("any_redis", ["fakeredis", "redis"], indirect=True)
@pytest.mark.fault("any-order")
def test_the_flight_store_follows_the_model(any_redis: RedisClient) -> None:
    with asyncio.Runner() as runner:
        explored = settings(max_examples=60, stateful_step_count=40, deadline=None)
        run_state_machine_as_test(lambda: Protocol(any_redis, runner), settings=explored)  # type: ignore[arg-type]  # any factory
        runner.run(any_redis.aclose())
