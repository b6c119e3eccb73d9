"""The proxy that answers for S3 from a distance: real clients, a real S3 behind it."""

from __future__ import annotations

import gzip
import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.backends import S3, s3_client
from devstack.far_s3 import COUNTS, Distance, start_far_s3
from devstack.programs import LOOPBACK
from lambda_resize.storage import Storage

KEY = "photo/a b/ü+%.jpg"


@pytest.fixture(name="far")
def _far(s3: S3, tmp_path: Path) -> Iterator[S3]:
    program, far = start_far_s3(tmp_path, s3, Distance())
    yield far
    program.stop()


def _counts(far: S3) -> dict[str, dict[str, int]]:
    connection = http.client.HTTPConnection(LOOPBACK, far.port)
    connection.request("GET", COUNTS)
    counts: dict[str, dict[str, int]] = json.loads(connection.getresponse().read())
    connection.close()
    return counts


def test_signed_requests_of_all_clients_pass_unchanged_and_are_counted(
    s3: S3, far: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.aws_environment().items():
        monkeypatch.setenv(name, value)
    client, body = s3_client(far), bytes(range(256)) * 4096
    client.put_object(Bucket=far.bucket, Key=KEY, Body=body)
    near = s3_client(s3)
    assert near.get_object(Bucket=s3.bucket, Key=KEY)["Body"].read() == body
    assert client.get_object(Bucket=far.bucket, Key=KEY, Range="bytes=1-3")["Body"].read() == body[1:4]
    assert client.head_object(Bucket=far.bucket, Key=KEY)["ContentLength"] == len(body)
    storage = Storage(endpoint=far.endpoint, region=far.region)
    assert storage.read(far.bucket, KEY, 10_000_000).data == body
    etag = storage.write(
        far.bucket,
        "prew/card/x.jpg",
        b"preview",
        content_type="image/jpeg",
        cache_control="no-store",
        fingerprint="x",
        source_etag="y",
    )
    assert near.head_object(Bucket=s3.bucket, Key="prew/card/x.jpg")["ETag"] == etag
    assert KEY in {each["Key"] for each in client.list_objects_v2(Bucket=far.bucket, Prefix="photo/a b/")["Contents"]}
    client.delete_object(Bucket=far.bucket, Key=KEY)

    assert _counts(far) == {
        "PUT": {"photo": 1, "prew": 1},
        "GET": {"photo": 2, "": 1},
        "HEAD": {"photo": 1},
        "DELETE": {"photo": 1},
    }


def test_what_is_compressed_stays_so(s3: S3, far: S3) -> None:
    body = gzip.compress(b"photo", mtime=0)
    s3_client(far).put_object(Bucket=far.bucket, Key="photo/a.gz", Body=body, ContentEncoding="gzip")

    assert s3_client(s3).get_object(Bucket=s3.bucket, Key="photo/a.gz")["Body"].read() == body
    assert s3_client(far).get_object(Bucket=far.bucket, Key="photo/a.gz")["Body"].read() == body


def test_each_answer_comes_later_and_no_sooner_for_many_at_once(s3: S3, tmp_path: Path) -> None:
    program, far = start_far_s3(tmp_path, s3, Distance(delay_s=0.3))
    started = time.monotonic()
    connections = [http.client.HTTPConnection(LOOPBACK, far.port) for _ in range(20)]
    for connection in connections:
        connection.request("GET", f"/{far.bucket}/prew/none.jpg")
    statuses = {connection.getresponse().status for connection in connections}
    took = time.monotonic() - started
    for connection in connections:
        connection.close()
    program.stop()

    assert statuses == {404}
    assert 0.3 <= took < 20 * 0.3


def test_a_body_comes_at_the_rate_of_its_connection(s3: S3, tmp_path: Path) -> None:
    s3_client(s3).put_object(Bucket=s3.bucket, Key="photo/large.bin", Body=bytes(1_000_000))
    program, far = start_far_s3(tmp_path, s3, Distance(rate=4_000_000))
    started = time.monotonic()
    body = s3_client(far).get_object(Bucket=far.bucket, Key="photo/large.bin")["Body"].read()
    took = time.monotonic() - started
    program.stop()

    assert len(body) == 1_000_000
    assert took >= 0.2


def test_delays_may_spread_around_their_median() -> None:
    distance = Distance(delay_s=0.1, spread=0.5)
    delays = sorted(distance.next_delay_s() for _ in range(1001))

    assert 0.08 < delays[500] < 0.12
    assert delays[0] < 0.05
    assert delays[-1] > 0.2
