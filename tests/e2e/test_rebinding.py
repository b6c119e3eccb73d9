"""What a page of another site gets whose name leads to this machine (DNS rebinding), at every port of `make up`.

A browser sends such a page's requests with the page's name as `Host`. They are its own origin's, so the page reads the
answers, and may send whatever it likes but another `Host`; it can't speak anything but HTTP.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from botocore.exceptions import ClientError

from devstack.backends import ACCESS_KEY, SECRET_KEY, s3_client
from devstack.bucket import Bucket
from devstack.programs import LOOPBACK, Program
from tests.support.asking import ask
from tests.support.listening import listeners
from tests.support.local_system import descendants, stack_of

pytestmark = pytest.mark.timeout(180)  # the whole system starts, which alone may take 50 s on a loaded machine
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
PATHS = (
    # nginx, the service, the page
    *("/", "/photo/one.jpg", "/prew/card/one.jpg", "/presets", "/presets/photos", "/presets/facts", "/edge/none.jpg"),
    *("/-/presets", "/-/presets/photos", "/-/presets/facts", "/-/fingerprints", "/-/results/photo/one.jpg"),
    *("/healthz", "/readyz", "/metrics", "/-/able", "/-/requests", "/-/stats", "/burst?preset=card&count=2"),
    # S3
    *("/photos", "/photos/?list-type=2", "/photos?policy", "/photos?versions", "/photos?delete"),
    *("/photos/photo/one.jpg", "/photos/prew/card/one.jpg", "/photos/photo/one.jpg?tagging"),
    # SeaweedFS's filer, master and volume server
    *("/buckets/", "/buckets/photos/photo/?limit=100", "/buckets/photos/photo/one.jpg"),
    *("/buckets/photos/prew/card/one.jpg", "/etc/", "/dir/assign", "/dir/lookup?volumeId=1", "/dir/status"),
    *("/vol/status", "/vol/grow?count=1", "/col/delete?collection=photos", "/submit", "/cluster/status"),
    *("/status", "/ui/index.html", "/stats/counter"),
    # Lambda's APIs
    *("/2015-03-31/functions/prew-resize/invocations", "/2018-06-01/runtime/invocation/next"),
    *("/2020-01-01/extension/register", "/2020-01-01/extension/event/next"),
)  # fmt: skip
BODY = b'{"src_key": "photo/one.jpg", "src_bucket": "photos", "width": 9}\r\nFLUSHALL\r\nSET evil 1\r\n'
SIMPLE = {"Origin": "http://evil.example", "Content-Type": "text/plain", "Content-Length": str(len(BODY))}


@pytest.fixture(name="bucket")
def _bucket(checkout: Path, system: Program) -> Bucket:
    """The bucket as `.local/stack.json` has it, with a preview in it."""
    assert system.pid
    stack = stack_of(checkout)
    made = ask(int(stack["nginx"].rpartition(":")[2]), "/prew/card/one.jpg", headers={"Host": "localhost"})
    assert made.headers["X-Preview"] == "made"
    return Bucket(**stack["s3"])


def _attack(port: int, path: str, method: str) -> bytes:
    """Return all that a rebound page's request is answered with, until the server closes or falls silent."""
    own = {"Host": f"evil.example:{port}", "Connection": "close", "Sec-Fetch-Site": "same-origin", "X-Burst": "1"}
    headers = own | (SIMPLE if method not in {"GET", "HEAD"} else {})
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    body = BODY if "Content-Length" in headers else b""
    answer = b""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=2) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        while more := connection.recv(1 << 16):
            answer += more
    return answer


def _objects(bucket: Bucket) -> dict[str, tuple[str, Any]]:
    listed = s3_client(bucket).list_objects_v2(Bucket=bucket.bucket)["Contents"]
    return {each["Key"]: (each["ETag"], each["LastModified"]) for each in listed}


def _file_ids(volumes: Path) -> Iterator[str]:
    """Return SeaweedFS's paths of all pieces of objects, from its files: 8 bytes, then needles, version 3."""
    for file in volumes.glob("**/*.dat"):
        stored, at = file.read_bytes(), 8
        while at + 16 <= len(stored):
            cookie, number, size = struct.unpack_from(">IQI", stored, at)
            yield f"/{file.stem.rpartition('_')[2]},{number:x}{cookie:08x}"
            used = 16 + size + 4 + 8
            at += used + 8 - used % 8


def _middle(data: bytes) -> bytes:
    """Return bytes that only this object has."""
    return data[len(data) // 2 :][:64]


def _secrets(bucket: Bucket, photos: Path) -> dict[str, bytes]:
    """Return what no answer may contain, by what it is."""
    preview = s3_client(bucket).get_object(Bucket=bucket.bucket, Key="prew/card/one.jpg")["Body"].read()
    policy = json.loads(s3_client(bucket).get_bucket_policy(Bucket=bucket.bucket)["Policy"])
    return {
        "photo": _middle((photos / "one.jpg").read_bytes()),
        "preview": _middle(preview),
        "a listing": b"two ",
        "the access key": bucket.access_key.encode(),
        "the secret key": bucket.secret_key.encode(),
        "nginx's secret": policy["Statement"][0]["Condition"]["StringEquals"]["aws:Referer"].encode(),
        "a token": b"earer ",
    }


@pytest.mark.fault("foreign-host")
@pytest.mark.parametrize("system", [{"PREW_LOCAL_S3_DELAY": "0.001"}], indirect=True)
def test_no_port_gives_or_changes_anything_for_a_page_of_another_site(
    checkout: Path, system: Program, photos: Path, bucket: Bucket
) -> None:
    stack = stack_of(checkout)
    database = redis.Redis.from_url(stack["redis"])
    database.set("kept", "1")
    ports = listeners(descendants(system.pid))
    secret, objects = _secrets(bucket, photos), _objects(bucket)
    pieces = list(_file_ids(checkout / ".local" / "s3" / "seaweedfs"))
    invocations = _resizes(stack)

    answers = {
        (port, path, method): _attack(port, path, method)
        for port, path, method in itertools.product(ports, (*PATHS, *pieces), METHODS)
    }
    given = {(what, *asked) for asked, answer in answers.items() for what, each in secret.items() if each in answer}

    assert given == set()
    assert _objects(bucket) == objects
    assert (database.get("kept"), database.exists("evil")) == (b"1", 0)
    assert _resizes(stack) == invocations
    assert {str(address) for address in ports.values()} == {LOOPBACK}
    ours = [stack["nginx"], stack["lambda"], stack["s3_requests"], *stack["services"]]
    for port in (urlsplit(url).port for url in ours):
        assert port is not None
        assert {answers[port, "/", method].split()[1] for method in METHODS} == {b"421"}
    assert "SECURITY ATTACK" in (checkout / ".local" / "redis" / "redis.log").read_text()  # it closed the connection
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):  # of the keys that everybody can read
        _objects(replace(bucket, access_key=ACCESS_KEY, secret_key=SECRET_KEY))
    assert pieces


def _resizes(stack: dict[str, Any]) -> int:
    stats = json.loads(ask(int(stack["lambda"].rpartition(":")[2]), "/-/stats", headers={"Host": "localhost"}).body)
    return int(stats["by_function"]["prew-resize"])
