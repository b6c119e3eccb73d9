"""A row for each class of statuses, through nginx; tests/web and tests/adapters have the complete table."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from redis.asyncio import Redis as RedisClient

from devstack.backends import Redis
from devstack.lambda_server import Lambda, start_lambda
from tests.support.asking import Answer, ask
from tests.support.fakes import until_reported
from tests.support.site import FUNCTION, ROOT, RunSite, Site

# Short times, in the order that the settings require.
QUICK = {
    "PREW_LAMBDA_TIMEOUT": "2",
    "PREW_INVOKE_TIMEOUT": "3",
    "PREW_LEASE": "1",
    "PREW_LOCK_TTL": "4",
    "PREW_WAIT_TIMEOUT": "8",
    "PREW_TRANSIENT_TTL": "0.5",
}


def check(answer: Answer, status: int, kind: str | None = None) -> None:
    """Check for a short problem of this status that is not cached for long and has no internal details."""
    problem = answer.problem
    assert answer.status == problem["status"] == status
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(answer.body) < 300
    for secret in (b"Traceback", b"127.0.0.1", b"photos", b"secret", b"aiohttp", b"seaweed"):
        assert secret not in answer.body.lower()
    if kind is not None:
        assert problem["kind"] == kind


@pytest.mark.parametrize(("path", "status"), [("/prew/unheard_of/a.jpg", 404), ("/prew/card/%ff%fe.jpg", 400)])
def test_a_path_that_names_no_preview_invokes_nothing(site: Site, function: Lambda, path: str, status: int) -> None:
    invocations = function.stats()["invocations"]
    check(site.get(path), status)

    assert function.stats()["invocations"] == invocations


def test_other_methods_reach_neither_s3_nor_the_service(site: Site) -> None:
    before = site.requests_to_services()
    answer = site.get("/prew/card/method.jpg", method="PUT")

    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert site.requests_to_services() == before
    assert site.stored("prew/card/method.jpg") is None


def test_the_contact_sheet_is_off_unless_it_is_switched_on(site: Site) -> None:
    answer = ask(site.ports[0], "/-/presets")

    assert answer.status == 404
    assert "X-Replica" not in answer.headers


@pytest.mark.fault("photo-missing")
async def test_a_missing_photo_is_one_invocation_for_all_within_its_ttl(site: Site, function: Lambda) -> None:
    invocations = function.stats()["invocations"]
    statuses = {status for status, _, _ in await site.burst("/prew/card/status/none.jpg", 100)}
    check(await asyncio.to_thread(site.get, "/prew/card/status/none.jpg"), 404, "missing")

    assert statuses == {404}
    # None at all, where other tests have asked for so many missing photos that S3 is asked first.
    assert function.stats()["invocations"] - invocations <= 1


@pytest.mark.fault("photo-damaged")
def test_a_rejected_photo_is_one_invocation_within_its_ttl(site: Site, function: Lambda) -> None:
    site.put("status/text.jpg", b"this is no picture")
    invocations = function.stats()["invocations"]
    for _ in range(2):
        check(site.get("/prew/card/status/text.jpg"), 422, "unsupported")

    assert function.stats()["invocations"] - invocations == 1


@pytest.mark.parametrize(("function_name", "status", "kind"), [("raises", 502, "failed"), ("sleeps", 504, "timeout")])
@pytest.mark.fault("lambda-fails")
@pytest.mark.fault("lambda-slow")
@pytest.mark.fault("contract-broken")
def test_a_function_that_fails_or_is_too_slow_has_its_status(  # noqa: PLR0917 -- the row's parts
    run_site: RunSite, redis_server: Redis, faulty_functions: Lambda, function_name: str, status: int, kind: str
) -> None:
    with run_site(redis=redis_server, function=faulty_functions, function_name=function_name, settings=QUICK) as site:
        check(site.get(f"/prew/card/status/{function_name}.jpg"), status, kind)


@pytest.mark.fault("sandbox-killed")
async def test_a_photo_that_kills_the_function_is_two_invocations_within_its_ttl(
    run_site: RunSite, redis_server: Redis, faulty_functions: Lambda
) -> None:
    path, died = "/prew/card/status/fatal.jpg", faulty_functions.stats()["invocations"]
    settings = QUICK | {"PREW_REJECTED_TTL": "70"}
    with run_site(
        redis=redis_server, function=faulty_functions, function_name="dies", settings=settings, replicas=2
    ) as site:
        statuses = {status for status, _, _ in await site.burst(path, 100)}
        check(await asyncio.to_thread(site.get, path), 422, "crashed")
        async with RedisClient.from_url(redis_server.url) as redis:
            (key,) = [key async for key in redis.scan_iter("prew:flight:*/status/fatal.jpg@*")]
            cached_s = await redis.ttl(key)

    assert statuses == {422}
    assert faulty_functions.stats()["invocations"] - died == 2
    assert 60 < cached_s <= 70


def test_readiness_names_a_lambda_that_is_away(run_site: RunSite, redis_server: Redis, tmp_path: Path) -> None:
    handlers = {FUNCTION: "lambda_resize.handler.handler"}
    function = start_lambda(tmp_path, handlers, f"--task-root={ROOT}")
    function.program.kill()
    with run_site(redis=redis_server, function=function) as site:
        check(site.get("/prew/card/status/lambda-away.jpg"), 503, "failed")
        ready = ask(site.ports[0], "/readyz")

    assert ready.status == 503
    assert json.loads(ready.body) == {"ready": False, "degraded": False, "redis": "ok", "s3": "ok", "lambda": "failed"}


@pytest.mark.fault("too-many-flights")
async def test_a_flight_too_many_is_throttled(run_site: RunSite, redis_server: Redis, faulty_functions: Lambda) -> None:
    settings = QUICK | {"PREW_MAX_FLIGHTS": "1"}
    parts = {"function": faulty_functions, "function_name": "sleeps", "settings": settings}
    with run_site(redis=redis_server, **parts) as site:
        first = asyncio.create_task(asyncio.to_thread(site.get, "/prew/card/status/first.jpg"))
        await until_reported(lambda: faulty_functions.stats()["in_flight"] > 0)
        refused = await asyncio.to_thread(site.get, "/prew/card/status/second.jpg")
        await first

    check(refused, 503, "throttled")
    assert int(refused.headers["Retry-After"]) >= 1
