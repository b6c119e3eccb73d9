"""Pages of other origins: who may read what nginx answers."""

from __future__ import annotations

import pytest

from devstack.nginx_server import Nginx, effective_environment
from devstack.programs import ProgramError
from tests.nginx.conftest import StartNginx
from tests.nginx.recorder import Recorder, Reply
from tests.support.asking import Answer, ask

SHOP, LOCAL, OTHER = "https://shop.example.com", "http://localhost:3000", "https://evil.test"
POLICY = "Cross-Origin-Resource-Policy"
FORGED = {"Access-Control-Allow-Origin": "*", "Timing-Allow-Origin": "*", POLICY: "same-origin", "Vary": "Origin"}


@pytest.fixture(scope="module", name="listed")
def _listed(start: StartNginx, recorders: dict[str, str]) -> Nginx:
    """Nginx that two origins may read; card is auto."""
    return start({**recorders, "PREW_NGINX_CORS_ORIGINS": f"{SHOP} {LOCAL}", "PREW_PRESETS__CARD__FORMAT": "auto"})


@pytest.fixture(scope="module", name="to_all")
def _to_all(start: StartNginx, recorders: dict[str, str]) -> Nginx:
    return start({**recorders, "PREW_NGINX_CORS_ORIGINS": "*", "PREW_NGINX_CACHE": "on"})


def allowed(answer: Answer) -> tuple[list[str], list[str]]:
    """Return the origins that may read an answer, and its times."""
    return answer.headers.get_all("Access-Control-Allow-Origin", []), answer.headers.get_all("Timing-Allow-Origin", [])


ANSWERS = [
    pytest.param("/photo/a.jpg", 200, 200, 200, id="photo"),
    pytest.param("/photo/a.jpg", 404, 200, 404, id="no photo"),
    pytest.param("/photo/a.jpg", 500, 200, 502, id="S3 fails"),
    pytest.param("/prew/thumb/a.jpg", 200, 200, 200, id="preview"),
    pytest.param("/prew/thumb/a.jpg", 304, 200, 304, id="preview not modified"),
    pytest.param("/prew/thumb/a.jpg", 404, 200, 200, id="made"),
    pytest.param("/prew/thumb/a.jpg", 404, 422, 422, id="photo's fault"),
    pytest.param("/prew/card/a.jpg", 404, 503, 503, id="service fails"),
    pytest.param("/prew/card//a.jpg", 200, 200, 400, id="malformed"),
]


@pytest.mark.parametrize(("path", "by_s3", "by_service", "status"), ANSWERS)
def test_a_named_origin_may_read_every_answer_and_no_other_any(  # noqa: PLR0917 -- a row's cells
    listed: Nginx, bucket: Recorder, service: Recorder, path: str, by_s3: int, by_service: int, status: int
) -> None:
    """Whatever S3 and the service say themselves."""
    bucket.respond = lambda _: Reply(by_s3, b"", FORGED)
    service.respond = lambda _: Reply(by_service, b"{}", {"Content-Type": "application/problem+json"})
    vary = "Accept, Origin" if "/card/" in path else "Origin"

    for origin, names in (
        (SHOP, [SHOP]),
        (LOCAL, [LOCAL]),
        (OTHER, []),
        ("null", []),
        (f"{SHOP}.evil.test", []),
        (None, []),
    ):
        answer = ask(listed.port, path, headers={"Origin": origin} if origin else {})
        assert answer.status == status
        assert allowed(answer) == (names, names)
        assert answer.headers.get_all("Vary") == [vary]
        assert answer.headers.get_all(POLICY) == ["cross-origin"]
        assert answer.headers["Access-Control-Allow-Credentials"] is None
        for name in ("ETag", "X-ThumbHash", "Content-Length", "X-Preview"):
            assert name in answer.headers["Access-Control-Expose-Headers"].split(", ")
    assert all("Origin" not in seen.headers for seen in (*bucket.seen, *service.seen))


@pytest.mark.parametrize("path", ["/photo/a.jpg", "/prew/card/a.jpg", "/prew/card@2x/a.jpg?e=1"])
def test_a_preflight_is_204_and_asks_nobody(listed: Nginx, bucket: Recorder, service: Recorder, path: str) -> None:
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range"}
    named = ask(listed.port, path, "OPTIONS", {"Origin": SHOP, **asked})
    other = ask(listed.port, path, "OPTIONS", {"Origin": OTHER, **asked})

    assert (named.status, other.status, named.body) == (204, 204, b"")
    assert (allowed(named), allowed(other)) == (([SHOP], [SHOP]), ([], []))
    assert named.headers["Access-Control-Allow-Methods"] == "GET, HEAD"
    assert "Range" in named.headers["Access-Control-Allow-Headers"].split(", ")
    assert int(named.headers["Access-Control-Max-Age"]) > 0
    assert "Origin" in named.headers["Vary"]
    assert [*bucket.seen, *service.seen] == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_and_other_paths_are_405(listed: Nginx, method: str) -> None:
    assert ask(listed.port, "/photo/a.jpg", method, {"Origin": SHOP}).status == 405
    assert ask(listed.port, "/nginx-health", "OPTIONS", {"Origin": SHOP}).status == 405


def test_any_origin_is_a_constant_which_answers_do_not_vary_by(to_all: Nginx, bucket: Recorder) -> None:
    bucket.respond = lambda _: Reply(200, b"it", FORGED)

    answers = [
        ask(to_all.port, "/prew/card/any.jpg", headers=headers) for headers in ({}, {"Origin": OTHER}, {"Origin": SHOP})
    ]

    assert [answer.headers["X-Cache"] for answer in answers] == ["MISS", "HIT", "HIT"]
    assert {(str(allowed(answer)), answer.headers["Vary"]) for answer in answers} == {("(['*'], ['*'])", None)}
    assert ask(to_all.port, "/prew/card/any.jpg", "OPTIONS").status == 204


def test_one_origin_is_a_constant_too(start: StartNginx, recorders: dict[str, str]) -> None:
    nginx = start({**recorders, "PREW_NGINX_CORS_ORIGINS": SHOP})

    answers = [ask(nginx.port, "/prew/card/a.jpg", headers=each) for each in ({"Origin": SHOP}, {"Origin": OTHER})]

    assert [allowed(answer) for answer in answers] == [([SHOP], [SHOP])] * 2
    assert answers[0].headers["Vary"] is None


def test_a_copy_in_the_cache_names_each_requests_own_origin(
    start: StartNginx, recorders: dict[str, str], bucket: Recorder
) -> None:
    nginx = start({**recorders, "PREW_NGINX_CORS_ORIGINS": f"{SHOP} {LOCAL}", "PREW_NGINX_CACHE": "on"})
    bucket.respond = lambda _: Reply(200, b"it", {"ETag": '"it"'})

    answers = [
        ask(nginx.port, "/prew/card/own.jpg", headers={"Origin": origin}) for origin in (SHOP, LOCAL, OTHER, SHOP)
    ]

    assert [answer.headers["X-Cache"] for answer in answers] == ["MISS", "HIT", "HIT", "HIT"]
    assert [allowed(answer)[0] for answer in answers] == [[SHOP], [LOCAL], [], [SHOP]]


def test_by_default_images_may_be_shown_anywhere_and_read_nowhere(recorded: Nginx, bucket: Recorder) -> None:
    bucket.respond = lambda _: Reply(200, b"it", FORGED)

    answer = ask(recorded.port, "/prew/card/a.jpg", headers={"Origin": SHOP})

    assert allowed(answer) == ([], [])
    assert answer.headers["Vary"] is None
    assert answer.headers.get_all(POLICY) == ["cross-origin"]
    assert ask(recorded.port, "/photo/a.jpg", "OPTIONS", {"Origin": SHOP}).status == 405


@pytest.mark.fault("settings-invalid")
@pytest.mark.parametrize(
    "value",
    [
        "https://a.test *",
        "https://a.test/",
        "a.test",
        "https://A.test",
        "https://*.a.test",
        "null",
        "ftp://a.test",
        "https://a.test:0",
        'https://a.test";',
        "https://a.test,https://b.test",
    ],
)
def test_what_is_no_origin_stops_the_start(value: str) -> None:
    with pytest.raises(ProgramError, match="PREW_NGINX_CORS_ORIGINS must be"):
        effective_environment({"PREW_NGINX_S3_SERVER": "127.0.0.1:443", "PREW_NGINX_CORS_ORIGINS": value})


@pytest.mark.parametrize("value", ["*", "https://a", "http://[::1]:8080", "https://xn--bcher-kva.example:8443"])
def test_other_origins_are_accepted(value: str) -> None:
    built = effective_environment({"PREW_NGINX_S3_SERVER": "127.0.0.1:443", "PREW_NGINX_CORS_ORIGINS": value})

    assert (built["PREW_NGINX_ORIGIN"], built["PREW_NGINX_CORS_LIST"]) == (value, "off")
