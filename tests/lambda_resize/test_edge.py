"""The edge function: CloudFront's events in, responses that CloudFront accepts out."""

from __future__ import annotations

import base64
import copy
import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.images.quality import similarity
from lambda_resize.edge import answer
from lambda_resize.edge.answer import response_bytes
from lambda_resize.edge.errors import SourceMissing
from lambda_resize.edge.fetch import fetch
from lambda_resize.edge.handler import respond
from lambda_resize.edge.settings import EdgeSettings
from lambda_resize.resize import Preview, resize
from lambda_resize.settings import Limits
from prewmanager_presets import Spec
from tests.lambda_resize.edge_event import DISTRIBUTION, ImageHost, origin_response, reply
from tests.lambda_resize.hostile import heifs, rasters
from tests.lambda_resize.pictures import encode, noise

IMAGES = Path(__file__).parent / "edge_images"
URL = "https://images.example.com/page.png"
SETTINGS = EdgeSettings(allowed_hosts=("images.example.com",))
# docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/edge-function-restrictions-all.html
READ_ONLY = ("transfer-encoding", "via")

Fetch = Callable[[str], bytes]


def _never(url: str) -> bytes:
    raise AssertionError(f"{url} was fetched")


def _source(_url: str) -> bytes:
    return (IMAGES / "source.png").read_bytes()


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


@pytest.mark.parametrize("status", ["403", "404", "410", "500", "503"])
def test_an_error_of_the_origin_is_replaced_by_the_image(status: str) -> None:
    response = respond(origin_response({"s": URL}, status=status), SETTINGS, _source)

    assert (response["status"], response["statusDescription"]) == ("200", "OK")
    assert response["headers"]["content-type"] == [{"key": "Content-Type", "value": "image/png"}]
    assert response["headers"]["cache-control"] == [{"key": "Cache-Control", "value": "max-age=31536000"}]
    assert _opened(response).size == (1200, 627)


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
    assert {"content-length", "etag"}.isdisjoint(after)
    assert after.keys() - before.keys() == {"cache-control", "x-content-type-options"}
    assert all(each["key"].lower() == name for name, values in after.items() for each in values)


@pytest.mark.parametrize(
    ("file_format", "kind"), [("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("GIF", "image/png")]
)
def test_the_type_is_that_of_what_is_made(file_format: str, kind: str) -> None:
    response = respond(
        origin_response({"s": URL, "w": "90", "h": "90"}), SETTINGS, lambda _: _noise(60, 40, file_format)
    )

    assert _header(response, "content-type") == kind
    assert Image.MIME[str(_opened(response).format)] == kind


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
def test_quality_is_lowered_until_the_answer_fits(file_format: str) -> None:
    settings = EdgeSettings(allowed_hosts=("images.example.com",), max_answer_bytes=700_000)
    event = origin_response({"s": URL, "w": "1000", "h": "900"})
    response = respond(event, settings, lambda _: _noise(1000, 900, file_format))

    assert response["status"] == "200"
    assert response_bytes(response) <= 700_000
    assert _opened(response).size == (1000, 900)
    assert _header(response, "content-type") == "image/jpeg"


def test_an_image_that_fits_at_no_quality_is_413() -> None:
    """CloudFront would turn an answer above the limit into a 502."""
    settings = EdgeSettings(allowed_hosts=("images.example.com",), max_answer_bytes=50_000)
    response = respond(origin_response({"s": URL, "w": "1000", "h": "900"}), settings, lambda _: _noise(1000, 900))

    assert response["status"] == "413"
    assert response_bytes(response) < 2000


@pytest.mark.fault("photo-costly")
def test_all_qualities_together_have_the_time_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each decodes the image again, and Lambda@Edge ends the function after 30 seconds."""
    left: list[float] = []

    def recorded(source: bytes, spec: Spec, limits: Limits) -> Preview:
        left.append(limits.max_seconds)
        return resize(source, spec, limits)

    monkeypatch.setattr(answer, "resize", recorded)
    data = _noise(900, 900)
    settings = EdgeSettings(allowed_hosts=("images.example.com",), max_answer_bytes=50_000)
    response = respond(origin_response({"s": URL, "w": "900", "h": "900"}), settings, lambda _: data)
    assert response["status"] == "413"
    assert len(left) == 7
    assert left == sorted(set(left), reverse=True)
    assert left[0] <= Limits.max_seconds


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
    assert _problem({"s": URL}, lambda _: attack())["status"] == status


def _problem(query: dict[str, str] | str, fetch_image: Fetch = _never) -> dict[str, Any]:
    response = respond(origin_response(query), SETTINGS, fetch_image)
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
        "&".join(f"x{number}=1" for number in range(30)) + f"&s={URL}",
    ],
)
def test_an_invalid_query_is_400_and_fetches_nothing(query: dict[str, str] | str) -> None:
    assert _problem(query)["status"] == "400"


def test_empty_sizes_mean_the_defaults() -> None:
    """A form sends `w=&h=` for fields left empty."""
    event = origin_response(f"s={URL}&w=&h=100")

    assert _opened(respond(event, SETTINGS, lambda _: _noise(10, 10))).size == (1200, 100)


def test_the_distribution_itself_is_refused() -> None:
    """A request to it would invoke this function again, without end."""
    assert _problem({"s": f"https://{DISTRIBUTION}/x.jpg?s=1"})["status"] == "403"


def test_a_missing_image_is_404_and_cached_briefly() -> None:
    def missing(_url: str) -> bytes:
        raise SourceMissing("404")

    response = _problem({"s": URL}, missing)

    assert response["status"] == "404"
    assert _header(response, "cache-control") == "max-age=60"


@pytest.mark.parametrize("data", [b"", b"<html></html>", _noise(100, 100)[:3000]])
def test_what_is_no_image_is_422(data: bytes) -> None:
    assert _problem({"s": URL}, lambda _: data)["status"] == "422"


@pytest.mark.fault("photo-slow")
def test_an_image_that_is_too_slow_is_504_and_cached_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "Limits", lambda **limits: Limits(max_seconds=0.0, **limits))
    response = _problem({"s": URL}, lambda _: _noise(900, 900))

    assert response["status"] == "504"
    assert _header(response, "cache-control") == "max-age=60"


def test_too_many_pixels_are_413() -> None:
    assert _problem({"s": URL}, lambda _: encode(Image.new("L", (9000, 9000)), "PNG"))["status"] == "413"


def test_an_unexpected_error_is_answered_without_its_text() -> None:
    def broken(_url: str) -> bytes:
        raise RuntimeError("secret detail")

    response = _problem({"s": URL}, broken)

    assert response["status"] == "502"
    assert "secret" not in json.dumps(response)
    assert _header(response, "cache-control") == "no-store"


def test_an_image_of_another_host_is_fetched_through_a_redirect_and_resized() -> None:
    with ImageHost() as host:
        host.replies = {
            "/page": reply(302, Location="/page.jpg"),
            "/page.jpg": reply(body=_noise(640, 480, "JPEG"), Content_Type="image/jpeg"),
        }
        settings = host.settings()
        event = origin_response({"s": host.url("/page")})
        response = respond(event, settings, lambda url: fetch(url, settings, host.network))

    picture = _opened(response)
    assert (picture.format, picture.size) == ("JPEG", (1200, 627))
    assert picture.getpixel((5, 300)) == (255, 255, 255)
