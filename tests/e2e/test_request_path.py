"""A missing preview is rendered once, stored, and served by S3 from then on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import pyvips

from devstack.backends import S3, Redis
from devstack.lambda_server import Lambda, lambda_client, start_lambda
from tests.contract_examples.examples import example
from tests.support.asking import lazily, strictly
from tests.support.site import FUNCTION, PRESETS, ROOT, RunSite, Site

NAMES = ["plus + percent%20 hash#.jpg", "クズ箱/what?.jpg"]


def photo(width: int, height: int) -> bytes:
    """Return a JPEG with some detail."""
    noise = pyvips.Image.gaussnoise(width, height, mean=128, sigma=30)
    data: bytes = noise.cast("uchar").bandjoin([noise.cast("uchar"), noise.cast("uchar")]).jpegsave_buffer(Q=85)
    return data


def opened(data: bytes) -> pyvips.Image:
    """Return the decoded image."""
    return pyvips.Image.new_from_buffer(data, "")


def test_a_preview_is_rendered_once_and_then_served_by_s3(site: Site, function: Lambda) -> None:
    site.put("path/first.jpg", photo(1000, 600))
    before, invocations = site.requests_to_services(), function.stats()["invocations"]
    first = site.get("/prew/card/path/first.jpg")
    stored = site.written("prew/card/path/first.jpg")
    second = site.get("/prew/card/path/first.jpg")

    assert (first.status, first.headers["X-Preview"]) == (200, "made")
    assert (second.status, second.headers["X-Preview"]) == (200, None)
    assert first.body == second.body
    assert (opened(first.body).width, opened(first.body).height) == (720, 432)
    for header in ("Content-Type", "Content-Length", "Cache-Control"):
        assert first.headers[header] == second.headers[header]
    assert first.headers["ETag"] in {None, second.headers["ETag"]}  # of what S3 has, which may come later
    assert second.headers["ETag"] == stored["ETag"]
    assert site.requests_to_services() - before == 1
    assert function.stats()["invocations"] - invocations == 1


def test_type_cache_control_and_fingerprint_are_kept_with_the_object(site: Site) -> None:
    site.put("path/stored.jpg", photo(900, 900))
    site.get("/prew/square/path/stored.jpg")
    stored = site.written("prew/square/path/stored.jpg")

    assert stored["ContentType"] == "image/jpeg"
    assert stored["CacheControl"] == "public, max-age=31536000"
    assert len(stored["Metadata"]["preset-fingerprint"]) == 12


def test_a_photo_is_served_as_it_is_and_a_missing_one_is_a_404_with_a_picture(site: Site) -> None:
    data = photo(300, 200)
    site.put("path/as-it-is.jpg", data)
    missing = site.get("/photo/path/none.jpg")

    assert site.get("/photo/path/as-it-is.jpg").body == data
    assert missing.status == 404
    assert missing.headers["Content-Type"] == "image/jpeg"
    assert opened(missing.body).width > 0


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_pass_through_all_parts(site: Site, function: Lambda, name: str) -> None:
    """In every spelling; nginx's and the catalogue's tests have the other names."""
    site.put(f"odd/{name}", photo(400, 300))
    key = f"prew/thumb/odd/{name}"
    invocations = function.stats()["invocations"]
    first = site.get(strictly(key))
    site.written(key)
    before = site.requests_to_services()
    again = [site.get(strictly(key)), site.get(lazily(key))]

    assert (first.status, first.headers["X-Preview"]) == (200, "made")
    assert [answer.body for answer in again] == [first.body, first.body]
    assert site.requests_to_services() == before
    assert function.stats()["invocations"] - invocations == 1
    assert site.get(strictly(f"photo/odd/{name}")).status == 200


def test_head_on_a_missing_preview_renders_it(site: Site) -> None:
    site.put("path/head.jpg", photo(800, 400))
    head = site.get("/prew/card/path/head.jpg", method="HEAD")
    get = site.get("/prew/card/path/head.jpg")

    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(get.body))
    assert head.headers["ETag"] in {None, site.written("prew/card/path/head.jpg")["ETag"]}


def test_every_real_photo_in_every_preset(site: Site, real_photos: Path) -> None:
    for path in sorted(real_photos.glob("*.jpg")):
        data = path.read_bytes()
        site.put(f"real/{path.name}", data)
        assert site.get(f"/photo/real/{path.name}").body == data
        upright = opened(data).autorot()
        for preset in ("thumb", "card", "square"):
            first = site.get(f"/prew/{preset}/real/{path.name}")
            site.written(f"prew/{preset}/real/{path.name}")
            before = site.requests_to_services()
            assert site.get(f"/prew/{preset}/real/{path.name}").body == first.body
            assert site.requests_to_services() == before
            made = opened(first.body)
            assert made.interpretation in {"srgb", "b-w"}
            assert "orientation" not in made.get_fields()
            expected = _expected(preset, upright)
            assert (made.width, made.height) == expected, (path.name, preset)
            if preset != "square":
                assert _is_like(made, upright), (path.name, preset)


def _expected(preset: str, upright: pyvips.Image) -> tuple[int, int]:
    if preset == "square":
        return 320, 320
    width = int(PRESETS[f"PREW_PRESETS__{preset.upper()}__WIDTH"])
    if upright.width <= width:
        return upright.width, upright.height
    return width, round(upright.height * width / upright.width)


def _is_like(made: pyvips.Image, upright: pyvips.Image) -> bool:
    """Whether both show the same scene in the same orientation, compared as small grey pictures."""

    def small(image: pyvips.Image) -> pyvips.Image:
        return image.colourspace("srgb").thumbnail_image(32, height=32, size="force").colourspace("b-w").cast("float")

    same = (small(made) - small(upright)).abs().avg()
    turned = (small(made) - small(upright).rot180()).abs().avg()
    return bool(same < 12 and same < turned)


@pytest.mark.fault("burst")
async def test_a_burst_over_two_replicas_is_one_invocation(site: Site, function: Lambda) -> None:
    site.put("path/burst.jpg", photo(1500, 1000))
    invocations = function.stats()["invocations"]
    answers = await site.burst("/prew/card/path/burst.jpg", 200)

    assert {status for status, _, _ in answers} == {200}
    assert len({body for _, _, body in answers}) == 1
    assert [source for _, source, _ in answers].count("made") == 1
    assert function.stats()["invocations"] - invocations == 1


def test_a_changed_preset_is_a_new_size(run_site: RunSite, redis_server: Redis, function: Lambda) -> None:
    with run_site(redis=redis_server, function=function, replicas=2) as site:
        site.put("path/changed.jpg", photo(1200, 900))
        assert opened(site.get("/prew/card/path/changed.jpg").body).width == 720
        site.written("prew/card/path/changed.jpg")
        site.delete_previews("card")
    settings = {"PREW_PRESETS__CARD__WIDTH": "640"}
    with run_site(redis=redis_server, function=function, replicas=2, settings=settings) as site:
        answers = [site.get("/prew/card/path/changed.jpg") for _ in range(2)]

    assert [opened(answer.body).width for answer in answers] == [640, 640]
    assert [answer.headers["X-Preview"] for answer in answers] == ["made", None]


def test_a_preview_that_is_too_large_to_inline_comes_from_s3(run_site: RunSite, s3: S3, tmp_path: Path) -> None:
    environment = os.environ | s3.aws_environment() | {"RESIZE_MAX_DATA_BYTES": "1000"}
    function = start_lambda(
        tmp_path, {FUNCTION: "lambda_resize.handler.handler"}, f"--task-root={ROOT}", env=environment
    )
    with run_site(function=function) as site:
        site.put("path/too-large.jpg", photo(1500, 1000))
        first = site.get("/prew/card/path/too-large.jpg")
        stored = site.stored("prew/card/path/too-large.jpg")
    function.program.stop()

    assert stored is not None
    assert (first.status, first.headers["X-Preview"]) == (200, "made")
    assert first.body == stored["Body"]
    assert first.headers["ETag"] == stored["ETag"]


def test_our_function_answers_the_minimal_request(site: Site, function: Lambda) -> None:
    site.put("a/b.jpg", photo(1000, 500))
    request = example("request_minimal")
    invoked = lambda_client(function).invoke(FunctionName=FUNCTION, Payload=json.dumps(request))
    answer = json.loads(invoked["Payload"].read())
    stored = site.stored("prew/card/a/b.jpg")

    assert answer["status"] is True
    assert answer["content_type"] == "image/jpeg"
    assert stored is not None
    assert opened(stored["Body"]).width == 720


def test_the_minimal_answer_suffices(run_site: RunSite, redis_server: Redis, faulty_functions: Lambda) -> None:
    with run_site(redis=redis_server, function=faulty_functions, function_name="minimal") as site:
        answer = site.get("/prew/card/path/reference.jpg")

    assert (answer.status, answer.headers["X-Preview"]) == (200, "made")
    assert answer.body == b"photo/path/reference.jpg 720"
    assert answer.headers["ETag"]


@pytest.mark.fault("redis-away")
async def test_without_redis_one_process_coalesces_alone(run_site: RunSite, function: Lambda) -> None:
    with run_site(function=function) as site:
        site.put("path/no-redis.jpg", photo(1500, 1000))
        invocations = function.stats()["invocations"]
        answers = await site.burst("/prew/card/path/no-redis.jpg", 50)
        log = site.log_of()

    assert {status for status, _, _ in answers} == {200}
    assert function.stats()["invocations"] - invocations == 1
    assert "PREW_REDIS_URL is not set" in log


async def test_without_lambda_worker_processes_resize(run_site: RunSite, redis_server: Redis) -> None:
    with run_site(redis=redis_server, replicas=2) as site:
        site.put("path/no-lambda.jpg", photo(1500, 1000))
        answers = await site.burst("/prew/card/path/no-lambda.jpg", 50)
        log = site.log_of()

    assert {status for status, _, _ in answers} == {200}
    assert len({body for _, _, body in answers}) == 1
    assert [source for _, source, _ in answers].count("made") == 1
    assert "PREW_LAMBDA_FUNCTION is not set" in log
