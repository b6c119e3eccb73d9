"""HTTP, over a real aiohttp server and fakes of the ports."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest

from prewmanager.errors import (
    DeadlineExceeded,
    Overloaded,
    PhotoCorrupt,
    PhotoMissing,
    PhotoTooLarge,
    PhotoUnsupported,
    ResizerFailed,
    StorageFailed,
)
from prewmanager.previews.outcome import Made
from prewmanager.resizing.render import RenderJob, RenderResult
from tests.support.fakes import made, until
from tests.support.replica import WebReplica


@pytest.fixture(name="site")
async def _site() -> AsyncIterator[WebReplica]:
    replica = WebReplica()
    replica.resizer.gate.set()
    async with replica.running() as site:
        yield site


async def test_a_preview_comes_with_its_headers(site: WebReplica) -> None:
    """Type, length, ETag, Cache-Control as stored, how it came about and what took how long."""
    response = await site.get("/prew/card/a.jpg")
    body = await response.read()

    assert response.status == 200
    assert body == b"prew/card/a.jpg made by call 1"
    assert response.headers["Content-Type"] == "image/jpeg"
    assert response.headers["Content-Length"] == str(len(body))
    assert response.headers["ETag"] == site.store.objects["prew/card/a.jpg"].etag
    assert response.headers["Cache-Control"] == "public, max-age=60"
    assert response.headers["X-Preview"] == "made"
    assert response.headers["Server"] == "prewmanager"
    assert {part.partition(";")[0] for part in response.headers["Server-Timing"].split(", ")} == {
        "lock",
        "s3",
        "lambda",
    }


async def test_a_placeholder_comes_with_the_preview(site: WebReplica) -> None:
    """The photo's ThumbHash is a header where the preview has one, with the bytes and with 304."""
    site.store.objects["prew/card/a.jpg"] = dataclasses.replace(made(), thumbhash="1Q/+HQ==")
    there = await site.get("/prew/card/a.jpg")
    again = await site.get("/prew/card/a.jpg", {"If-None-Match": there.headers["ETag"]})
    without = await site.get("/prew/card/b.jpg")

    assert there.headers["X-ThumbHash"] == again.headers["X-ThumbHash"] == "1Q/+HQ=="
    assert (again.status, without.status) == (304, 200)
    assert "X-ThumbHash" not in without.headers


async def test_head_makes_the_preview_and_sends_no_body(site: WebReplica) -> None:
    """HEAD has the headers of GET, also for a preview that had to be made."""
    response = await site.request("HEAD", "/prew/card/a.jpg")

    assert response.status == 200
    assert response.headers["Content-Length"] == "30"
    assert await response.read() == b""
    assert len(site.resizer.calls) == 1


async def test_a_client_that_has_it_already_gets_304(site: WebReplica) -> None:
    """If-None-Match with the stored ETag is answered without the bytes."""
    etag = (await site.get("/prew/card/a.jpg")).headers["ETag"]
    response = await site.get("/prew/card/a.jpg", {"If-None-Match": f'W/"other", {etag}'})
    other = await site.get("/prew/card/a.jpg", {"If-None-Match": '"other"'})

    assert response.status == 304
    assert response.headers["ETag"] == etag
    assert other.status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_large_preview_is_streamed_from_the_bucket(site: WebReplica, method: str) -> None:
    """What was too large to be carried around comes from S3, with the headers stored there."""
    site.store.objects["prew/card/a.jpg"] = Made("image/png", 9, '"large"', None, b"123456789")

    async def resize_too_large(_: RenderJob) -> RenderResult:
        return RenderResult(Made("image/png", 9, '"large"', "max-age=1", None))

    site.resizer.resize = resize_too_large  # type: ignore[method-assign]
    lookups = iter([None])

    async def find(key: str) -> Made | None:
        return next(lookups, site.store.objects[key])

    site.store.find = find  # type: ignore[method-assign]
    response = await site.request(method, "/prew/card/a.jpg")

    assert response.status == 200
    assert response.headers["Content-Length"] == "9"
    assert response.headers["ETag"] == '"large"'
    assert await response.read() == (b"123456789" if method == "GET" else b"")


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (PhotoMissing("secret"), 404, "missing"),
        (PhotoUnsupported("secret"), 422, "unsupported"),
        (PhotoCorrupt("secret"), 422, "corrupt"),
        (PhotoTooLarge("secret"), 422, "too_large"),
        (Overloaded("secret", 7.2), 503, "throttled"),
        (Overloaded("secret"), 503, "throttled"),
        (DeadlineExceeded("secret"), 504, "timeout"),
        (ResizerFailed("secret"), 502, "failed"),
        (StorageFailed("secret"), 502, "storage"),
        (RuntimeError("secret"), 502, "failed"),
    ],
)
async def test_each_failure_has_its_status(site: WebReplica, error: Exception, status: int, kind: str) -> None:
    """The table of statuses; the body is a short problem, never stored, with nothing internal in it."""
    site.resizer.error = error
    response = await site.get("/prew/card/a.jpg")
    problem = await response.json(content_type="application/problem+json")

    assert response.status == problem["status"] == status
    assert problem["kind"] == kind
    assert "secret" not in await response.text()
    assert response.headers["Cache-Control"] == "no-store"
    if status == 503:
        retry_after_s = getattr(error, "retry_after_s", None)
        assert response.headers["Retry-After"] == ("8" if retry_after_s else "1")


async def test_an_unknown_preset_costs_nothing(site: WebReplica) -> None:
    """404, and neither S3 nor the resizer was asked."""
    response = await site.get("/prew/cart/a.jpg")

    assert response.status == 404
    assert (site.store.requests, site.resizer.calls) == (0, [])


@pytest.mark.parametrize("path", ["/prew/card/%2e%2e/x", "/prew/card/a%00", "/prew/card/%ff", "/prew/card//a", "/%0a"])
async def test_a_bad_key_is_a_bad_request(site: WebReplica, path: str) -> None:
    """400, and neither S3 nor the resizer was asked."""
    response = await site.get(path)

    assert response.status == 400
    assert (site.store.requests, site.resizer.calls) == (0, [])


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_not_allowed(site: WebReplica, method: str) -> None:
    """405 with Allow, whatever the path."""
    response = await site.request(method, "/prew/card/a.jpg")

    assert response.status == 405
    assert response.headers["Allow"] == "GET, HEAD"
    assert site.resizer.calls == []


async def test_an_error_of_our_own_is_told_to_nobody(site: WebReplica) -> None:
    """What breaks outside of a flight is a 500 with nothing in it."""

    def broken(*_: object) -> None:
        raise RuntimeError("secret")

    site.metrics.waiting = broken  # type: ignore[method-assign]
    response = await site.get("/prew/card/a.jpg")

    assert response.status == 500
    assert "secret" not in await response.text()


async def test_alive_whatever_else(site: WebReplica) -> None:
    """Liveness asks nobody."""
    site.s3.error = RuntimeError("away")

    assert (await site.get("/healthz")).status == 200


async def test_ready_when_everything_answers(site: WebReplica) -> None:
    """Each dependency is named."""
    response = await site.get("/readyz")

    assert response.status == 200
    assert await response.json() == {"ready": True, "degraded": False, "redis": "ok", "s3": "ok"}


async def test_not_ready_names_the_culprit(site: WebReplica, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fails and one that hangs are both named; the error's text stays in the log."""
    monkeypatch.setattr("prewmanager.web.app.PROBE_TIMEOUT_S", 0.05)
    site.s3.error = RuntimeError("secret host")
    site.redis.hangs = True
    response = await site.get("/readyz")

    assert response.status == 503
    assert await response.json() == {"ready": False, "degraded": False, "redis": "failed", "s3": "failed"}


async def test_without_redis_it_is_degraded_and_ready(site: WebReplica) -> None:
    """The process can do its work alone; whoever watches it is told."""
    site.redis.error = RuntimeError("away")
    response = await site.get("/readyz")

    assert response.status == 200
    assert await response.json() == {"ready": True, "degraded": True, "redis": "failed", "s3": "ok"}


async def test_metrics_count_requests_and_flights(site: WebReplica) -> None:
    """Requests by preset, status and source; names that a client made up become no labels."""
    await site.get("/prew/card/a.jpg")
    await site.get("/prew/made-up/a.jpg")
    site.store.objects.clear()
    site.resizer.gate.clear()
    leading = asyncio.create_task(site.get("/prew/thumb/b.jpg"))
    await until(lambda: len(site.resizer.calls) == 2)
    joining = asyncio.create_task(site.get("/prew/thumb/b.jpg"))
    while "prewmanager_waiting 2.0" not in await (await site.get("/metrics")).text():
        pass
    site.resizer.gate.set()
    await asyncio.gather(leading, joining)
    text = await (await site.get("/metrics")).text()

    assert 'prewmanager_requests_total{preset="card",source="made",status="200"} 1.0' in text
    assert 'prewmanager_requests_total{preset="",source="UnknownPreset",status="404"} 1.0' in text
    assert 'prewmanager_flights_total{outcome="made",preset="card"} 1.0' in text
    assert 'prewmanager_requests_total{preset="thumb",source="joined",status="200"} 1.0' in text
    assert "prewmanager_waiting 0.0" in text
    assert 'prewmanager_stored_bytes_total{preset="card"} 30.0' in text
    assert 'prewmanager_step_seconds_count{step="lambda"} 2.0' in text
    assert "made-up" not in text
