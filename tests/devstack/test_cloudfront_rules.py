"""The CloudFront emulator's rules: cache key, lifetime, event, accepted answers, hidden headers."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from devstack.cloudfront.cache import SERVER_ERROR_MIN_TTL, Cache, Response, lifetime_s
from devstack.cloudfront.conditional import answered
from devstack.cloudfront.origin_response import MAX_ANSWER_BYTES, InvalidAnswer, applied, event, header_object
from devstack.cloudfront.viewer_request import IN_KEY, FunctionFailed, ViewerRequest
from tests.lambda_resize.edge_event import origin_response

ROOT = Path(__file__).resolve().parents[2]
MISSING = Response(404, "Not Found", (("Content-Type", "text/xml"), ("Content-Length", "4"), ("Via", "1.1 x")), b"gone")
VIA = {"via": [{"key": "Via", "value": "1.1 x"}]}


@pytest.fixture(scope="module", name="viewer")
def _viewer() -> ViewerRequest:
    """The function of infra/viewer.js; a test of the template compares it with the deployed one."""
    return ViewerRequest(ROOT / "infra" / "viewer.js", ("accept",))


@pytest.mark.parametrize(
    ("query", "normalised"),
    [
        ("s=https%3A%2F%2Fa.example%2Fb.png", "s=https%3A%2F%2Fa.example%2Fb.png"),
        ("w=1199&h=0600&s=https://a.example/b.png", "s=https%3A%2F%2Fa.example%2Fb.png&w=1199&h=600"),
        ("s=x&w=-5&h=one", "s=x&w=-5&h=one"),
        ("s=x&w=300&w=600&h=157", "s=x&w=300&w=600&h=157"),
        ("s=x&s=y", "s=x&s=y"),
        ("w=17&h=4", ""),
        ("", ""),
    ],
)
def test_the_key_is_what_the_viewer_request_function_returns(
    viewer: ViewerRequest, query: str, normalised: str
) -> None:
    """The real JavaScript runs."""
    asked = viewer.normalised("/a%20b.jpg", query, {"accept": "image/webp,*/*"})

    assert (asked.uri, asked.querystring, asked.headers) == ("/a%20b.jpg", normalised, (("accept", "image/webp"),))


def test_cloudfront_itself_sorts_nothing(tmp_path: Path) -> None:
    """A function that changes nothing leaves two keys for two orders; the policy only leaves parameters out."""
    (tmp_path / "none.js").write_text("function handler(event) { return event.request; }")
    plain = ViewerRequest(tmp_path / "none.js")

    assert plain.normalised("/", "h=2&x=1&w=1&s=a&s=b").querystring == "h=2&w=1&s=a&s=b"
    assert plain.normalised("/", "s=a&w=1&h=2").key != plain.normalised("/", "w=1&s=a&h=2").key


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-none-match": '"e"'}, 304),
        ({"if-none-match": '"x", W/"e"'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"x"', "if-modified-since": "Mon, 02 Nov 2026 09:00:00 GMT"}, 200),
        ({"if-modified-since": "Mon, 02 Nov 2026 09:00:00 GMT"}, 304),
        ({"if-modified-since": "Sun, 01 Nov 2026 09:00:00 GMT"}, 200),
        ({"if-modified-since": "yesterday"}, 200),
        ({}, 200),
    ],
)
def test_a_viewer_that_has_it_gets_304(headers: dict[str, str], status: int) -> None:
    kept = (("ETag", '"e"'), ("Last-Modified", "Mon, 02 Nov 2026 09:00:00 GMT"), ("Content-Length", "4"))
    made = answered(Response(200, "OK", kept, b"body"), headers)
    missing = Response(404, "Not Found", kept, b"none")

    assert (made.status, made.body) == (status, b"" if status == 304 else b"body")
    assert ("Content-Length" in dict(made.headers)) is (status == 200)
    assert answered(missing, headers) == missing


def test_a_viewer_request_function_that_raises_has_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "broken.js").write_text("function handler(event) { throw new Error('no size'); }")
    with pytest.raises(FunctionFailed, match="no size"):
        ViewerRequest(tmp_path / "broken.js").normalised("/", "s=x")


def test_the_cache_key_is_that_of_the_template() -> None:
    template = (ROOT / "infra" / "edge.yaml").read_text()

    assert re.findall(r"QueryStrings: \[(.*)\]", template) == [", ".join(IN_KEY)]
    assert re.findall(r"(?:Default|Max)TTL: (\d+)", template) == ["86400", "31536000"]
    assert re.findall(r"ErrorCode: (\d+), ErrorCachingMinTTL: (\d+)", template) == [
        (code, str(SERVER_ERROR_MIN_TTL)) for code in ("500", "502", "503", "504")
    ]


@pytest.mark.parametrize(
    ("status", "cache_control", "seconds"),
    [
        (200, "max-age=31536000", 31_536_000),
        (200, "public, max-age=60, s-maxage=5", 5),
        (200, "max-age=999999999", 31_536_000),
        (200, "", 86_400),
        (200, "max-age=0", 0),
        (200, "no-store", 0),
        (200, "private, max-age=60", 0),
        (307, "", 0),
        (308, "max-age=60", 60),
        (404, "", 10),
        (501, "", 1),
        (404, "max-age=60", 60),
        (404, "no-store", 0),
        (502, "no-store", 1),
        (502, "max-age=60", 60),
        (403, "", 0),
        (403, "max-age=3600", 3600),
        (413, "max-age=300", 300),
    ],
)
def test_answers_live_as_long_as_they_say(status: int, cache_control: str, seconds: int) -> None:
    """Within the policy's default and maximum; errors are cached for ten seconds, those of S3 for one."""
    headers = (("Cache-Control", cache_control),) if cache_control else ()

    assert lifetime_s(Response(status, "", headers, b"")) == seconds


def test_the_cache_evicts_expired_and_least_recently_used_responses() -> None:
    clock = [0.0]
    cache = Cache(max_bytes=25, now=lambda: clock[0])
    for key in "abc":
        cache.put(key, Response(200, "OK", (("Cache-Control", "max-age=100"),), b"0123456789"))
        cache.get("a")
    clock[0] = 99.5

    assert [key for key in "abc" if cache.get(key)] == ["a", "c"]
    assert (cache.get("a") or ("", 0))[1] == 99
    clock[0] = 100
    assert cache.get("a") is None
    cache.put("large", Response(200, "OK", (), b"x" * 26))
    assert cache.get("large") is None


def test_the_event_has_the_documented_shape() -> None:
    documented = origin_response({"s": "x"})["Records"][0]["cf"]
    headers = {"Host": "photos.example.org", "X-Amz-Cf-Id": "id=="}
    request = documented["request"] | {"headers": header_object(headers.items())}
    origin = Response(404, "Not Found", (("X-Cache", "HIT"), ("Connection", "keep-alive"), ("ETag", '"e"')), b"")
    made = event("d.example", request, origin)["Records"][0]["cf"]

    assert {name: made[name].keys() for name in made} == {name: documented[name].keys() for name in documented}
    assert made["config"]["requestId"] == "id=="
    assert made["request"]["headers"] == {"host": [{"key": "Host", "value": "photos.example.org"}]}
    assert made["response"]["headers"] == {"etag": [{"key": "ETag", "value": '"e"'}]}
    assert made["response"]["status"] == "404"


def _answer(**fields: Any) -> bytes:
    return json.dumps({"status": "200", "headers": VIA} | fields).encode()


def test_an_answer_replaces_status_headers_and_body_where_it_has_them() -> None:
    encoded = base64.b64encode(b"\xff\xd8").decode()
    headers = VIA | {"content-length": [{"key": "Content-Length", "value": "4"}], "a": [{"value": "1"}]}
    made = applied(_answer(headers=headers, body=encoded, bodyEncoding="base64"), MISSING)
    passed = applied(_answer(status=503, statusDescription="Later"), MISSING)

    assert (made.status, made.body, made.headers) == (200, b"\xff\xd8", (("Via", "1.1 x"), ("a", "1")))
    assert (passed.status, passed.reason, passed.body) == (503, "Later", b"gone")
    assert applied(_answer(body="é"), MISSING).body == "é".encode()


def test_the_size_limit_counts_the_encoded_answer() -> None:
    largest = MAX_ANSWER_BYTES - len(_answer(body=""))

    assert len(applied(_answer(body="x" * largest), MISSING).body) == largest
    with pytest.raises(InvalidAnswer, match="exceeds the maximum size"):
        applied(_answer(body="x" * (largest + 1)), MISSING)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"null", "not an object"),
        (_answer(headers=[]), "not an object"),
        (_answer(status="ok"), "the status 'ok'"),
        (_answer(status="199"), "the status '199'"),
        (_answer(status=None), "the status None"),
        (_answer(headers={}), "read-only header via"),
        (_answer(headers={"via": [{"value": "1.1 me"}]}), "read-only header via"),
        (_answer(headers=VIA | {"transfer-encoding": [{"value": "chunked"}]}), "read-only header transfer-encoding"),
        (_answer(headers=VIA | {"x-cache": [{"value": "HIT"}]}), "disallowed header x-cache"),
        (_answer(headers=VIA | {"x-edge-location": [{"value": "here"}]}), "disallowed header x-edge-location"),
        (_answer(headers=VIA | {"X-A": [{"value": "1"}]}), "the entry X-A"),
        (_answer(headers=VIA | {"a": "1"}), "the entry a"),
        (_answer(headers=VIA | {"a": [{"key": "A"}]}), "without a value"),
        (_answer(headers=VIA | {"a": [{"key": "B", "value": "1"}]}), "differs from the name"),
        (_answer(headers=VIA | {"a": [{"value": "1\r\nSet-Cookie: a=b"}]}), "characters"),
        (_answer(body={"data": ""}), "the body is not a string"),
        (_answer(body="", bodyEncoding="gzip"), "the body is not a string"),
        (_answer(body="%%%%", bodyEncoding="base64"), "not base64"),
    ],
)
def test_an_invalid_answer_is_refused_with_the_reason(answer: bytes, why: str) -> None:
    with pytest.raises(InvalidAnswer, match=re.escape(why)):
        applied(answer, MISSING)
