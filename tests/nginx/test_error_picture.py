"""A picture for failed previews, for who asks for images; the status stays."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from devstack.nginx_server import SOURCES, Nginx, effective_environment
from devstack.programs import ProgramError
from tests.nginx.conftest import StartNginx
from tests.nginx.recorder import Recorder, Reply
from tests.support.asking import ask

CHROMIUM = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
FIREFOX = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
TAB = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"
PROBLEM = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}


@pytest.fixture(scope="module", name="picture")
def _picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "failed.png"
    path.write_bytes(b"\x89PNG the picture")
    return path


@pytest.fixture(scope="module", name="nginx")
def _nginx(start: StartNginx, recorders: dict[str, str], picture: Path) -> Nginx:
    """Nginx with a picture for failed previews, and two replicas, of which the first refuses."""
    services = f"127.0.0.1:1 {recorders['PREW_NGINX_SERVICES']}"
    return start(
        {
            **recorders,
            "PREW_NGINX_SERVICES": services,
            "PREW_NGINX_BALANCE": "random",
            "PREW_NGINX_PREVIEW_ERROR_PICTURE": str(picture),
            "PREW_NGINX_CORS_ORIGINS": "*",
            "PREW_PRESETS__CARD__FORMAT": "auto",
        }
    )


@pytest.mark.parametrize("accept", [CHROMIUM, FIREFOX, "image/*"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", [400, 404, 422, 500, 502, 503, 504])
def test_the_services_failures_are_the_picture_with_their_status(  # noqa: PLR0917 -- parameters
    nginx: Nginx, bucket: Recorder, service: Recorder, picture: Path, accept: str, method: str, status: int
) -> None:
    bucket.respond = lambda _: Reply(404)
    service.respond = lambda _: Reply(status, b"{}", PROBLEM | {"Retry-After": "7"})

    answer = ask(nginx.port, "/prew/card/a.jpg", method, {"Accept": accept})

    assert (answer.status, answer.body) == (status, picture.read_bytes() if method == "GET" else b"")
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers.get_all("Cache-Control") == ["no-store"]
    assert answer.headers["Retry-After"] == "7"
    assert answer.headers["Vary"] == "Accept"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert (answer.headers["ETag"], answer.headers["Last-Modified"]) == (None, None)
    assert len(service.seen) == 1  # a 502 of the service's own is no reason to ask another replica


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", TAB])
def test_others_get_the_services_problem(nginx: Nginx, bucket: Recorder, service: Recorder, accept: str | None) -> None:
    bucket.respond = lambda _: Reply(404)
    service.respond = lambda _: Reply(422, b'{"title": "its own"}', PROBLEM)

    answer = ask(nginx.port, "/prew/card/a.jpg", headers={} if accept is None else {"Accept": accept})

    assert (answer.status, answer.problem) == (422, {"title": "its own"})


@pytest.mark.parametrize(
    ("by_s3", "path", "status"), [(500, "a.jpg", 502), (503, "a.jpg", 503), (200, "a//b.jpg", 400)]
)
def test_nginxs_own_failures_of_previews_are_the_picture_too(  # noqa: PLR0917 -- a row's cells
    nginx: Nginx, bucket: Recorder, picture: Path, by_s3: int, path: str, status: int
) -> None:
    bucket.respond = lambda _: Reply(by_s3, b"<Error/>", {"Retry-After": "99"})

    answer = ask(nginx.port, f"/prew/card/{path}", headers={"Accept": CHROMIUM})

    assert (answer.status, answer.body) == (status, picture.read_bytes())
    assert answer.headers["Retry-After"] == {503: "1"}.get(status)
    assert ask(nginx.port, f"/prew/card/{path}").problem["status"] == status


def test_made_previews_and_conditions_are_answered_as_ever(nginx: Nginx, bucket: Recorder, service: Recorder) -> None:
    bucket.respond = lambda _: Reply(404)
    made = ask(nginx.port, "/prew/card/a.jpg", headers={"Accept": CHROMIUM})
    service.respond = lambda _: Reply(304, b"", {"ETag": '"a"'})
    same = ask(nginx.port, "/prew/card/a.jpg", headers={"Accept": CHROMIUM, "If-None-Match": '"a"'})

    assert (made.status, made.body, made.headers["X-Preview"]) == (200, b"from service", "made")
    assert (same.status, same.headers["ETag"]) == (304, '"a"')


def test_a_replica_that_refuses_or_dies_is_followed_by_another(
    nginx: Nginx, bucket: Recorder, service: Recorder
) -> None:
    bucket.respond = lambda _: Reply(404)

    answers = [ask(nginx.port, f"/prew/card/{number}.jpg", headers={"Accept": CHROMIUM}) for number in range(12)]

    assert {(answer.status, answer.body) for answer in answers} == {(200, b"from service")}
    assert len(service.seen) == 12


@pytest.mark.parametrize("able", [True, False], ids=["dies", "frozen"])
def test_without_any_replica_it_is_the_picture_with_502(
    nginx: Nginx,
    bucket: Recorder,
    service: Recorder,
    picture: Path,
    able: bool,  # noqa: FBT001 -- a parameter
) -> None:
    bucket.respond = lambda _: Reply(404)
    service.able = able
    service.respond = lambda _: None

    answer = ask(nginx.port, "/prew/card/a.jpg", headers={"Accept": CHROMIUM})

    assert (answer.status, answer.body) == (502, picture.read_bytes())


def test_photos_have_their_own_picture_and_other_paths_none(nginx: Nginx, bucket: Recorder) -> None:
    bucket.respond = lambda _: Reply(404)

    photo = ask(nginx.port, "/photo/a.jpg", headers={"Accept": CHROMIUM})

    assert photo.body == (SOURCES / "static" / "404.jpg").read_bytes()
    assert ask(nginx.port, "/none", headers={"Accept": CHROMIUM}).problem["status"] == 404
    assert ask(nginx.port, "/-/picture", headers={"Accept": CHROMIUM}).status == 404


def test_405_says_what_is_allowed(nginx: Nginx, picture: Path) -> None:
    answer = ask(nginx.port, "/prew/card/a.jpg", "POST", {"Accept": CHROMIUM})

    assert (answer.status, answer.body, answer.headers["Allow"]) == (405, picture.read_bytes(), "GET, HEAD")


def test_a_picture_that_is_gone_is_500(nginx: Nginx, bucket: Recorder, service: Recorder, picture: Path) -> None:
    bucket.respond = lambda _: Reply(404)
    service.respond = lambda _: Reply(422, b"{}", PROBLEM)
    aside = picture.with_suffix(".aside")
    shutil.move(picture, aside)
    try:
        answer = ask(nginx.port, "/prew/card/a.jpg", headers={"Accept": CHROMIUM})
    finally:
        shutil.move(aside, picture)

    assert (answer.status, answer.problem["status"]) == (500, 500)


@pytest.mark.fault("settings-invalid")
@pytest.mark.parametrize("value", ["/none.png", __file__, "/a b.png", "/$host.png"])
def test_what_is_no_picture_stops_the_start(value: str) -> None:
    with pytest.raises(ProgramError, match="PREW_NGINX_PREVIEW_ERROR_PICTURE must"):
        effective_environment({"PREW_NGINX_S3_SERVER": "127.0.0.1:443", "PREW_NGINX_PREVIEW_ERROR_PICTURE": value})


@pytest.mark.parametrize(
    ("suffix", "expected"), [("jpg", "jpeg"), ("jpeg", "jpeg"), ("svg", "svg+xml"), ("webp", "webp"), ("avif", "avif")]
)
def test_the_type_is_that_of_the_name(tmp_path: Path, suffix: str, expected: str) -> None:
    path = tmp_path.parent / f"picture.{suffix}"
    path.touch()

    variables = {"PREW_NGINX_S3_SERVER": "127.0.0.1:443", "PREW_NGINX_PREVIEW_ERROR_PICTURE": str(path)}
    assert effective_environment(variables)["PREW_NGINX_PREVIEW_ERROR_TYPE"] == f"image/{expected}"
