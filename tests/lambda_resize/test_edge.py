"""The edge function: CloudFront's events in, responses that CloudFront accepts out."""

from __future__ import annotations

import base64
import copy
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.images.quality import similarity
from lambda_resize import scaling
from lambda_resize.edge import rendering
from lambda_resize.edge.answer import response_bytes
from lambda_resize.edge.errors import (
    BadQuery,
    EdgeError,
    Refused,
    SourceFailed,
    SourceMissing,
    SourceSlow,
    TooMuch,
    TooSlow,
)
from lambda_resize.edge.fetch import Network, Source, fetch
from lambda_resize.edge.handler import respond
from lambda_resize.edge.settings import EdgeSettings
from lambda_resize.errors import ResizeError
from lambda_resize.geometry import Size
from lambda_resize.preview import Preview
from lambda_resize.resize import resize_many
from lambda_resize.settings import Limits
from lambda_resize.sources import Photo
from prewmanager_presets import Spec
from tests.lambda_resize.edge_event import DISTRIBUTION, ImageHost, origin_response, reply
from tests.lambda_resize.hostile import heifs, rasters
from tests.lambda_resize.pictures import encode, noise

IMAGES = Path(__file__).parent / "edge_images"
URL = "https://images.example.com/page.png"
SETTINGS = EdgeSettings(allowed_hosts=("images.example.com",))
# docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/edge-function-restrictions-all.html
READ_ONLY = ("transfer-encoding", "via")

Fetch = Callable[[str, float], Source]


def _never(url: str, _end: float) -> Source:
    raise AssertionError(f"{url} was fetched")


def _source(_url: str, _end: float) -> Source:
    return Source((IMAGES / "source.png").read_bytes())


def _fetching(data: bytes) -> Fetch:
    return _returning(Source(data))


def _returning(source: Source) -> Fetch:
    return lambda _url, _end: source


def _failing(error: Exception) -> Fetch:
    def fail(_url: str, _end: float) -> Source:
        raise error

    return fail


def _header(response: dict[str, Any], name: str) -> str:
    (header,) = response["headers"][name]
    return str(header["value"])


def _opened(response: dict[str, Any]) -> Image.Image:
    assert response["bodyEncoding"] == "base64"
    return Image.open(io.BytesIO(base64.b64decode(response["body"])))


def _noise(width: int, height: int, file_format: str = "PNG") -> bytes:
    return encode(noise(width, height), file_format)


@pytest.mark.parametrize(
    "event",
    [
        origin_response({"s": URL}, status="200"),
        origin_response({"s": URL}, status="206"),
        origin_response({"s": URL}, status="304"),
        origin_response({}, status="404"),
        origin_response({"w": "10", "h": "10"}, status="503"),
        origin_response({"s": URL}, method="POST"),
    ],
)
def test_successful_responses_requests_without_s_and_other_methods_pass_unchanged(event: dict[str, Any]) -> None:
    before = copy.deepcopy(event)

    assert respond(event, SETTINGS, _never) == before["Records"][0]["cf"]["response"]


@pytest.mark.parametrize(
    ("status", "seconds"),
    [("403", 31536000), ("404", 31536000), ("410", 31536000), ("429", 30), ("500", 30), ("503", 30)],
)
def test_an_error_of_the_origin_is_replaced_by_the_image_for_as_long_as_it_may_last(status: str, seconds: int) -> None:
    response = respond(origin_response({"s": URL}, status=status), SETTINGS, _source)

    assert (response["status"], response["statusDescription"]) == ("200", "OK")
    assert response["headers"]["content-type"] == [{"key": "Content-Type", "value": "image/png"}]
    assert response["headers"]["cache-control"] == [{"key": "Cache-Control", "value": f"max-age={seconds}"}]
    assert _opened(response).size == (1200, 627)


def test_the_origin_may_be_s3_which_is_asked_by_cloudfront_itself() -> None:
    """An event of another shape: `s3` in place of `custom`, and headers of S3, as AWS documents them."""
    event = origin_response({"s": URL}, status="403")
    cf = event["Records"][0]["cf"]
    s3 = {"authMethod": "origin-access-identity", "customHeaders": {}, "path": "/original", "region": "us-east-1"}
    cf["request"]["origin"] = {"s3": s3 | {"domainName": "d123.s3.amazonaws.com"}}
    cf["request"]["headers"] = {"x-amz-cf-id": [{"key": "X-Amz-Cf-Id", "value": "none"}]}
    cf["response"]["headers"] = {
        "x-amz-request-id": [{"key": "x-amz-request-id", "value": "1"}],
        "x-amz-delete-marker": [{"key": "x-amz-delete-marker", "value": "true"}],
    }
    response = respond(event, SETTINGS, _source)

    assert response["status"] == "200"
    assert "x-amz-request-id" in response["headers"]
    assert "x-amz-delete-marker" not in response["headers"]


def test_the_image_is_that_of_sharp() -> None:
    """As of sharp 0.35 with `fit: 'contain'` on white, compared by structural similarity."""
    event = origin_response({"s": URL, "w": "400", "h": "209"})
    made = _opened(respond(event, SETTINGS, _source)).convert("RGB")
    expected = Image.open(IMAGES / "sharp-contain-400x209.png").convert("RGB")

    assert made.size == expected.size
    assert similarity(*(np.asarray(each.convert("L"), float) for each in (made, expected))) > 0.98
    assert made.getpixel((0, 0)) == made.getpixel((399, 208)) == (255, 255, 255)


def test_only_writable_headers_differ() -> None:
    event = origin_response({"s": URL})
    before = copy.deepcopy(event["Records"][0]["cf"]["response"]["headers"])
    after = respond(event, SETTINGS, _source)["headers"]

    assert all(after[name] == before[name] for name in READ_ONLY)
    assert "content-length" not in after
    assert after.keys() - before.keys() == {"cache-control", "last-modified", "x-content-type-options"}
    assert after["etag"] != before["etag"]
    assert all(each["key"].lower() == name for name, values in after.items() for each in values)


@pytest.mark.parametrize(
    ("file_format", "kind"), [("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("GIF", "image/png")]
)
def test_the_type_is_that_of_what_is_made(file_format: str, kind: str) -> None:
    response = respond(
        origin_response({"s": URL, "w": "90", "h": "90"}), SETTINGS, _fetching(_noise(60, 40, file_format))
    )

    assert _header(response, "content-type") == kind
    assert Image.MIME[str(_opened(response).format)] == kind


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
def test_quality_is_lowered_until_the_answer_fits(file_format: str) -> None:
    settings = EdgeSettings(allowed_hosts=("images.example.com",), max_answer_bytes=700_000)
    event = origin_response({"s": URL, "w": "1000", "h": "900"})
    response = respond(event, settings, _fetching(_noise(1000, 900, file_format)))

    assert response["status"] == "200"
    assert response_bytes(response) <= 700_000
    assert _opened(response).size == (1000, 900)
    assert _header(response, "content-type") == "image/jpeg"


def test_an_image_that_fits_at_no_quality_is_413() -> None:
    """CloudFront would turn an answer above the limit into a 502."""
    settings = EdgeSettings(allowed_hosts=("images.example.com",), max_answer_bytes=50_000)
    response = respond(origin_response({"s": URL, "w": "1000", "h": "900"}), settings, _fetching(_noise(1000, 900)))

    assert response["status"] == "413"
    assert response_bytes(response) < 2000


@pytest.mark.fault("photo-costly")
def test_all_qualities_together_have_one_decoding_and_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda@Edge ends the function after 30 seconds, fetch included."""
    decoded: list[scaling.Decoded] = []
    limits: list[Limits] = []
    decode = scaling.decode

    def counted(photo: Photo, scaled: Size) -> scaling.Decoded:
        decoded.append(decode(photo, scaled))
        return decoded[-1]

    def recorded(data: bytes, specs: Sequence[Spec], given: Limits) -> Iterator[Preview | ResizeError]:
        limits.append(given)
        return resize_many(data, specs, given)

    monkeypatch.setattr(scaling, "decode", counted)
    monkeypatch.setattr(rendering, "resize_many", recorded)
    settings = EdgeSettings(allowed_hosts=("images.example.com",), max_answer_bytes=50_000, total_timeout_s=12)
    response = respond(origin_response({"s": URL, "w": "900", "h": "900"}), settings, _fetching(_noise(900, 900)))

    assert response["status"] == "413"
    assert len(decoded) == 1
    assert len(limits) == 1
    assert 0 < limits[0].max_seconds <= 12


@pytest.mark.fault("photo-costly")
@pytest.mark.fault("photo-ambiguous")
@pytest.mark.parametrize(
    ("attack", "status"),
    [
        (partial(heifs.small_grid_of_large_tiles, 4096, 4), "413"),
        (partial(rasters.jpeg_scans, 7000, 7000, 5000), "413"),
        (partial(heifs.contradiction, "iref"), "422"),
    ],
)
def test_a_costly_image_is_refused(attack: Callable[[], bytes], status: str) -> None:
    assert _problem({"s": URL}, _fetching(attack()), undecodable="problem")["status"] == status


def _problem(query: dict[str, str] | str, fetch_image: Fetch = _never, **options: Any) -> dict[str, Any]:
    response = respond(origin_response(query), replace(SETTINGS, **options), fetch_image)
    assert response["bodyEncoding"] == "text"
    assert _header(response, "content-type") == "application/problem+json"
    assert json.loads(response["body"])["status"] == int(response["status"])
    return response


@pytest.mark.parametrize(
    "query",
    [
        {"s": URL, "w": "0"},
        {"s": URL, "w": "2401"},
        {"s": URL, "h": "-1"},
        {"s": URL, "h": "6e2"},
        {"s": URL, "w": "٣٠٠"},
        {"s": URL, "w": "999999999999"},
        f"s={URL}&s={URL}",
        f"s={URL}&w=1&w=2",
        "s=%ff%fe",
        "s=none",
        {"s": "https://images.example.com/" + "a" * 8192},
        {"s": "https://images.example.com/\r\nHost: evil.test"},
    ],
)
def test_an_invalid_query_is_400_and_fetches_nothing(query: dict[str, str] | str) -> None:
    assert _problem(query)["status"] == "400"


def test_empty_sizes_mean_the_defaults() -> None:
    """A form sends `w=&h=` for fields left empty."""
    event = origin_response(f"s={URL}&w=&h=100")

    assert _opened(respond(event, SETTINGS, _fetching(_noise(10, 10)))).size == (1200, 100)


def test_the_distribution_itself_is_refused() -> None:
    """A request to it would invoke this function again, without end."""
    assert _problem({"s": f"https://{DISTRIBUTION}/x.jpg?s=1"})["status"] == "403"


def _passed(response: dict[str, Any]) -> bool:
    """Whether the origin's answer passes: its status and headers, and no body of ours."""
    origin = origin_response()["Records"][0]["cf"]["response"]
    added = {"x-resize-error", "cache-control"}
    headers = {name: value for name, value in response["headers"].items() if name not in added}
    return "body" not in response and response["status"] == origin["status"] and headers == origin["headers"]


@pytest.mark.fault("edge-host-fails")
@pytest.mark.parametrize(
    ("error", "status", "seconds"),
    [
        (BadQuery("w"), 400, 60),
        (Refused("host"), 403, 60),
        (SourceMissing("404"), None, 60),
        (SourceFailed("500"), None, 10),
        (TooMuch("bytes"), 413, 60),
        (SourceSlow("host"), 504, 10),
        (TooSlow("pixels"), 504, 60),
    ],
)
def test_a_failure_has_a_short_life_and_a_reason(error: EdgeError, status: int | None, seconds: int) -> None:
    response = respond(origin_response({"s": URL}), SETTINGS, _failing(error))

    assert _header(response, "cache-control") == f"max-age={seconds}"
    assert _header(response, "x-resize-error") == error.reason
    assert response["status"] == str(status or 404)
    assert _passed(response) is (status is None)


@pytest.mark.parametrize("data", [b"", b"<html></html>", _noise(100, 100)[:3000]])
def test_what_is_no_image_is_the_origins_answer_a_picture_or_422(data: bytes) -> None:
    passed, picture, problem = (
        respond(origin_response({"s": URL, "w": "300"}), replace(SETTINGS, undecodable=choice), _fetching(data))
        for choice in ("origin", "picture", "problem")
    )

    assert _passed(passed)
    assert (picture["status"], _opened(picture).size) == ("200", (300, 627))
    assert (problem["status"], json.loads(problem["body"])["title"]) == ("422", "Unprocessable image")
    for response in (passed, picture, problem):
        assert _header(response, "cache-control") == "max-age=60"
        assert _header(response, "x-resize-error") == "not-an-image"


@pytest.mark.fault("photo-slow")
def test_an_image_that_is_too_slow_is_504_and_cached_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Limits, "max_seconds", 0.0)
    response = _problem({"s": URL}, _fetching(_noise(900, 900)))

    assert response["status"] == "504"
    assert _header(response, "cache-control") == "max-age=60"


def test_too_many_pixels_are_413() -> None:
    assert _problem({"s": URL}, _fetching(encode(Image.new("L", (9000, 9000)), "PNG")))["status"] == "413"


def test_an_unexpected_error_passes_the_origins_answer_without_its_text() -> None:
    response = respond(origin_response({"s": URL}), SETTINGS, _failing(RuntimeError("secret detail")))

    assert _passed(response)
    assert "secret" not in json.dumps(response)
    assert _header(response, "x-resize-error") == "internal"


def test_an_answer_that_passes_for_a_failure_has_nothing_of_its_former_life() -> None:
    """Not what other caches would keep it by, and no cookie: the origin may have said that it is not to be kept."""
    event = origin_response({"s": URL})
    gone = {
        "expires": "0",
        "pragma": "no-cache",
        "age": "99999",
        "cdn-cache-control": "max-age=31536000",
        "surrogate-control": "max-age=31536000",
        "set-cookie": "session=1",
    }
    headers = event["Records"][0]["cf"]["response"]["headers"]
    headers |= {name: [{"key": name, "value": value}] for name, value in gone.items()}
    headers["cache-control"] = [{"key": "cache-control", "value": value} for value in ("no-store", "private")]
    response = respond(event, SETTINGS, _failing(SourceMissing("404")))

    assert _passed(response)
    assert gone.keys().isdisjoint(response["headers"])
    assert [each["value"] for each in response["headers"]["cache-control"]] == ["max-age=60"]
    assert _header(response, "etag") == '"of-the-error-page"'


@pytest.mark.parametrize("status", ["204", "301", "302"])
@pytest.mark.parametrize("directives", ["", "public", "must-revalidate, public", "max-age", "immutable"])
def test_directives_that_say_not_how_long_leave_a_redirect_a_minute(status: str, directives: str) -> None:
    """CloudFront would keep it for a day."""
    event = origin_response({"s": URL}, status=status)
    event["Records"][0]["cf"]["response"]["headers"]["cache-control"] = [{"key": "Cache-Control", "value": directives}]

    assert _header(respond(event, SETTINGS, _source), "cache-control") == "max-age=60"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"cache-control": "max-age=5"},
        {"cache-control": "public,S-MaxAge = 5"},
        {"cache-control": "public, no-store"},
        {"cache-control": "Private"},
        {"cache-control": 'no-cache="set-cookie"'},
        {"expires": "0"},
    ],
)
def test_every_status_of_the_origin_has_a_life_that_fits_it(headers: dict[str, str]) -> None:
    """The origin answers each status in turn; nothing that passes by itself is kept for long."""
    for status in range(200, 512):
        event = origin_response({"s": URL, "w": "40", "h": "20"}, status=str(status))
        origin = event["Records"][0]["cf"]["response"]
        origin["headers"] |= {name: [{"key": name, "value": value}] for name, value in headers.items()}
        response = respond(copy.deepcopy(event), SETTINGS, _source)

        if status in {403, 404, 410, 429} or status >= 500:
            seconds = 31_536_000 if status in {403, 404, 410} else 30
            assert (response["status"], _opened(response).size) == ("200", (40, 20)), status
            assert _header(response, "cache-control") == f"max-age={seconds}", status
        elif status < 400 and status not in {200, 206, 304, 307, 308} and not headers:
            assert _header(response, "cache-control") == "max-age=60", status
            assert response == origin | {"headers": response["headers"]}, status
        else:
            assert response == origin, status


@pytest.mark.parametrize("source", [(640, 480), (480, 640)])
def test_a_square_is_exact_and_white_where_the_image_is_not(source: tuple[int, int]) -> None:
    image = encode(Image.new("RGB", source, (10, 90, 200)), "PNG")
    made = _opened(respond(origin_response({"s": URL, "w": "300", "h": "300"}), SETTINGS, _fetching(image)))
    pixels = np.asarray(made.convert("RGB")).astype(int)
    across = pixels if source[0] > source[1] else pixels.transpose(1, 0, 2)

    assert made.size == (300, 300)
    assert (across[:37] == 255).all()
    assert (across[-37:] == 255).all()
    assert np.abs(across[38:-38] - (10, 90, 200)).max() <= 2


@pytest.mark.parametrize(
    ("options", "query", "size"),
    [
        ({}, {}, (1200, 627)),
        ({}, {"w": "300"}, (300, 627)),
        ({}, {"h": "300"}, (1200, 300)),
        ({}, {"w": "0300", "h": "%33%30%30"}, (300, 300)),
        ({"missing_side": "proportional"}, {}, (1200, 627)),
        ({"missing_side": "proportional"}, {"w": "320"}, (320, 240)),
        ({"missing_side": "proportional"}, {"h": "240"}, (320, 240)),
        ({"missing_side": "proportional", "max_height": 700}, {"w": "2400"}, (933, 700)),
        ({"fit": "cover"}, {"w": "300", "h": "300"}, (300, 300)),
        ({"fit": "inside"}, {"w": "300", "h": "300"}, (300, 225)),
        ({"sizes": ("300x300",)}, {"w": "300", "h": "300"}, (300, 300)),
        ({"sizes": ("300x300",)}, {}, (1200, 627)),
        ({"sizes": ("320x",), "missing_side": "proportional"}, {"w": "320"}, (320, 240)),
    ],
)
def test_sizes_are_what_is_asked(options: dict[str, Any], query: dict[str, str], size: tuple[int, int]) -> None:
    event = origin_response("&".join([f"s={URL}", *(f"{name}={value}" for name, value in query.items())]))
    response = respond(event, replace(SETTINGS, **options), _fetching(encode(Image.new("RGB", (640, 480)), "JPEG")))

    assert _opened(response).size == size


def test_a_size_that_is_not_on_the_list_is_400_and_names_the_list() -> None:
    response = _problem({"s": URL, "w": "301", "h": "300"}, sizes=("300x300", "600x314"))

    assert response["status"] == "400"
    assert json.loads(response["body"])["detail"] == "w, h: 301x300 is not one of 1200x627, 300x300, 600x314"


def test_the_headers_of_the_replaced_body_go_and_the_others_stay() -> None:
    event = origin_response({"s": URL})
    gone = {
        "set-cookie": "a=b",
        "location": "/x",
        "digest": "sha-256=x",
        "content-digest": "sha-256=:x:",
        "x-amz-checksum-crc32": "x",
        "x-goog-hash": "md5=x",
        "x-resize-error": "of another resizer",
        "clear-site-data": '"cache"',
        "x-amz-meta-title": "x",
        "content-encoding": "gzip",
        "expires": "0",
    }
    kept = {"access-control-allow-origin": "*", "x-amz-request-id": "1", "vary": "Origin"}
    headers = event["Records"][0]["cf"]["response"]["headers"]
    headers |= {name: [{"key": name, "value": value}] for name, value in (gone | kept).items()}
    after = respond(event, replace(SETTINGS, formats=("webp",)), _source)["headers"]

    assert gone.keys().isdisjoint(after)
    assert kept.keys() <= after.keys()
    assert after["vary"][0]["value"] == "Origin, Accept"


def test_the_same_image_has_the_same_etag_and_its_hosts_date() -> None:
    event = origin_response({"s": URL, "w": "40"})
    date = "Mon, 02 Nov 2026 09:00:00 GMT"
    first, again, other = (
        respond(event, SETTINGS, _returning(each))
        for each in (Source(_noise(60, 40), date), Source(_noise(60, 40), "yesterday"), Source(_noise(60, 41), date))
    )

    assert _header(first, "etag") == _header(again, "etag") != _header(other, "etag")
    assert _header(first, "last-modified") == date
    assert _header(again, "last-modified").endswith(" GMT")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("image/avif", "image/avif"),
        ("image/avif,image/webp,*/*;q=0.8", "image/avif"),
        ("image/avif;q=0, image/WEBP", "image/webp"),
        ("*/*", "image/jpeg"),
        (None, "image/jpeg"),
    ],
)
def test_formats_are_chosen_by_accept_where_that_is_set(accept: str | None, kind: str) -> None:
    event = origin_response({"s": URL, "w": "40", "h": "40"})
    if accept:
        event["Records"][0]["cf"]["request"]["headers"]["accept"] = [{"key": "Accept", "value": accept}]
    chosen = respond(event, replace(SETTINGS, formats=("avif", "webp")), _fetching(_noise(60, 40, "JPEG")))
    own = respond(event, SETTINGS, _fetching(_noise(60, 40, "JPEG")))

    assert (_header(chosen, "content-type"), _header(own, "content-type")) == (kind, "image/jpeg")
    assert _header(chosen, "vary") == "Accept"
    assert "vary" not in own["headers"]


def test_a_signed_url_is_not_logged_whole(caplog: pytest.LogCaptureFixture) -> None:
    signed = f"{URL}?X-Amz-Credential=AKIAEXAMPLE&X-Amz-Signature=0123456789abcdef"
    for fetch_image in (_source, _failing(SourceMissing("404"))):
        respond(origin_response({"s": signed}), SETTINGS, fetch_image)
    respond(origin_response({"s": signed.replace("images", "elsewhere")}), SETTINGS, _through(SETTINGS))

    assert len(caplog.records) == 3
    assert "page.png" in caplog.text
    assert "AKIAEXAMPLE" not in caplog.text
    assert "0123456789abcdef" not in caplog.text


def _through(settings: EdgeSettings) -> Fetch:
    """A fetch that connects nowhere, since its host is refused."""
    return lambda url, end: fetch(url, settings, Network(lambda _host, _port: []), end)


def test_an_image_of_another_host_is_fetched_through_a_redirect_and_resized() -> None:
    with ImageHost() as host:
        host.replies = {
            "/page": reply(302, Location="/page.jpg"),
            "/page.jpg": reply(body=_noise(640, 480, "JPEG"), Content_Type="image/jpeg"),
        }
        settings = host.settings()
        event = origin_response({"s": host.url("/page")})
        response = respond(event, settings, lambda url, end: fetch(url, settings, host.network, end))

    picture = _opened(response)
    assert (picture.format, picture.size) == ("JPEG", (1200, 627))
    assert picture.getpixel((5, 300)) == (255, 255, 255)
