"""The complete function: the contract's examples, real S3, the real Lambda runtime client, and a forked process."""

from __future__ import annotations

import base64
import io
import itertools
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from devstack.backends import S3, s3_client
from devstack.lambda_server import lambda_client, start_lambda
from lambda_resize import handler as handler_module
from lambda_resize.batch import render_batch
from lambda_resize.errors import StorageFailed
from lambda_resize.handler import handler
from lambda_resize.request import parse
from lambda_resize.settings import Limits, Settings
from lambda_resize.storage import Storage
from prewmanager_presets.tags import cache_tags
from tests.contract_examples.examples import example
from tests.lambda_resize.pictures import encode, gradient
from tests.support.site import ROOT


@pytest.fixture(name="bucket")
def _bucket(s3: S3, environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The examples' photo in a real bucket, which the function uses."""
    del environment
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")
    handler_module._storage.cache_clear()
    client = s3_client(s3)
    client.put_object(Bucket="photos", Key="photo/a/b.jpg", Body=encode(gradient(1440, 1000), "JPEG"))
    yield client
    handler_module._storage.cache_clear()


def logged(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """Return the only line that the only invocation logged."""
    (record,) = caplog.records
    entry = json.loads(record.getMessage())
    assert isinstance(entry, dict)
    return entry


def test_the_full_request_gets_the_full_response(bucket: Any) -> None:
    expected = example("response_full")
    answer = handler(example("request_full"), None)
    assert {name: type(value) for name, value in answer.items()} == {n: type(v) for n, v in expected.items()}
    for name in ("status", "content_type", "key", "width", "height", "cache_control"):
        assert answer[name] == expected[name]
    stored = bucket.get_object(Bucket="photos", Key="prew/card/a/b.jpg")
    data = stored["Body"].read()
    assert base64.b64decode(str(answer["data"])) == data
    assert (answer["size"], answer["etag"]) == (len(data), stored["ETag"])
    assert (stored["ContentType"], stored["CacheControl"]) == (answer["content_type"], answer["cache_control"])
    photo = bucket.head_object(Bucket="photos", Key="photo/a/b.jpg")
    assert stored["Metadata"] == {
        "preset-fingerprint": "0123456789ab",
        "source-etag": photo["ETag"].strip('"'),
        "cache-tag": cache_tags("photos", "photo/a/b.jpg", "card"),
    }
    assert Image.open(io.BytesIO(data)).size == (720, 480)


FIND = example("request_full") | {"find": True}


def test_a_preview_that_is_stored_already_is_the_answer(bucket: Any) -> None:
    expected = example("response_found")
    bucket.delete_object(Bucket="photos", Key="prew/card/a/b.jpg")
    first = handler(FIND, None)
    second = handler(FIND, None)

    assert {name: type(value) for name, value in second.items()} == {n: type(v) for n, v in expected.items()}
    assert "found" not in first
    assert second["found"] is True
    for name in ("content_type", "data", "key", "size", "etag", "cache_control"):
        assert second[name] == first[name]
    assert bucket.head_object(Bucket="photos", Key="prew/card/a/b.jpg")["ETag"] == second["etag"]


def test_a_stored_preview_is_found_although_its_photo_is_gone(bucket: Any) -> None:
    """As where the service asks: whoever removed the photo has its previews deleted, by the event or `purge`."""
    handler(FIND, None)
    bucket.delete_object(Bucket="photos", Key="photo/a/b.jpg")

    assert handler(FIND, None)["found"] is True
    bucket.delete_object(Bucket="photos", Key="prew/card/a/b.jpg")
    assert handler(FIND, None)["kind"] == "missing"


@pytest.mark.usefixtures("bucket")
def test_a_stored_preview_beyond_the_limit_is_found_without_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    handler(FIND, None)
    monkeypatch.setattr(handler_module, "SETTINGS", replace(handler_module.SETTINGS, max_data_bytes=10))
    answer = handler(FIND, None)

    assert answer["found"] is True
    assert "data" not in answer


@pytest.mark.usefixtures("bucket")
def test_nothing_is_found_unless_that_was_asked_for() -> None:
    handler(FIND, None)

    assert "found" not in handler(example("request_full"), None)


@pytest.mark.usefixtures("bucket")
def test_the_timings_are_milliseconds_of_the_steps_in_the_example() -> None:
    timings: Any = handler(example("request_full"), None)["timings"]
    assert timings.keys() == example("response_full")["timings"].keys()
    assert all(value > 0 and value == round(value, 1) for value in timings.values())


@pytest.mark.usefixtures("bucket")
def test_the_minimal_request_gets_the_fields_of_the_minimal_response() -> None:
    """So that the first source system's service works with it."""
    expected = example("response_minimal")
    answer = handler(example("request_minimal"), None)
    assert expected.keys() <= answer.keys()
    assert (answer["status"], answer["content_type"]) == (expected["status"], expected["content_type"])
    assert Image.open(io.BytesIO(base64.b64decode(str(answer["data"])))).size == (720, 500)


def test_data_beyond_the_limit_is_left_out(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    size: Any = handler(example("request_minimal"), None)["size"]
    monkeypatch.setattr(handler_module, "SETTINGS", Settings(max_data_bytes=size))
    assert "data" in handler(example("request_minimal"), None)
    monkeypatch.setattr(handler_module, "SETTINGS", Settings(max_data_bytes=size - 1))
    answer = handler(example("request_minimal"), None)
    assert answer.keys() == example("response_too_large_to_carry").keys()
    assert bucket.head_object(Bucket="photos", Key=answer["key"])["ContentLength"] == answer["size"] == size


def test_the_largest_answer_fits_into_lambdas_limit(bucket: Any) -> None:
    """Data of the default limit and the longest keys make less than 6 MiB of JSON."""
    key = "photo/" + "/".join(["я" * 100] * 5)
    raw = encode(Image.frombytes("RGB", (1208, 1208), os.urandom(1208 * 1208 * 3)), "PNG", compress_level=0)
    bucket.put_object(Bucket="photos", Key=key, Body=raw)
    answer = handler(example("request_minimal") | {"src_key": key, "width": 1208}, None)
    assert answer["status"], answer.get("error")
    assert 4_300_000 < int(str(answer["size"])) <= Settings().max_data_bytes
    assert len(json.dumps(answer)) < 6 * 1024 * 1024


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"src_key": "photo/none.jpg"}, "missing"),
        ({"src_key": "photo/text.jpg"}, "unsupported"),
        ({"src_key": "photo/half.jpg"}, "corrupt"),
        ({"src_key": "photo/large.jpg"}, "too_large"),
        ({"src_bucket": "nobody-made-this"}, "storage"),
        ({"width": 0}, "invalid"),
    ],
)
def test_a_failure_is_an_answer_of_the_contract_and_writes_nothing(
    bucket: Any, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], kind: str
) -> None:
    whole = bucket.get_object(Bucket="photos", Key="photo/a/b.jpg")["Body"].read()
    for key, body in {"text": b"no photo", "half": whole[: len(whole) // 2], "large": whole + bytes(1)}.items():
        bucket.put_object(Bucket="photos", Key=f"photo/{key}.jpg", Body=body)
    monkeypatch.setattr(handler_module, "SETTINGS", Settings(Limits(max_source_bytes=len(whole))))
    answer = handler(example("request_full") | {"preset_name": f"fails_{kind}"} | change, None)
    assert answer.keys() == example("response_failed").keys()
    assert (answer["status"], answer["kind"]) == (False, kind)
    assert bucket.list_objects_v2(Bucket="photos", Prefix=f"prew/fails_{kind}/")["KeyCount"] == 0


def test_a_missing_photo_is_answered_as_in_the_example(bucket: Any) -> None:
    bucket.delete_object(Bucket="photos", Key="photo/a/b.jpg")
    answer = handler(example("request_full"), None)
    varying = {name: answer[name] for name in ("cold_start", "duration_ms")}
    assert answer == example("response_failed") | varying


def test_the_failing_photo_is_named_in_the_error(bucket: Any) -> None:
    bucket.put_object(Bucket="photos", Key="photo/text.jpg", Body=b"no photo")
    answer = handler(example("request_full") | {"src_key": "photo/text.jpg"}, None)
    assert str(answer["error"]).startswith("photos/photo/text.jpg: not a JPEG")


@pytest.mark.usefixtures("bucket")
def test_success_is_logged_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "lambda_resize"):
        answer = handler(example("request_full"), SimpleNamespace(aws_request_id="an-id"))
    entry = logged(caplog)
    assert (entry["src"], entry["dst"]) == ("photos/photo/a/b.jpg", "photos/prew/card/a/b.jpg")
    assert (entry["aws_request_id"], entry["timings"], entry["size"]) == ("an-id", answer["timings"], answer["size"])
    assert {name: entry[name] for name in ("request_id", "traceparent")}.items() <= example("request_full").items()
    assert {name: entry[name] for name in ("cold_start", "duration_ms", "memory_mb")}.items() <= answer.items()
    assert "data" not in entry


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("bad", ["a b", "x" * 65, "id\nforged", "short", 7, ["a"], {"a": 1}])
def test_an_invalid_id_is_not_logged_and_fails_no_request(caplog: pytest.LogCaptureFixture, bad: object) -> None:
    with caplog.at_level(logging.INFO, "lambda_resize"):
        answer = handler(example("request_full") | {"request_id": bad, "traceparent": bad}, None)
    entry = logged(caplog)
    assert answer["status"]
    assert entry["request_id"] is None
    assert "traceparent" not in entry


@pytest.mark.usefixtures("bucket")
def test_only_a_processs_first_invocation_is_a_cold_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambda_resize.invocation._earlier", itertools.count())
    answers = [handler({}, None), handler(example("request_full"), None), handler({}, None)]
    assert [answer["cold_start"] for answer in answers] == [True, False, False]
    assert [answer["memory_mb"] for answer in answers] == [1769, 1769, 1769]
    made: Any = answers[1]
    assert made["duration_ms"] >= sum(made["timings"].values())


def test_outside_of_lambda_no_memory_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker process of the service has no memory setting and no cost."""
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", raising=False)
    assert "memory_mb" not in handler(example("request_full") | {"width": 0}, None)


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize(("bucket_name", "level"), [("photos", "INFO"), ("nobody-made-this", "ERROR")])
def test_failures_are_logged_by_severity(caplog: pytest.LogCaptureFixture, bucket_name: str, level: str) -> None:
    """A missing photo is routine; a storage failure needs attention."""
    handler(example("request_full") | {"src_key": "photo/none", "src_bucket": bucket_name}, None)
    assert (caplog.records[0].levelname, logged(caplog)["status"]) == (level, False)


def test_further_previews_are_written_and_described(bucket: Any) -> None:
    also = [
        {"preset_name": "thumb", "width": 200},
        {"preset_name": "square", "width": 90, "height": 90, "format": "webp", "cache_control": "max-age=1"},
        {"preset_name": "huge", "width": 10_000, "height": 7000, "fit": "fill", "format": "avif", "enlarge": True},
    ]
    settings = Settings(Limits(max_source_pixels=60_000_000))
    answer: Any = render_batch(parse(example("request_full") | {"also": also}), handler_module._storage(), settings)
    assert list(answer["also"]) == ["thumb", "square", "huge"]
    assert (answer["also"]["huge"]["status"], answer["also"]["huge"]["kind"]) == (False, "too_large")
    assert answer["also"]["huge"]["error"].startswith("huge of photos/photo/a/b.jpg: ")
    for name, size in {"thumb": (200, 139), "square": (90, 90)}.items():
        answered = answer["also"][name]
        stored = bucket.get_object(Bucket="photos", Key=f"prew/{name}/a/b.jpg")
        assert (answered["status"], answered["key"], answered["etag"]) == (True, f"prew/{name}/a/b.jpg", stored["ETag"])
        assert (answered["content_type"], answered["cache_control"]) == (stored["ContentType"], stored["CacheControl"])
        data = stored["Body"].read()
        assert len(data) == answered["size"]
        assert Image.open(io.BytesIO(data)).size == size == (answered["width"], answered["height"])
    answered = example("response_also")
    assert answer["also"]["thumb"].keys() == answered["hero"].keys()
    assert answer["also"]["huge"].keys() == answered["thumb"].keys()
    used = {"cold_start", "duration_ms", "memory_mb"}  # the handler's own fields
    assert answer.keys() == example("response_full").keys() - used | {"also"}


@pytest.mark.usefixtures("bucket")
def test_further_previews_that_cannot_be_written_fail_alone() -> None:
    storage = handler_module._storage()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(storage), "write", _failing_for("thumb", type(storage).write))
        answer = handler(example("request_full") | {"also": [{"preset_name": "thumb", "width": 200}]}, None)
    also: Any = answer["also"]
    assert answer["status"]
    assert (also["thumb"]["status"], also["thumb"]["kind"]) == (False, "storage")


def _failing_for(name: str, write: Any) -> Any:
    def failing(storage: Storage, bucket: str, key: str, data: bytes, **headers: Any) -> str:
        if f"/{name}/" in key:
            raise StorageFailed("gone")
        return str(write(storage, bucket, key, data, **headers))

    return failing


@pytest.mark.parametrize("acl", [None, "public-read"])
def test_a_placeholder_is_answered_and_stored(bucket: Any, monkeypatch: pytest.MonkeyPatch, acl: str | None) -> None:
    storage = Storage.from_environment(os.environ, object_acl=acl)
    monkeypatch.setattr(handler_module, "_storage", cache(lambda: storage))
    also = [{"preset_name": "thumb", "width": 200}]
    answer: Any = handler(example("request_full") | {"thumbhash": True, "also": also}, None)
    assert 20 <= len(base64.b64decode(answer["thumbhash"])) <= 30
    for name in ("card", "thumb"):
        head = bucket.head_object(Bucket="photos", Key=f"prew/{name}/a/b.jpg")
        assert head["Metadata"]["thumbhash"] == answer["thumbhash"]


@pytest.mark.usefixtures("bucket")
def test_the_time_limit_is_at_most_what_lambda_leaves() -> None:
    """The work must end first, since a sandbox that Lambda ends gives no answer."""
    hurried = SimpleNamespace(aws_request_id="an-id", get_remaining_time_in_millis=lambda: 900)
    easy = SimpleNamespace(aws_request_id="an-id", get_remaining_time_in_millis=lambda: 29_000)
    assert handler_module._limits(hurried).max_seconds == handler_module.MIN_SECONDS
    assert handler_module._limits(easy).max_seconds == handler_module.SETTINGS.limits.max_seconds
    assert handler_module._limits(easy).ends_at - time.monotonic() > 20
    assert handler(example("request_full"), easy)["status"]


class Panic(BaseException):
    """Like a Rust panic in Python, which is not an `Exception`."""


@pytest.mark.parametrize("failure", [RuntimeError("a secret"), MemoryError(), Panic("a secret")])
def test_an_unexpected_error_is_internal(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failure: BaseException
) -> None:
    monkeypatch.setattr(handler_module, "_storage", _raising(failure))
    answer = handler(example("request_full"), None)
    answered = {"status": False, "error": type(failure).__name__, "kind": "internal"}
    assert {name: answer[name] for name in answer if name not in {"cold_start", "duration_ms"}} == answered
    assert caplog.records[0].levelname == "ERROR"
    assert "Traceback" in logged(caplog)["traceback"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), SystemExit(1)])
def test_a_request_to_exit_is_not_made_an_answer(monkeypatch: pytest.MonkeyPatch, failure: BaseException) -> None:
    monkeypatch.setattr(handler_module, "_storage", _raising(failure))
    with pytest.raises(type(failure)):
        handler(example("request_full"), None)


def _raising(failure: BaseException) -> Any:
    @cache
    def storage() -> None:
        raise failure

    return storage


@pytest.mark.usefixtures("bucket")
def test_a_process_may_fork_after_the_import() -> None:
    """A pool of worker processes imports the function once; each worker creates its own clients and threads."""
    code = (
        "import json, os, sys\n"
        "from lambda_resize.handler import handler\n"
        "event = json.loads(sys.argv[1])\n"
        "children = [os.fork() for _ in range(1)] + [os.fork()]\n"
        "answer = handler(event, None)\n"
        "if 0 in children: os._exit(0 if answer['status'] else 1)\n"
        "print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children], answer['status'])\n"
    )
    argv = [sys.executable, "-c", code, json.dumps(example("request_full"))]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=50)
    assert done.stdout.strip() == "[0, 0] True"


@pytest.mark.usefixtures("bucket")
def test_the_real_runtime_client_loads_it_and_survives_every_event(tmp_path: Path) -> None:
    service = start_lambda(tmp_path, {"resize": "lambda_resize.handler.handler"}, f"--task-root={ROOT}")
    events = [example("request_full"), {"width": 1}, example("request_minimal")]
    invoked = [lambda_client(service).invoke(FunctionName="resize", Payload=json.dumps(event)) for event in events]
    answers = [json.loads(each["Payload"].read()) for each in invoked]
    cold_starts = service.stats()["cold_starts"]
    service.program.stop()
    assert [("FunctionError" in each, answer["status"]) for each, answer in zip(invoked, answers, strict=True)] == [
        (False, True),
        (False, False),
        (False, True),
    ]
    assert answers[0].keys() == example("response_full").keys()
    assert cold_starts == 1
    assert f'"aws_request_id": "{invoked[0]["ResponseMetadata"]["RequestId"]}"' in service.program.log.read_text()
