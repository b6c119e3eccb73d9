"""The S3 adapter, on a real S3 server, and on servers that misbehave on request."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from devstack.backends import S3, s3_client
from lambda_resize import download as download_module
from lambda_resize import storage as storage_module
from lambda_resize.download import Download
from lambda_resize.errors import (
    Changed,
    Forbidden,
    Hidden,
    Missing,
    ResizeError,
    StorageFailed,
    Throttled,
    TooLarge,
    Unsupported,
)
from lambda_resize.resize import resize_many
from lambda_resize.settings import Limits
from lambda_resize.storage import Storage
from prewmanager_presets import Spec
from tests.lambda_resize.pictures import encode, gradient, noise
from tests.support.private_listing import PrivateListing, private_listing
from tests.support.serving import QuietHandler, serving_http
from tests.support.strict_store import strict_store

KEYS = [
    "a b.jpg",
    "a+b.jpg",
    "100%.jpg",
    "a%20b%2Fc.jpg",
    "#1?x=y&z.jpg",
    "\"double\" and 'single'.jpg",
    "back\\slash.jpg",
    "{a}[b]^`|<>~*=@;:,$!().jpg",
    "Привет мир/ёжик.jpg",
    "クズ箱/ゴミ.jpg",
    "e\u0301 and \u00e9.jpg",
    "\U0001f600.jpg",
    " leading and trailing ",
    "...",
]
HEADERS = {
    "content_type": "image/webp",
    "cache_control": "public, max-age=60",
    "fingerprint": "0123456789ab",
    "source_etag": '"d41d8cd98f00b204e9800998ecf8427e"',
}
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
METADATA = {"preset-fingerprint": "0123456789ab", "source-etag": "d41d8cd98f00b204e9800998ecf8427e"}


@pytest.fixture(name="storage")
def _storage(environment: None) -> Storage:
    del environment
    return Storage.from_environment(os.environ)


Answering = Callable[..., AbstractContextManager[tuple[Storage, list[bytes]]]]


@pytest.fixture(name="answering")
def _answering(environment: None, monkeypatch: pytest.MonkeyPatch) -> Answering:
    """A storage whose S3 gives every request the same bytes, and the requests that were sent."""
    del environment

    @contextmanager
    def answering(answer: bytes, object_acl: str | None = None) -> Iterator[tuple[Storage, list[bytes]]]:
        with server_answering(answer) as (endpoint, received):
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
            yield Storage.from_environment(os.environ, object_acl=object_acl), received

    return answering


def _header(length: int) -> bytes:
    """Return the headers of an object with this many bytes."""
    dated = b"Last-Modified: Wed, 01 Jan 2025 00:00:00 GMT\r\nETag: x"
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n\r\n" % (length, dated)


@contextmanager
def server_answering(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Run a server that gives every request the same bytes and keeps the connection; yields what it received."""
    received: list[bytes] = []
    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connections.append(connection)
                received.append(connection.recv(65536))
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", received
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in connections:
                connection.close()


@pytest.mark.parametrize("key", KEYS)
def test_keys_reach_s3_byte_for_byte(s3: S3, storage: Storage, key: str) -> None:
    client = s3_client(s3)
    storage.write(s3.bucket, f"keys/{key}", key.encode(), **HEADERS)
    assert client.get_object(Bucket=s3.bucket, Key=f"keys/{key}")["Body"].read() == key.encode()
    client.put_object(Bucket=s3.bucket, Key=f"other/{key}", Body=b"other")
    assert storage.read(s3.bucket, f"other/{key}", 100).data == b"other"


def test_an_object_is_written_with_its_headers(s3: S3, storage: Storage) -> None:
    etag = storage.write(s3.bucket, "headers", b"data", **HEADERS)
    head = s3_client(s3).head_object(Bucket=s3.bucket, Key="headers")
    assert (head["ContentType"], head["CacheControl"]) == ("image/webp", "public, max-age=60")
    assert head["Metadata"] == METADATA
    assert head["ETag"] == etag == '"8d777f385d3dfec8815d20f7496026dc"'  # MD5 of "data"


def test_a_large_object_is_written_in_one_piece(s3: S3, storage: Storage) -> None:
    """Clients like to split such sizes: one PUT, so the ETag has no part count."""
    etag = storage.write(s3.bucket, "large", bytes(12_000_000), **HEADERS)
    assert "-" not in etag
    assert s3_client(s3).head_object(Bucket=s3.bucket, Key="large")["ContentLength"] == 12_000_000


@pytest.mark.usefixtures("environment")
def test_an_acl_changes_nothing_else(s3: S3) -> None:
    storage = Storage.from_environment(os.environ, object_acl="public-read")
    etag = storage.write(s3.bucket, "acl/a b+c.jpg", b"data", **HEADERS)
    head = s3_client(s3).head_object(Bucket=s3.bucket, Key="acl/a b+c.jpg")
    assert (head["ContentType"], head["CacheControl"], head["ETag"]) == ("image/webp", "public, max-age=60", etag)
    assert head["Metadata"] == METADATA


@pytest.mark.parametrize(("object_acl", "sent"), [("public-read", True), (None, False)])
def test_an_acl_is_sent_only_if_configured(answering: Answering, object_acl: str | None, *, sent: bool) -> None:
    """Buckets with ACLs disabled refuse any. The local S3 server ignores ACLs, hence the check of the request."""
    written = b'HTTP/1.1 200 OK\r\nETag: "etag"\r\nContent-Length: 0\r\n\r\n'
    with answering(written, object_acl) as (storage, received):
        assert storage.write("photos", "key", b"data", **HEADERS) == '"etag"'
    assert (b"x-amz-acl: public-read" in received[0].lower()) is sent


def test_a_missing_object_is_missing(s3: S3, storage: Storage) -> None:
    with pytest.raises(Missing, match=f"^{s3.bucket}/photo/none: the object does not exist$"):
        storage.read(s3.bucket, "photo/none", 100)


def test_a_missing_bucket_is_not_a_missing_photo(storage: Storage) -> None:
    """It is a wrong setting, and must not be cached as a photo's answer."""
    with pytest.raises(StorageFailed, match="the bucket does not exist"):
        storage.read("nobody-made-this", "photo/none", 100)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("object_acl", [None, "public-read"])
@pytest.mark.fault("s3-denied")
def test_refused_credentials_are_forbidden(s3: S3, monkeypatch: pytest.MonkeyPatch, object_acl: str | None) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    storage = Storage.from_environment(os.environ, object_acl=object_acl)
    with pytest.raises(Forbidden, match=f"^{s3.bucket}/photo/none: "):
        storage.read(s3.bucket, "photo/none", 100)
    with pytest.raises(Forbidden, match=f"^{s3.bucket}/refused: "):
        storage.write(s3.bucket, "refused", b"data", **HEADERS)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("object_acl", [None, "public-read"])
@pytest.mark.fault("s3-away")
def test_a_dead_s3_is_a_failure_of_storage(s3: S3, monkeypatch: pytest.MonkeyPatch, object_acl: str | None) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    storage = Storage.from_environment(os.environ, object_acl=object_acl)
    with pytest.raises(StorageFailed):
        storage.read(s3.bucket, "photo/none", 100)
    with pytest.raises(StorageFailed):
        storage.write(s3.bucket, "photo/none", b"data", **HEADERS)


@pytest.mark.parametrize("object_acl", [None, "public-read"])
def test_writing_to_a_missing_bucket_is_a_storage_failure(answering: Answering, object_acl: str | None) -> None:
    """S3 answers 404 as for a missing object, which a write cannot mean."""
    with answering(NOT_FOUND, object_acl) as (storage, _), pytest.raises(StorageFailed):
        storage.write("none", "key", b"data", **HEADERS)


@pytest.mark.parametrize("answer", [b"", _header(100) + b"half"], ids=["nothing", "half"])
@pytest.mark.fault("s3-away")
def test_a_silent_s3_is_a_storage_failure(answering: Answering, monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    """After the read time-out; half an object must not count as a damaged photo."""
    monkeypatch.setattr(storage_module, "READ_TIMEOUT", storage_module.READ_TIMEOUT / 100)
    with answering(answer) as (storage, _), pytest.raises(StorageFailed):
        storage.read("photos", "key", 100)


def test_an_object_that_is_too_large_is_not_read(answering: Answering) -> None:
    """The header has the size; this server never sends a body, so reading it would fail differently."""
    with (
        answering(_header(101)) as (storage, _),
        pytest.raises(TooLarge, match=r"^photos/key: 101 bytes, the limit is 100$"),
    ):
        storage.read("photos", "key", 100)


def test_the_size_limit_is_inclusive(s3: S3, storage: Storage) -> None:
    storage.write(s3.bucket, "exact", bytes(100), **HEADERS)
    assert storage.read(s3.bucket, "exact", 100).data == bytes(100)
    with pytest.raises(TooLarge):
        storage.read(s3.bucket, "exact", 99)


def test_requests_are_path_style_with_the_session_token(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "the-token")
    with answering(NOT_FOUND) as (storage, received), pytest.raises(Missing):
        storage.read("photos", "photo/a+b c.jpg", 100)
    assert received[0].startswith(b"GET /photos/photo/a%2Bb%20c.jpg HTTP/1.1\r\n")
    assert b"x-amz-security-token: the-token\r\n" in received[0]


@pytest.mark.parametrize(("bucket", "virtual_hosted"), [("photos", "true"), ("photos.example.com", "false")])
def test_aws_itself_is_addressed_by_the_buckets_host(bucket: str, virtual_hosted: str) -> None:
    """Except for a bucket with dots, whose host name AWS's certificate does not cover."""
    config: dict[str, Any] = dict(Storage()._store(bucket).config)
    assert config["virtual_hosted_style_request"] == virtual_hosted


def test_a_bucket_keeps_its_client(storage: Storage) -> None:
    assert storage._store("photos") is storage._store("photos")
    assert storage._store("photos") is not storage._store("others")


def test_the_general_endpoint_is_used_where_s3_has_none_of_its_own() -> None:
    general = {"AWS_ENDPOINT_URL": "http://general"}
    assert Storage.from_environment(general)._endpoint == "http://general"
    assert Storage.from_environment(general | {"AWS_ENDPOINT_URL_S3": "http://s3"})._endpoint == "http://s3"


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_both_clients_work_in_the_region_of_either_variable(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for unset in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(unset, raising=False)
    monkeypatch.setenv(name, "eu-north-1")
    storage = Storage.from_environment(os.environ, object_acl="public-read")
    assert dict(storage._store("photos").config)["region"] == "eu-north-1"
    assert storage._acl_client
    assert storage._acl_client.client.meta.region_name == "eu-north-1"


def test_the_slow_client_is_not_imported_without_need() -> None:
    """A cold start pays for boto3 only if an ACL is configured."""
    code = (
        "import sys; from lambda_resize import handler; handler._storage()._store('photos');"
        "print({'boto3', 'botocore', 'aiohttp', 'PIL', 'numpy', 'prewmanager', 'devstack'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


class SlowDown(QuietHandler):
    """Answers every request with S3's SlowDown."""

    status = 503

    def do_GET(self) -> None:
        body = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        self.do_GET()


@pytest.mark.fault("s3-slow-down")
@pytest.mark.parametrize("object_acl", [None, "public-read"])
@pytest.mark.parametrize("status", [503, 429])
def test_an_s3_that_asks_for_fewer_requests_is_throttled(
    status: int, object_acl: str | None, environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del environment
    monkeypatch.setattr(storage_module, "RETRY_WINDOW", timedelta(seconds=0.2))
    monkeypatch.setattr(storage_module, "MAX_RETRIES", 1)
    monkeypatch.setattr(SlowDown, "status", status)
    with serving_http(SlowDown) as server:
        storage = Storage(endpoint=server.url, object_acl=object_acl)
        with pytest.raises(Throttled):
            storage.read("photos", "photo/a.jpg", 1000)
        with pytest.raises(Throttled):
            storage.write("photos", "prew/card/a.jpg", b"x", **HEADERS)


def _through(proxy: PrivateListing) -> Storage:
    return Storage(endpoint=proxy.s3.endpoint, region=proxy.s3.region)


def _listings(proxy: PrivateListing) -> int:
    return proxy.requests[f"GET /{proxy.s3.bucket}"]


@pytest.mark.usefixtures("environment")
@pytest.mark.fault("s3-private-listing")
def test_a_403_without_the_right_to_list_is_a_missing_photo(s3: S3) -> None:
    """S3 says the same of both, and one listing tells that for all photos."""
    with private_listing(s3) as proxy:
        storage = _through(proxy)
        for read in (lambda key: storage.read(s3.bucket, key, 100), lambda key: storage.etag(s3.bucket, key)):
            for key in ("photo/none", "photo/none-either"):
                with pytest.raises(Hidden):
                    read(key)
        assert _listings(proxy) == 1


@pytest.mark.usefixtures("environment")
@pytest.mark.fault("s3-private-listing")
def test_a_403_with_the_right_to_list_is_a_refusal(s3: S3) -> None:
    """Otherwise lost rights would pass for an empty bucket."""
    with private_listing(s3, lists=True) as proxy:
        proxy.denied.add("photo/denied")
        storage = _through(proxy)
        for _ in range(2):
            with pytest.raises(Forbidden):
                storage.read(s3.bucket, "photo/denied", 100)
        with pytest.raises(Forbidden):
            storage.etag(s3.bucket, "photo/denied")
        with pytest.raises(Missing) as caught:
            storage.read(s3.bucket, "photo/none", 100)
        assert not isinstance(caught.value, Hidden)
        assert _listings(proxy) == 1


@pytest.mark.fault("s3-checksums")
@pytest.mark.parametrize("object_acl", [None, "public-read"])
def test_a_store_that_refuses_the_sdks_checksums_is_written_to(object_acl: str | None, environment: None) -> None:
    del environment
    with strict_store() as url:
        storage = Storage(endpoint=url, region="eu-central-1", object_acl=object_acl)
        assert storage.write("photos", "prew/card/a.jpg", b"x", **HEADERS) == '"9dd4e461268c8034f5c8564e155c67a6"'


class Page(QuietHandler):
    """A proxy that answers every request with a page of its own."""

    headers_of_page: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        body = b"<!doctype html><title>Maintenance</title>"
        self.send_response(200)
        for name, value in self.headers_of_page.items():
            self.send_header(name, value.format(size=len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.mark.usefixtures("environment")
def test_a_preview_that_may_not_be_read_is_not_found_and_not_asked_for_again(s3: S3) -> None:
    s3_client(s3).put_object(Bucket=s3.bucket, Key="prew/card/denied.jpg", Body=b"x")
    with private_listing(s3, lists=True) as proxy:
        proxy.denied.add("prew/card/denied.jpg")
        storage = _through(proxy)
        assert storage.find(s3.bucket, "prew/card/none.jpg", 100) is None
        assert storage.may_find
        assert storage.find(s3.bucket, "prew/card/denied.jpg", 100) is None
        assert not storage.may_find


@pytest.mark.usefixtures("environment")
def test_where_listings_are_denied_a_refusal_is_a_missing_preview(s3: S3) -> None:
    with private_listing(s3) as proxy:
        storage = _through(proxy)
        assert storage.find(s3.bucket, "prew/card/none.jpg", 100) is None
        assert storage.may_find


@pytest.mark.fault("s3-page")
@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": "{size}", "Content-Type": "text/html"},
        {"Content-Length": "{size}", "Last-Modified": "Thu, 26 Nov 2026 18:00:00 GMT"},
        {"ETag": '"0123"'},
    ],
)
def test_a_page_instead_of_a_photo_is_the_stores_fault(
    headers: dict[str, str], environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del environment
    monkeypatch.setattr(Page, "headers_of_page", headers)
    with serving_http(Page) as server, pytest.raises(StorageFailed):
        Storage(endpoint=server.url).read("photos", "photo/a.jpg", 1000)


LARGE = bytes(range(256)) * 4000


@pytest.fixture(name="small_parts")
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A megabyte takes several requests."""
    monkeypatch.setattr(storage_module, "FIRST_BYTES", 300_000)
    monkeypatch.setattr(storage_module, "PIECE_BYTES", 20_000)
    monkeypatch.setattr(download_module, "_LEAST_BYTES", 100_000)


def _download(storage: Storage, bucket: str, key: str) -> Download:
    data = storage.read(bucket, key, 10_000_000).data
    assert isinstance(data, Download)
    return data


@pytest.mark.usefixtures("small_parts", "environment")
def test_a_large_photo_is_read_by_several_requests_and_a_small_one_by_one(s3: S3) -> None:
    client = s3_client(s3)
    client.put_object(Bucket=s3.bucket, Key="photo/large", Body=LARGE)
    client.put_object(Bucket=s3.bucket, Key="photo/small", Body=LARGE[:300_000])
    with private_listing(s3) as proxy:
        storage = _through(proxy)
        assert _download(storage, s3.bucket, "photo/large").whole() == LARGE
        assert storage.read(s3.bucket, "photo/small", 300_000).data == LARGE[:300_000]
        with pytest.raises(TooLarge):
            storage.read(s3.bucket, "photo/large", len(LARGE) - 1)
        assert proxy.requests == {
            f"GET /{s3.bucket}/photo/large": 1 + 3 + 1,
            f"GET /{s3.bucket}/photo/small": 1,
        }


@pytest.mark.usefixtures("small_parts")
def test_a_large_photo_that_is_compressed_is_read_whole(s3: S3, storage: Storage) -> None:
    noise = os.urandom(600_000)
    stored = gzip.compress(noise)
    s3_client(s3).put_object(Bucket=s3.bucket, Key="photo/large.gz", Body=stored, ContentEncoding="gzip")
    assert storage.read(s3.bucket, "photo/large.gz", 10_000_000).data == noise


def test_an_empty_photo_has_no_first_byte_to_ask_for(s3: S3, storage: Storage) -> None:
    s3_client(s3).put_object(Bucket=s3.bucket, Key="photo/empty", Body=b"")
    assert storage.read(s3.bucket, "photo/empty", 100).data == b""


@pytest.mark.usefixtures("small_parts")
@pytest.mark.fault("photo-changed")
def test_a_photo_that_is_overwritten_between_its_parts_has_changed(s3: S3, storage: Storage) -> None:
    client = s3_client(s3)
    client.put_object(Bucket=s3.bucket, Key="photo/between", Body=LARGE)
    download = _download(storage, s3.bucket, "photo/between")
    assert download.head() == LARGE[:4096]
    client.put_object(Bucket=s3.bucket, Key="photo/between", Body=LARGE[::-1])
    with pytest.raises(Changed):
        download.whole()


class Stopping(QuietHandler):
    """Sends the first bytes of a large photo and then, when it is let go, ends the connection, or sees its end."""

    protocol_version = "HTTP/1.1"
    body = LARGE
    sent = 50_000
    later = 0
    go_on: ClassVar[threading.Event] = threading.Event()
    is_left: ClassVar[threading.Event] = threading.Event()

    def do_GET(self) -> None:
        if self.headers.get("Range") != f"bytes=0-{storage_module.FIRST_BYTES - 1}":
            if self.later:
                self.send_error(self.later)
            else:
                self.go_on.wait(20)
            return
        self.send_response(206)
        self.send_header("Content-Range", f"bytes 0-{storage_module.FIRST_BYTES - 1}/{len(self.body)}")
        self.send_header("Content-Length", str(storage_module.FIRST_BYTES))
        self.send_header("ETag", '"0123"')
        self.send_header("Last-Modified", "Thu, 26 Nov 2026 18:00:00 GMT")
        self.end_headers()
        self.wfile.write(self.body[: self.sent])
        self.close_connection = True
        if not self.go_on.wait(0):
            self.connection.settimeout(20)
            if self.connection.recv(1) == b"":
                self.is_left.set()


@pytest.fixture(name="stopping")
def _stopping(environment: None, small_parts: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Storage]]:
    del environment, small_parts
    monkeypatch.setattr(Stopping, "go_on", threading.Event())
    monkeypatch.setattr(Stopping, "is_left", threading.Event())
    monkeypatch.setattr(storage_module, "RETRY_WINDOW", timedelta(seconds=0.2))
    monkeypatch.setattr(storage_module, "READ_TIMEOUT", timedelta(seconds=1))
    with serving_http(Stopping) as server:
        yield lambda: Storage(endpoint=server.url)


@pytest.mark.parametrize("body", [b"%PDF-1.7 " * 100_000, encode(gradient(20_000, 10), "PNG") + bytes(900_000)])
def test_a_photo_that_is_refused_by_its_head_is_not_read_on(
    stopping: Callable[[], Storage], monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    """The server has sent 50 KB, sends no more, and sees the connection closed."""
    monkeypatch.setattr(Stopping, "body", body)
    photo = stopping().read("photos", "photo/a", 10_000_000)
    assert isinstance(photo.data, Download)
    (made,) = resize_many(photo.data, [Spec(width=10)], Limits(max_source_pixels=100_000))
    photo.close()
    del photo
    assert isinstance(made, Unsupported | TooLarge)
    assert Stopping.is_left.wait(20)


@pytest.mark.fault("s3-slow-down")
@pytest.mark.fault("s3-away")
@pytest.mark.parametrize(("later", "error"), [(503, Throttled), (500, StorageFailed), (404, Missing), (412, Changed)])
def test_what_s3_answers_in_the_middle_is_raised_as_it_is(
    stopping: Callable[[], Storage], monkeypatch: pytest.MonkeyPatch, later: int, error: type[ResizeError]
) -> None:
    monkeypatch.setattr(Stopping, "later", later)
    monkeypatch.setattr(Stopping, "body", encode(noise(700, 500), "JPEG", quality=99))
    Stopping.go_on.set()
    photo = stopping().read("photos", "photo/a", 10_000_000)
    (made,) = resize_many(photo.data, [Spec(width=10)])
    assert type(made) is error


@pytest.mark.fault("s3-away")
def test_a_photo_that_arrives_ends_with_the_time(stopping: Callable[[], Storage]) -> None:
    ends_at = time.monotonic() + 0.3
    photo = stopping().read("photos", "photo/a", 10_000_000, ends_at)
    assert isinstance(photo.data, Download)
    with pytest.raises(StorageFailed, match="the time is up"):
        photo.data.whole()
    Stopping.go_on.set()
