"""What the previous release wrote is read, and every field of it is still written: Redis values, requests, answers.

`tests/upgrade/recorded.json` has that release's; docs/how-to/upgrade.md says what may change.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from redis.asyncio import Redis as AsyncRedis

from devstack.backends import Redis
from lambda_resize.request import parse
from prewmanager.adapters.redis.codec import decode
from prewmanager.errors import PreviewFailed
from prewmanager.flights.result import Completed, Held
from prewmanager.previews.catalogue import Catalogue
from prewmanager.previews.layout import Layout
from prewmanager.previews.outcome import Failure, Made
from prewmanager.resizing.contract import ResizeContract
from prewmanager.resizing.render import RenderJob
from tests.support.redis_flights import redis_flight_store
from tests.upgrade.record import FAILURES, MADE, PRESETS, RECORDED, redis_values, requests, responses

RECORD: dict[str, dict[str, Any]] = json.loads(RECORDED.read_text(encoding="utf-8"))
# How a replica of that release reads a lease, in Lua's words: whose it is, and when it ends.
LEASE = re.compile(r"blocked:([0-9a-f]+):?(\d*)")
KEY = "prew:flight:photos/prew/card/a.jpg@0123456789ab"


def _missing(before: Any, now: Any) -> list[str]:
    """List the fields, by path, that are gone or of another type."""
    if not isinstance(before, dict):
        return [] if type(before) is type(now) or None in {before, now} else [": another type"]
    if not isinstance(now, dict):
        return [": no object"]
    gone = [name for name in before if name not in now]
    return gone + [
        f"{name}.{each}" for name in before.keys() & now.keys() for each in _missing(before[name], now[name])
    ]


@pytest.mark.parametrize(("name", "body"), [("inlined", b"bytes"), ("in the bucket", None)])
def test_recorded_previews_in_redis_are_read(name: str, body: bytes | None) -> None:
    completed = decode(RECORD["redis"][name].encode())

    assert isinstance(completed, Completed)
    assert isinstance(completed.outcome, Made)
    assert (completed.outcome.body, completed.outcome.etag, completed.outcome.size) == (body, MADE.etag, MADE.size)


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.kind)
def test_recorded_failures_in_redis_are_read(failure: Failure) -> None:
    completed = decode(RECORD["redis"][failure.kind].encode())

    assert isinstance(completed, Completed)
    assert completed.outcome == failure


def test_every_recorded_field_of_a_redis_value_is_written() -> None:
    now = redis_values()
    for name, before in RECORD["redis"].items():
        prefix, header = before.partition("\n")[0].split(":", 1)
        prefix_now, header_now = now[name].partition("\n")[0].split(":", 1)

        assert (prefix_now, _missing(json.loads(header), json.loads(header_now))) == (prefix, [])


async def _lease(redis: AsyncRedis) -> re.Match[str] | None:
    value = await redis.get(KEY)
    assert isinstance(value, bytes)
    return LEASE.fullmatch(value.decode())


async def test_leases_are_understood_in_both_directions(redis_server: Redis) -> None:
    """The recorded release's lease has no flags before its end; it reads ours with them."""
    async with AsyncRedis.from_url(redis_server.url) as redis:
        store = redis_flight_store(redis)
        seconds, _ = await redis.time()
        await redis.set(KEY, f"blocked:abc123:{(seconds + 60) * 1000}")
        held = await store.acquire("prew/card/a.jpg@0123456789ab")
        marked = await _lease(redis)
        await redis.set(KEY, f"blocked:abc123:{(seconds - 60) * 1000}")
        ours = await store.acquire("prew/card/a.jpg@0123456789ab")
        read = await _lease(redis)
        await redis.delete(KEY)

    assert isinstance(held, Held)
    assert not isinstance(ours, Held | Completed)
    assert marked is not None
    assert (marked[1], int(marked[2])) == ("abc123", (seconds + 60) * 1000)
    assert read is not None
    assert read[1] != "abc123"
    assert int(read[2]) > seconds * 1000


@pytest.mark.parametrize("preset", PRESETS)
def test_recorded_requests_are_understood_and_every_field_of_them_is_sent(preset: str) -> None:
    recorded = RECORD["requests"][preset]
    output = parse(recorded).main

    assert (output.unknown, output.fingerprint) == ((), recorded["fingerprint"])
    assert (output.spec.width, output.spec.height) == (PRESETS[preset].width, PRESETS[preset].height)
    assert _missing(recorded, requests()[preset]) == []


@pytest.mark.parametrize("name", [name for name in RECORD["responses"] if name != "response_also"])
def test_recorded_answers_are_read(name: str) -> None:
    contract = ResizeContract("photos", "previews", Layout("photo", "prew"), "public, max-age=60")
    job = RenderJob(Catalogue(PRESETS, Layout("photo", "prew")).preview("card", "a.jpg"))
    recorded = RECORD["responses"][name]
    if recorded["status"]:
        assert contract.result(recorded, job).made.content_type == recorded["content_type"]
    else:
        with pytest.raises(PreviewFailed) as raised:
            contract.result(recorded, job)
        assert raised.value.kind == recorded["kind"]


def test_every_recorded_field_of_an_answer_is_still_given() -> None:
    now = responses()

    assert {name: _missing(before, now[name]) for name, before in RECORD["responses"].items()} == {
        name: [] for name in RECORD["responses"]
    }
