"""A missing preview is made once, stored, and served by S3 from then on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import pyvips

from devstack.backends import S3, Redis
from devstack.lambda_server import Lambda, lambda_client, start_lambda
from tests.support.asking import lazily, strictly
from tests.support.site import FUNCTION, PRESETS, Site

EXAMPLES = Path(__file__).resolve().parents[1] / "contract_examples"
NAMES = [
    "plain.jpg",
    "with some spaces.jpg",
    "plus+plus.jpg",
    "a++b+.jpg",
    "twenty%20percent.jpg",
    "hash%23percent.jpg",
    "hash#hash.jpg",
    "what?.jpg",
    "'single' \"double\".jpg",
    "[brackets] (1) {2}.jpg",
    "amp&equals=at@tilde~star*.jpg",
    "Москва/Красная площадь.jpg",
    "クズ箱/ゴミ.jpg",
    "x" * 196 + ".jpg",
]


def photo(width: int, height: int) -> bytes:
    """A JPEG with some detail in it."""
    noise = pyvips.Image.gaussnoise(width, height, mean=128, sigma=30)
    data: bytes = noise.cast("uchar").bandjoin([noise.cast("uchar"), noise.cast("uchar")]).jpegsave_buffer(Q=85)
    return data


def opened(data: bytes) -> pyvips.Image:
    """An image from its bytes."""
    return pyvips.Image.new_from_buffer(data, "")


def test_made_once_then_served_by_s3(site: Site, function: Lambda) -> None:
    """The first request makes the preview; the second never reaches the service, and has the same bytes and headers."""
    site.put("road/first.jpg", photo(1000, 600))
    before, invocations = site.requests_to_services(), function.stats()["invocations"]
    first = site.get("/prew/card/road/first.jpg")
    second = site.get("/prew/card/road/first.jpg")

    assert (first.status, first.headers["X-Preview"]) == (200, "made")
    assert (second.status, second.headers["X-Preview"]) == (200, None)
    assert first.body == second.body
    assert (opened(first.body).width, opened(first.body).height) == (720, 432)
    for header in ("Content-Type", "Content-Length", "ETag", "Cache-Control"):
        assert first.headers[header] == second.headers[header]
    assert site.requests_to_services() - before == 1
    assert function.stats()["invocations"] - invocations == 1


def test_the_stored_preview_says_what_made_it(site: Site) -> None:
    """Type, Cache-Control and the preset's fingerprint are kept with the object."""
    site.put("road/stored.jpg", photo(900, 900))
    site.get("/prew/square/road/stored.jpg")
    stored = site.stored("prew/square/road/stored.jpg")

    assert stored is not None
    assert stored["ContentType"] == "image/jpeg"
    assert stored["CacheControl"] == "public, max-age=31536000"
    assert len(stored["Metadata"]["preset-fingerprint"]) == 12


def test_a_photo_is_served_as_it_is(site: Site) -> None:
    """`/photo/` is S3's, byte for byte; one that is missing is a 404 with a picture."""
    data = photo(300, 200)
    site.put("road/as-it-is.jpg", data)
    missing = site.get("/photo/road/none.jpg")

    assert site.get("/photo/road/as-it-is.jpg").body == data
    assert missing.status == 404
    assert missing.headers["Content-Type"] == "image/jpeg"
    assert opened(missing.body).width > 0


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_make_the_whole_round(site: Site, function: Lambda, name: str) -> None:
    """However a client spells the name, the preview is made once and then served by S3."""
    site.put(f"odd/{name}", photo(400, 300))
    key = f"prew/thumb/odd/{name}"
    invocations = function.stats()["invocations"]
    first = site.get(strictly(key))
    before = site.requests_to_services()
    again = [site.get(strictly(key)), site.get(lazily(key))]

    assert (first.status, first.headers["X-Preview"]) == (200, "made")
    assert [answer.body for answer in again] == [first.body, first.body]
    assert site.requests_to_services() == before
    assert function.stats()["invocations"] - invocations == 1
    assert site.stored(key) is not None
    assert site.get(strictly(f"photo/odd/{name}")).status == 200


def test_a_preview_of_a_browsers_spelling_is_the_same(site: Site, function: Lambda) -> None:
    """Made through the lazy spelling first, the strict one finds it in S3."""
    site.put("odd/lazy first+(2).jpg", photo(400, 300))
    key = "prew/thumb/odd/lazy first+(2).jpg"
    invocations = function.stats()["invocations"]
    first, second = site.get(lazily(key)), site.get(strictly(key))

    assert first.body == second.body
    assert second.headers["X-Preview"] is None
    assert function.stats()["invocations"] - invocations == 1


def test_head_makes_it_too(site: Site) -> None:
    """HEAD on a missing preview makes it; the headers are those of GET."""
    site.put("road/head.jpg", photo(800, 400))
    head = site.get("/prew/card/road/head.jpg", method="HEAD")
    get = site.get("/prew/card/road/head.jpg")

    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(get.body))
    assert head.headers["ETag"] == get.headers["ETag"]


def test_every_real_photo_in_every_preset(site: Site, real_photos: Path) -> None:
    """Upright, of exactly the size that preset and fit say, and sRGB; the second request is S3's."""
    for path in sorted(real_photos.glob("*.jpg")):
        data = path.read_bytes()
        site.put(f"real/{path.name}", data)
        assert site.get(f"/photo/real/{path.name}").body == data
        upright = opened(data).autorot()
        for preset in ("thumb", "card", "square"):
            first = site.get(f"/prew/{preset}/real/{path.name}")
            before = site.requests_to_services()
            assert site.get(f"/prew/{preset}/real/{path.name}").body == first.body
            assert site.requests_to_services() == before
            made = opened(first.body)
            assert made.interpretation in {"srgb", "b-w"}
            assert "orientation" not in made.get_fields()
            expected = _expected(preset, upright)
            assert (made.width, made.height) == expected, (path.name, preset)
            if preset != "square":
                assert _looks_like(made, upright), (path.name, preset)


def _expected(preset: str, upright: pyvips.Image) -> tuple[int, int]:
    if preset == "square":
        return 320, 320
    width = int(PRESETS[f"PREW_PRESETS__{preset.upper()}__WIDTH"])
    if upright.width <= width:
        return upright.width, upright.height
    return width, round(upright.height * width / upright.width)


def _looks_like(made: pyvips.Image, upright: pyvips.Image) -> bool:
    """Whether both show the same scene the same way up: compared as small grey pictures."""

    def small(image: pyvips.Image) -> pyvips.Image:
        return image.colourspace("srgb").thumbnail_image(32, height=32, size="force").colourspace("b-w").cast("float")

    same = (small(made) - small(upright)).abs().avg()
    turned = (small(made) - small(upright).rot180()).abs().avg()
    return bool(same < 12 and same < turned)


async def test_two_hundred_at_once_are_one_resize(site: Site, function: Lambda) -> None:
    """Two hundred clients over two replicas: one invocation, two hundred equal answers."""
    site.put("road/herd.jpg", photo(1500, 1000))
    invocations = function.stats()["invocations"]
    answers = await site.burst("/prew/card/road/herd.jpg", 200)

    assert {status for status, _, _ in answers} == {200}
    assert len({body for _, _, body in answers}) == 1
    assert [source for _, source, _ in answers].count("made") == 1
    assert function.stats()["invocations"] - invocations == 1


async def test_a_changed_preset_is_a_new_size(
    run_site: Callable[..., Site], redis_server: Redis, function: Lambda
) -> None:
    """With the variable changed, the service restarted and the old previews deleted, the new size is served."""
    with run_site(redis=redis_server, function=function, replicas=2) as site:
        site.put("road/changed.jpg", photo(1200, 900))
        assert opened(site.get("/prew/card/road/changed.jpg").body).width == 720
        site.delete_previews("card")
    settings = {"PREW_PRESETS__CARD__WIDTH": "640"}
    with run_site(redis=redis_server, function=function, replicas=2, settings=settings) as site:
        answers = await site.burst("/prew/card/road/changed.jpg", 200)

        assert {opened(body).width for _, _, body in answers} == {640}
        assert [source for _, source, _ in answers].count("made") == 1
        assert opened(site.get("/prew/card/road/changed.jpg").body).width == 640


def test_a_preview_too_large_to_carry_comes_from_s3(run_site: Callable[..., Site], s3: S3, tmp_path: Path) -> None:
    """What the function leaves out of its answer is streamed from the bucket, to everybody alike."""
    environment = os.environ | s3.aws_environment() | {"RESIZE_MAX_DATA_BYTES": "1000"}
    root = Path(__file__).resolve().parents[2]
    function = start_lambda(
        tmp_path, {FUNCTION: "lambda_resize.handler.handler"}, f"--task-root={root}", env=environment
    )
    with run_site(function=function) as site:
        site.put("road/too-large.jpg", photo(1500, 1000))
        first = site.get("/prew/card/road/too-large.jpg")
        stored = site.stored("prew/card/road/too-large.jpg")
    function.program.stop()

    assert stored is not None
    assert (first.status, first.headers["X-Preview"]) == (200, "made")
    assert first.body == stored["Body"]
    assert first.headers["ETag"] == stored["ETag"]


def test_our_function_takes_the_originals_request(site: Site, function: Lambda) -> None:
    """Driven with only the original's fields, the function writes the preview and answers the original's fields."""
    site.put("a/b.jpg", photo(1000, 500))
    request = json.loads((EXAMPLES / "request_original.json").read_text())
    invoked = lambda_client(function).invoke(FunctionName=FUNCTION, Payload=json.dumps(request))
    answer = json.loads(invoked["Payload"].read())
    stored = site.stored("prew/card/a/b.jpg")

    assert answer["status"] is True
    assert answer["content_type"] == "image/jpeg"
    assert stored is not None
    assert opened(stored["Body"]).width == 720


def test_the_originals_function_serves_our_service(
    run_site: Callable[..., Site], redis_server: Redis, faulty_functions: Lambda
) -> None:
    """A function that answers only status, data, content_type and error gives the preview to the client."""
    with run_site(redis=redis_server, function=faulty_functions, function_name="original") as site:
        answer = site.get("/prew/card/road/originals.jpg")

    assert (answer.status, answer.headers["X-Preview"]) == (200, "made")
    assert answer.body == b"photo/road/originals.jpg 720"
    assert answer.headers["ETag"]


async def test_without_redis_one_process_coalesces_alone(run_site: Callable[..., Site], function: Lambda) -> None:
    """Two hundred clients of one process without Redis: one resize, and the log says how it works."""
    with run_site(function=function) as site:
        site.put("road/no-redis.jpg", photo(1500, 1000))
        invocations = function.stats()["invocations"]
        answers = await site.burst("/prew/card/road/no-redis.jpg", 200)
        log = site.log_of()

    assert {status for status, _, _ in answers} == {200}
    assert function.stats()["invocations"] - invocations == 1
    assert "PREW_REDIS_URL is not set" in log


async def test_without_lambda_worker_processes_resize(run_site: Callable[..., Site], redis_server: Redis) -> None:
    """Two hundred clients without a function: one resize in a worker process, and the log says so."""
    with run_site(redis=redis_server, replicas=2) as site:
        site.put("road/no-lambda.jpg", photo(1500, 1000))
        answers = await site.burst("/prew/card/road/no-lambda.jpg", 200)
        log = site.log_of()

    assert {status for status, _, _ in answers} == {200}
    assert len({body for _, _, body in answers}) == 1
    assert [source for _, source, _ in answers].count("made") == 1
    assert "PREW_LAMBDA_FUNCTION is not set" in log
