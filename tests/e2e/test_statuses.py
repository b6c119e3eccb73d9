"""Each row of the status table, through nginx, with the real parts in the state that the row speaks of."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import pyvips
from redis.asyncio import Redis as RedisClient

from devstack.backends import Redis
from devstack.lambda_server import Lambda, start_lambda
from tests.support.asking import Answer, ask
from tests.support.fakes import until
from tests.support.site import FUNCTION, Site

ROOT = Path(__file__).resolve().parents[2]
# Times short enough for a test, in the order that the settings ask for.
QUICK = {
    "PREW_LAMBDA_TIMEOUT": "2",
    "PREW_INVOKE_TIMEOUT": "3",
    "PREW_LEASE": "1",
    "PREW_LOCK_TTL": "4",
    "PREW_WAIT_TIMEOUT": "8",
    "PREW_TRANSIENT_TTL": "0.5",
}


def check(answer: Answer, status: int, kind: str | None = None) -> None:
    """A short problem of this status: never stored for long, with nothing internal in it."""
    problem = answer.problem
    assert answer.status == problem["status"] == status
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(answer.body) < 300
    for secret in (b"Traceback", b"127.0.0.1", b"photos", b"secret", b"aiohttp", b"seaweed"):
        assert secret not in answer.body.lower()
    if kind is not None:
        assert problem["kind"] == kind


def test_unknown_preset(site: Site, function: Lambda) -> None:
    """404; no flight, no invocation."""
    invocations = function.stats()["invocations"]
    check(site.get("/prew/unheard_of/a.jpg"), 404)

    assert function.stats()["invocations"] == invocations


@pytest.mark.parametrize("tail", ["%ff%fe.jpg", "a%c3", "x" * 1020])
def test_unacceptable_key(site: Site, function: Lambda, tail: str) -> None:
    """400 for what cannot be a key; no invocation."""
    invocations = function.stats()["invocations"]
    check(site.get(f"/prew/card/{tail}"), 400)

    assert function.stats()["invocations"] == invocations


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/prew/card/method.jpg", "/photo/method.jpg"])
def test_other_method(site: Site, method: str, path: str) -> None:
    """405 with Allow from nginx; neither S3 nor the service hears of it."""
    before = site.requests_to_services()
    answer = site.get(path, method=method)

    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert site.requests_to_services() == before
    assert site.stored(path[1:]) is None


def test_the_contact_sheet_is_off(site: Site) -> None:
    """Not there unless it is switched on, and no answer names a replica then."""
    answer = ask(site.ports[0], "/-/presets")

    assert answer.status == 404
    assert "X-Replica" not in answer.headers


async def test_original_missing(site: Site, function: Lambda) -> None:
    """404 for all who ask, over both replicas, and one invocation within its lifetime."""
    invocations = function.stats()["invocations"]
    statuses = {status for status, _, _ in await site.burst("/prew/card/status/none.jpg", 100)}
    check(await asyncio.to_thread(site.get, "/prew/card/status/none.jpg"), 404, "missing")

    assert statuses == {404}
    assert function.stats()["invocations"] - invocations == 1


@pytest.mark.parametrize(
    ("name", "kind"), [("text.jpg", "unsupported"), ("half.jpg", "corrupt"), ("vast.png", "too_large")]
)
def test_original_rejected(site: Site, function: Lambda, name: str, kind: str) -> None:
    """422 for what no preview can be made of, remembered like a missing one."""
    whole = pyvips.Image.gaussnoise(600, 600).cast("uchar").jpegsave_buffer()
    data = {
        "text.jpg": b"this is no picture",
        "half.jpg": whole[: len(whole) // 2],
        "vast.png": pyvips.Image.black(20_000, 20_000).pngsave_buffer(compression=9),
    }
    site.put(f"status/{name}", data[name])
    invocations = function.stats()["invocations"]
    check(site.get(f"/prew/card/status/{name}"), 422, kind)
    check(site.get(f"/prew/card/status/{name}"), 422, kind)

    assert function.stats()["invocations"] - invocations == 1


@pytest.mark.parametrize(
    ("function_name", "status", "kind"),
    [("raises", 502, "failed"), ("nonsense", 502, "failed"), ("sleeps", 504, "timeout")],
)
def test_function_fails(  # noqa: PLR0917 -- the row's parts
    run_site: Callable[..., Site],
    redis_server: Redis,
    faulty_functions: Lambda,
    function_name: str,
    status: int,
    kind: str,
) -> None:
    """502 for a function that fails or answers nonsense, 504 for one that is not done in time."""
    with run_site(redis=redis_server, function=faulty_functions, function_name=function_name, settings=QUICK) as site:
        check(site.get(f"/prew/card/status/{function_name}.jpg"), status, kind)


async def test_a_photo_that_kills_the_function(
    run_site: Callable[..., Site], redis_server: Redis, faulty_functions: Lambda
) -> None:
    """422 for all who ask, over both replicas, for one sandbox's death; remembered as long as a damaged photo."""
    path, died = "/prew/card/status/fatal.jpg", faulty_functions.stats()["invocations"]
    settings = QUICK | {"PREW_REJECTED_TTL": "70"}
    with run_site(
        redis=redis_server, function=faulty_functions, function_name="dies", settings=settings, replicas=2
    ) as site:
        statuses = {status for status, _, _ in await site.burst(path, 100)}
        check(await asyncio.to_thread(site.get, path), 422, "crashed")
        async with RedisClient.from_url(redis_server.url) as redis:
            (key,) = [key async for key in redis.scan_iter("prew:flight:*/status/fatal.jpg@*")]
            remembered_s = await redis.ttl(key)

    assert statuses == {422}
    assert faulty_functions.stats()["invocations"] - died == 1
    assert 60 < remembered_s <= 70


def test_transient_failures_are_soon_forgotten(
    run_site: Callable[..., Site], redis_server: Redis, faulty_functions: Lambda, function: Lambda
) -> None:
    """A failed resize is not remembered beyond a second or two: the next request makes the preview."""
    parts = {"redis": redis_server, "settings": QUICK}
    with run_site(function=faulty_functions, function_name="raises", **parts) as site:
        site.put("status/soon.jpg", pyvips.Image.black(900, 900).jpegsave_buffer())
        check(site.get("/prew/card/status/soon.jpg"), 502, "failed")
    with run_site(function=function, **parts) as site:
        assert site.get("/prew/card/status/soon.jpg").status == 200


def test_s3_fails_under_the_function(run_site: Callable[..., Site], redis_server: Redis, tmp_path: Path) -> None:
    """502 where the function cannot reach its S3."""
    dead = {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    handlers = {FUNCTION: "lambda_resize.handler.handler"}
    function = start_lambda(tmp_path, handlers, f"--task-root={ROOT}", env=os.environ | dead)
    with run_site(redis=redis_server, function=function) as site:
        check(site.get("/prew/card/status/s3-away.jpg"), 502, "storage")
    function.program.stop()


def test_lambda_is_away(run_site: Callable[..., Site], redis_server: Redis, tmp_path: Path) -> None:
    """502 where nobody answers at Lambda's address; readiness names it."""
    handlers = {FUNCTION: "lambda_resize.handler.handler"}
    function = start_lambda(tmp_path, handlers, f"--task-root={ROOT}")
    function.program.kill()
    with run_site(redis=redis_server, function=function) as site:
        check(site.get("/prew/card/status/lambda-away.jpg"), 502, "failed")
        ready = ask(site.ports[0], "/readyz")

    assert ready.status == 503
    assert json.loads(ready.body) == {
        "ready": False,
        "degraded": False,
        "redis": "ok",
        "s3": "ok",
        "lambda": "failed",
    }


async def test_lambda_throttles(run_site: Callable[..., Site], redis_server: Redis, faulty_functions: Lambda) -> None:
    """503 with Retry-After while the only sandbox is busy."""
    parts = {"function": faulty_functions, "function_name": "sleeps", "settings": QUICK}
    with run_site(redis=redis_server, **parts) as site:
        busy = asyncio.create_task(asyncio.to_thread(site.get, "/prew/card/status/busy.jpg"))
        await until(lambda: faulty_functions.stats()["in_flight"] > 0)
        throttled = await asyncio.to_thread(site.get, "/prew/card/status/throttled.jpg")
        await busy

    check(throttled, 503, "throttled")
    assert int(throttled.headers["Retry-After"]) >= 1


async def test_own_queue_is_full(run_site: Callable[..., Site], redis_server: Redis, faulty_functions: Lambda) -> None:
    """503 with Retry-After when one more flight is one too many for the process."""
    settings = QUICK | {"PREW_MAX_FLIGHTS": "1"}
    parts = {"function": faulty_functions, "function_name": "sleeps", "settings": settings}
    with run_site(redis=redis_server, **parts) as site:
        busy = asyncio.create_task(asyncio.to_thread(site.get, "/prew/card/status/first.jpg"))
        await until(lambda: faulty_functions.stats()["in_flight"] > 0)
        refused = await asyncio.to_thread(site.get, "/prew/card/status/second.jpg")
        await busy

    check(refused, 503, "throttled")
    assert int(refused.headers["Retry-After"]) >= 1
