"""The previews' bucket, on a real S3 server."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from devstack.backends import S3, s3_client
from prewmanager.adapters.aws.s3_store import S3PreviewStore, s3_store
from prewmanager.errors import PreviewGone, ReplicaFailed, StorageFailed
from tests.support.private_listing import private_listing

ODD = "prew/card/クズ箱/a b+c%20d#e?f'g\"[h].jpg"


@pytest.fixture(name="store")
def _store(s3: S3, monkeypatch: pytest.MonkeyPatch) -> S3PreviewStore:
    _environment(monkeypatch, s3)
    return _make(s3.bucket, s3.endpoint)


@pytest.fixture(name="client")
def _client(s3: S3) -> Iterator[Any]:
    client = s3_client(s3)
    yield client
    client.close()


def _environment(monkeypatch: pytest.MonkeyPatch, s3: S3, **changed: str) -> None:
    for name, value in (s3.aws_environment() | changed).items():
        monkeypatch.setenv(name, value)
    # The address comes from the settings; left in the environment, obstore would prefer it.
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")


def _make(bucket: str, endpoint: str) -> S3PreviewStore:
    store = s3_store(bucket, region="us-east-1", endpoint_url=endpoint, timeout_s=1)
    return S3PreviewStore(store, max_body_bytes=1000)


async def test_a_stored_preview_is_found_with_its_headers(store: S3PreviewStore, s3: S3, client: Any) -> None:
    put = client.put_object(
        Bucket=s3.bucket,
        Key=ODD,
        Body=b"picture",
        ContentType="image/webp",
        CacheControl="max-age=9",
        Metadata={"thumbhash": "1Q/+HQ=="},
    )
    found = await store.find(ODD)

    assert found is not None
    assert (found.content_type, found.size, found.body) == ("image/webp", 7, b"picture")
    assert (found.etag, found.cache_control, found.thumbhash) == (put["ETag"], "max-age=9", "1Q/+HQ==")


async def test_a_missing_preview_is_none(store: S3PreviewStore) -> None:
    assert await store.find("prew/card/missing.jpg") is None


async def test_a_large_preview_is_found_without_bytes_and_streamed(store: S3PreviewStore, s3: S3, client: Any) -> None:
    body = bytes(range(256)) * 4096
    client.put_object(Bucket=s3.bucket, Key="prew/card/large.png", Body=body, ContentType="image/png")
    found = await store.find("prew/card/large.png")
    stored, pieces = await store.stream("prew/card/large.png")

    assert found is not None
    assert (found.body, found.thumbhash) == (None, None)
    assert stored.size == len(body)
    assert b"".join([piece async for piece in pieces]) == body


async def test_streaming_a_missing_preview_fails(store: S3PreviewStore) -> None:
    with pytest.raises(PreviewGone):
        await store.stream("prew/card/missing.jpg")


@pytest.mark.fault("replica-unable")
async def test_a_preview_that_s3_refuses_to_this_replica_may_be_streamed_by_another(
    s3: S3, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.put_object(Bucket=s3.bucket, Key="prew/card/large.png", Body=b"x" * 2000, ContentType="image/png")
    _environment(monkeypatch, s3, AWS_SECRET_ACCESS_KEY="wrong")
    with pytest.raises(ReplicaFailed, match="SignatureDoesNotMatch"):
        await _make(s3.bucket, s3.endpoint).stream("prew/card/large.png")


async def test_the_bucket_answers(store: S3PreviewStore) -> None:
    await store.ping()


async def test_a_wrong_bucket_is_not_ready(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    _environment(monkeypatch, s3)
    with pytest.raises(StorageFailed):
        await _make("no-such-bucket", s3.endpoint).ping()


@pytest.mark.fault("s3-denied")
async def test_wrong_credentials_are_a_storage_failure(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    _environment(monkeypatch, s3, AWS_SECRET_ACCESS_KEY="wrong")
    store = _make(s3.bucket, s3.endpoint)
    with pytest.raises(StorageFailed):
        await store.find("prew/card/a.jpg")
    with pytest.raises(StorageFailed):
        await store.ping()


@pytest.mark.fault("s3-away")
async def test_an_unreachable_s3_is_a_storage_failure(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    _environment(monkeypatch, s3)
    store = _make(s3.bucket, "http://127.0.0.1:1")
    with pytest.raises(StorageFailed) as caught:
        await store.find("prew/card/a.jpg")
    with pytest.raises(StorageFailed):
        await store.ping()

    assert "\n" not in caught.value.detail


@contextlib.asynccontextmanager
async def _s3_that_cuts(
    body: bytes, after: int, *, etags: Sequence[str] = ('"x"',)
) -> AsyncIterator[tuple[str, list[int]]]:
    """An S3 that closes each connection after some bytes of an answer, and where each answer began.

    The object has one ETag after the other; the last one stays.
    """
    starts: list[int] = []

    async def cut(request: web.Request) -> web.StreamResponse:
        start = request.http_range.start or 0
        etag = etags[min(len(starts), len(etags) - 1)]
        if request.headers.get("If-Match", etag) != etag:
            return web.Response(status=412)
        starts.append(start)
        rest = body[start:]
        ranged = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if start else {}
        headers = {"Content-Length": str(len(rest)), "ETag": etag, "Last-Modified": "Sat, 01 Aug 2026 00:00:00 GMT"}
        response = web.StreamResponse(status=206 if start else 200, headers=headers | ranged)
        await response.prepare(request)
        await response.write(rest[:after])
        if len(rest) > after:
            assert request.transport is not None
            request.transport.close()
        return response

    app = web.Application()
    app.router.add_get("/{path:.*}", cut)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}", starts


@pytest.mark.fault("s3-cut")
async def test_a_stream_that_breaks_goes_on_where_it_broke(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    _environment(monkeypatch, s3)
    body = bytes(range(256)) * 4000
    async with _s3_that_cuts(body, 400_000) as (url, starts):
        _, pieces = await _make("photos", url).stream("prew/card/a.jpg")
        read = b"".join([piece async for piece in pieces])

    assert read == body
    assert starts[0] == 0 < starts[1] <= 400_000 < starts[2]


@pytest.mark.fault("s3-cut")
@pytest.mark.parametrize(("after", "etags"), [(0, ['"x"']), (400_000, ['"x"', '"another"']), (70_000, ['"x"'])])
async def test_a_stream_that_cannot_go_on_is_a_storage_failure(
    s3: S3, monkeypatch: pytest.MonkeyPatch, after: int, etags: list[str]
) -> None:
    """No byte comes, the object is another one, or it breaks again and again."""
    _environment(monkeypatch, s3)
    async with _s3_that_cuts(b"x" * 1_000_000, after, etags=etags) as (url, starts):
        _, pieces = await _make("photos", url).stream("prew/card/a.jpg")
        with pytest.raises(StorageFailed):
            [piece async for piece in pieces]

    assert len(starts) <= 12


@pytest.mark.fault("s3-private-listing")
@pytest.mark.parametrize("lists", [True, False])
async def test_a_403_is_a_missing_preview_only_where_listings_are_denied(
    s3: S3, monkeypatch: pytest.MonkeyPatch, *, lists: bool
) -> None:
    _environment(monkeypatch, s3)
    with private_listing(s3, lists=lists) as proxy:
        proxy.denied.add("prew/card/denied.jpg")
        store = _make(s3.bucket, proxy.s3.endpoint)
        for read in (store.find, store.head, store.find):
            if lists:
                with pytest.raises(StorageFailed):
                    await read("prew/card/denied.jpg")
            else:
                assert await read("prew/card/denied.jpg") is None
            assert await read("prew/card/none.jpg") is None
        assert proxy.requests[f"GET /{s3.bucket}"] == 1
