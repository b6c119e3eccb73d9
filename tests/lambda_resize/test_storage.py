"""The S3 adapter, on a real S3 server, and on servers that misbehave on request."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from devstack.backends import S3, s3_client
from lambda_resize import storage as storage_module
from lambda_resize.errors import Forbidden, Hidden, Missing, StorageFailed, Throttled, TooLarge
from lambda_resize.storage import Storage
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
    assert len(storage.read(s3.bucket, "large", 12_000_000).data) == 12_000_000


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
    storage = Storage.from_environment(os.environ)
    assert dict(storage._store("photos").config)["region"] == "eu-north-1"
    assert storage._boto3_client.meta.region_name == "eu-north-1"


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
