"""HTTP answers of a real aiohttp server around an in-memory replica."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator

import pytest
import structlog

from prewmanager.errors import (
    DeadlineExceeded,
    Overloaded,
    PhotoCorrupt,
    PhotoHidden,
    PhotoMissing,
    PhotoTooLarge,
    PhotoUnsupported,
    PreviewGone,
    ReplicaFailed,
    ResizerFailed,
    StorageFailed,
)
from prewmanager.previews.outcome import Made
from prewmanager.resizing.render import RenderJob, RenderResult
from prewmanager_presets.tags import cache_tags
from tests.support.fakes import made, until
from tests.support.replica import WebReplica


@pytest.fixture(name="site")
async def _site() -> AsyncIterator[WebReplica]:
    replica = WebReplica()
    replica.resizer.gate.set()
    async with replica.running() as site:
        yield site


async def test_a_preview_comes_with_its_headers(site: WebReplica) -> None:
    response = await site.get("/prew/card/a.jpg")
    body = await response.read()

    assert response.status == 200
    assert body == b"prew/card/a.jpg made by call 1"
    expected = {
        "Content-Type": "image/jpeg",
        "Content-Length": str(len(body)),
        "ETag": site.store.objects["prew/card/a.jpg"].etag,
        "Cache-Control": "public, max-age=60",
        "X-Preview": "made",
        "x-amz-meta-cache-tag": cache_tags("", "photo/a.jpg", "card"),
        "Server": "prewmanager",
    }
    assert {name: response.headers[name] for name in expected} == expected
    timings = response.headers["Server-Timing"].split(", ")
    assert [part.partition(";")[0] for part in timings] == ["lock", "s3", "lambda"]


@pytest.mark.parametrize(
    ("known", "status"),
    [
        ('"{}"', 304),
        ('W/"{}"', 304),
        ('"another", W/"{}"', 304),
        ("*", 304),
        ('"another"', 200),
        ('"{}-2"', 200),
        ("{}", 200),
        ("nonsense", 200),
    ],
)
async def test_a_version_that_the_client_has_is_not_sent_again(site: WebReplica, known: str, status: int) -> None:
    etag = (await site.get("/prew/card/a.jpg")).headers["ETag"].strip('"')
    response = await site.get("/prew/card/a.jpg", {"If-None-Match": known.format(etag)})

    assert response.status == status
    assert response.headers["ETag"] == f'"{etag}"'


@pytest.mark.fault("replica-unable")
async def test_a_replica_says_for_a_while_that_it_cannot_render(site: WebReplica) -> None:
    before = await site.get("/-/able")
    site.resizer.error = ReplicaFailed("no credentials")
    failed = await site.get("/prew/card/a.jpg")
    after = await site.get("/-/able")

    assert [response.status for response in (before, failed, after)] == [200, 503, 503]
    assert (failed.headers["Retry-After"], (await failed.json())["kind"]) == ("1", "failed")


@pytest.mark.fault("replica-unable")
async def test_a_replica_that_cannot_render_for_one_source_is_left_out() -> None:
    replica, shop = WebReplica(), WebReplica()
    replica.by_host = {"::1": shop.service("shop")}
    shop.resizer.error = ReplicaFailed("no credentials")
    shop.resizer.gate.set()
    async with replica.running() as site:
        failed = await site.get("/prew/card/a.jpg", {"Host": "[::1]:8080"})
        able = await site.get("/-/able")
    await shop.coalescer.close(5)

    assert [response.status for response in (failed, able)] == [503, 503]


@pytest.mark.fault("photo-changed")
async def test_a_preview_that_is_deleted_before_it_is_streamed_is_asked_for_again(
    site: WebReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by the cleaner, whose photo has changed."""
    large = dataclasses.replace(made(b"picture"), body=None)
    streams = [PreviewGone("deleted"), None]

    async def stream(_: str) -> tuple[Made, AsyncIterator[bytes]]:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"picture"

        if error := streams.pop(0):
            raise error
        return large, pieces()

    monkeypatch.setattr(site.store, "stream", stream)
    site.store.objects["prew/card/a.jpg"] = large
    response = await site.get("/prew/card/a.jpg")

    assert (response.status, await response.read(), streams) == (200, b"picture", [])


@pytest.mark.fault("s3-cut")
async def test_a_stream_that_breaks_breaks_the_connection(site: WebReplica, monkeypatch: pytest.MonkeyPatch) -> None:
    """No word of ours is written into the picture, and its length tells that bytes are missing."""
    large = dataclasses.replace(made(b"picture"), body=None, size=100)

    async def stream(_: str) -> tuple[Made, AsyncIterator[bytes]]:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"some"
            raise StorageFailed("S3 is gone")

        return large, pieces()

    site.store.objects["prew/card/a.jpg"] = large
    monkeypatch.setattr(site.store, "stream", stream)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(b"GET /prew/card/a.jpg HTTP/1.1\r\nHost: x\r\n\r\n")
    received = b""
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(1000):
                received += piece
    writer.close()
    head, _, body = received.partition(b"\r\n\r\n")

    assert b"Content-Length: 100" in head
    assert body == b"some"


@pytest.mark.fault("clients-leave")
async def test_clients_that_leave_wait_no_longer_and_the_flight_goes_on() -> None:
    replica = WebReplica()
    async with replica.running() as site:
        writers = []
        for _ in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", site.port)
            writer.write(b"GET /prew/card/a.jpg HTTP/1.1\r\nHost: x\r\n\r\n")
            writers.append(writer)
        await until(lambda: [each.waiters for each in replica.coalescer.in_flight()] == [20])
        for writer in writers:
            writer.close()
        await until(lambda: [each.waiters for each in replica.coalescer.in_flight()] == [0])
        replica.resizer.gate.set()
        await until(lambda: not replica.coalescer.in_flight())

    assert list(replica.store.objects) == ["prew/card/a.jpg"]


async def test_a_thumbhash_is_a_header_where_the_preview_has_one(site: WebReplica) -> None:
    site.store.objects["prew/card/a.jpg"] = dataclasses.replace(made(), thumbhash="1Q/+HQ==")
    there = await site.get("/prew/card/a.jpg")
    again = await site.get("/prew/card/a.jpg", {"If-None-Match": there.headers["ETag"]})
    without = await site.get("/prew/card/b.jpg")

    assert there.headers["X-ThumbHash"] == again.headers["X-ThumbHash"] == "1Q/+HQ=="
    assert (again.status, without.status) == (304, 200)
    assert "X-ThumbHash" not in without.headers


async def test_head_renders_the_preview_and_sends_no_body(site: WebReplica) -> None:
    response = await site.request("HEAD", "/prew/card/a.jpg")

    assert response.status == 200
    assert response.headers["Content-Length"] == "30"
    assert await response.read() == b""
    assert len(site.resizer.calls) == 1


async def test_a_client_that_has_the_etag_gets_304(site: WebReplica) -> None:
    etag = (await site.get("/prew/card/a.jpg")).headers["ETag"]
    response = await site.get("/prew/card/a.jpg", {"If-None-Match": f'W/"other", {etag}'})
    other = await site.get("/prew/card/a.jpg", {"If-None-Match": '"other"'})

    assert response.status == 304
    assert response.headers["ETag"] == etag
    assert other.status == 200


async def test_a_304_strips_no_header_from_the_other_waiters_of_its_flight(site: WebReplica) -> None:
    site.resizer.gate.clear()
    etag = made(b"prew/card/a.jpg made by call 1").etag
    requests = [asyncio.create_task(site.get("/prew/card/a.jpg", {"If-None-Match": etag})) for _ in range(3)]
    requests.append(asyncio.create_task(site.get("/prew/card/a.jpg")))
    await until(lambda: "prewmanager_waiting 4.0" in site.metrics.text())
    site.resizer.gate.set()
    answers = await asyncio.gather(*requests)

    assert [answer.status for answer in answers] == [304, 304, 304, 200]
    assert [answer.headers.get("ETag") for answer in answers] == [etag] * 4
    assert ["Content-Type" in answer.headers for answer in answers[:3]] == [False] * 3
    assert answers[3].headers["Content-Type"] == "image/jpeg"


@pytest.mark.parametrize("held", ['""', '"other"', None])
async def test_a_preview_without_an_etag_gives_no_304_for_one(site: WebReplica, held: str | None) -> None:
    site.store.objects["prew/card/a.jpg"] = dataclasses.replace(made(), etag="")
    response = await site.get("/prew/card/a.jpg", {"If-None-Match": held} if held else None)

    assert (response.status, "ETag" in response.headers) == (200, False)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_large_preview_is_streamed(site: WebReplica, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = Made("image/png", 9, '"large"', None, b"123456789")

    async def resize(_: RenderJob) -> RenderResult:
        site.store.objects["prew/card/a.jpg"] = stored
        return RenderResult(Made("image/png", 9, '"large"', "max-age=1", None))

    monkeypatch.setattr(site.resizer, "resize", resize)
    response = await site.request(method, "/prew/card/a.jpg")

    assert response.status == 200
    assert response.headers["Content-Length"] == "9"
    assert response.headers["ETag"] == '"large"'
    assert await response.read() == (b"123456789" if method == "GET" else b"")


@pytest.mark.fault("clients-leave")
async def test_a_client_that_leaves_before_a_large_preview_is_no_defect(
    site: WebReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()

    async def resize(_: RenderJob) -> RenderResult:
        site.store.objects["prew/card/a.jpg"] = Made("image/png", 9, '"large"', None, b"123456789")
        await gate.wait()
        return RenderResult(Made("image/png", 9, '"large"', None, None))

    monkeypatch.setattr(site.resizer, "resize", resize)
    site.server.handler_cancellation = False  # as the service has it
    _, writer = await asyncio.open_connection(*site.address)
    writer.write(b"GET /prew/card/a.jpg HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: "prew/card/a.jpg" in site.store.objects)
    (connection,) = site.server.connections
    writer.transport.abort()
    await until(lambda: connection.transport is None)
    with structlog.testing.capture_logs() as log:
        gate.set()
        await until(lambda: 'status="499"' in site.metrics.text())

    assert {line["event"] for line in log} == {"request", "flight"}


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (PhotoMissing("secret"), 404, "missing"),
        (PhotoUnsupported("secret"), 422, "unsupported"),
        (PhotoHidden("secret"), 404, "missing"),
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


@pytest.mark.parametrize(("path", "status"), [("/prew/cart/a.jpg", 404), ("/prew/card/%ff", 400)])
async def test_a_path_of_no_preview_asks_neither_s3_nor_the_resizer(site: WebReplica, path: str, status: int) -> None:
    """The catalogue's tests have the other invalid keys."""
    response = await site.get(path)

    assert response.status == status
    assert (site.store.requests, site.resizer.calls) == (0, [])


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_not_allowed(site: WebReplica, method: str) -> None:
    response = await site.request(method, "/prew/card/a.jpg")

    assert response.status == 405
    assert response.headers["Allow"] == "GET, HEAD"
    assert site.resizer.calls == []


async def test_a_defect_outside_flights_is_500_without_text(site: WebReplica, monkeypatch: pytest.MonkeyPatch) -> None:

    def broken(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(site.metrics, "waiting", broken)
    response = await site.get("/prew/card/a.jpg")

    assert response.status == 500
    assert "secret" not in await response.text()


async def test_liveness_checks_no_dependency(site: WebReplica) -> None:
    site.s3.error = RuntimeError("away")

    assert (await site.get("/healthz")).status == 200


async def test_readiness_names_each_dependency(site: WebReplica) -> None:
    response = await site.get("/readyz")

    assert response.status == 200
    assert await response.json() == {"ready": True, "degraded": False, "redis": "ok", "s3": "ok"}


async def test_dependencies_that_fail_or_hang_are_not_ready(site: WebReplica, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prewmanager.web.app.PROBE_TIMEOUT_S", 0.05)
    site.s3.error = RuntimeError("secret host")
    site.redis.hangs = True
    response = await site.get("/readyz")

    assert response.status == 503
    assert await response.json() == {"ready": False, "degraded": False, "redis": "failed", "s3": "failed"}


@pytest.mark.fault("redis-away")
async def test_without_redis_it_is_degraded_and_ready(site: WebReplica) -> None:
    site.redis.error = RuntimeError("away")
    response = await site.get("/readyz")

    assert response.status == 200
    assert await response.json() == {"ready": True, "degraded": True, "redis": "failed", "s3": "ok"}


async def test_metrics_count_requests_and_flights(site: WebReplica) -> None:
    await site.get("/prew/card/a.jpg")
    await site.get("/prew/made-up/a.jpg")
    site.store.objects.clear()
    site.resizer.gate.clear()
    leading = asyncio.create_task(site.get("/prew/thumb/b.jpg"))
    await until(lambda: len(site.resizer.calls) == 2)
    joining = asyncio.create_task(site.get("/prew/thumb/b.jpg"))
    await until(lambda: "prewmanager_waiting 2.0" in site.metrics.text())
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
