"""Companions over a real Redis."""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio import Redis as RedisClient

from devstack.backends import Redis
from prewmanager.adapters.redis.notifications import RedisNotifications
from prewmanager.flights.result import Completed
from tests.support.fakes import FakeStore, until
from tests.support.redis_flights import redis_flight_store
from tests.support.replica import Gallery


async def test_another_replica_is_notified_of_a_companion(redis_server: Redis) -> None:
    async with RedisClient.from_url(redis_server.url) as client:
        await client.flushall()
        notifications, store = RedisNotifications(client), FakeStore()
        async with notifications.listening():
            flight_store = redis_flight_store(client, notifications, namespace="companions")
            here, there = Gallery(flight_store, store), Gallery(flight_store, store)
            thumb = here.ask("thumb")
            await here.resizer.entered.wait()
            cards = [there.ask("card") for _ in range(5)]
            await until(lambda: there.observer.waiters == 5)
            here.resizer.gate.set()
            await thumb
            answers = await asyncio.gather(*cards)

    assert (len(here.resizer.calls), there.resizer.calls) == (1, [])
    assert {answer.made.body for answer in answers} <= {None, store.objects["prew/card/a.jpg"].body}
    assert {answer.made.etag for answer in answers} == {store.objects["prew/card/a.jpg"].etag}


class CountedRedis(RedisClient):
    """Counts its commands."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.sent = 0

    async def execute_command(self, *arguments: Any, **options: Any) -> Any:
        self.sent += 1
        return await super().execute_command(*arguments, **options)  # type: ignore[no-untyped-call]  # redis-py's


async def test_commands_to_redis_are_two_for_each(redis_server: Redis) -> None:
    async with CountedRedis(port=redis_server.port) as client:
        await client.flushall()
        notifications = RedisNotifications(client)
        async with notifications.listening():
            replica = Gallery(redis_flight_store(client, notifications, namespace="companions"))
            replica.resizer.gate.set()
            await replica.ask("hero")  # which loads the script
            await replica.completed()
            replica.store.objects.clear()
            await client.flushall()
            client.sent = 0
            await asyncio.gather(*(replica.ask("thumb") for _ in range(20)))
            await replica.completed()

            sent = client.sent
            assert isinstance(await replica.known("hero"), Completed)

    assert len(replica.store.objects) == 3
    assert sent == 2 * 3
