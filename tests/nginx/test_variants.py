"""Presets of format auto: nginx requests the variant that the client accepts, and sends Vary."""

from __future__ import annotations

from urllib.parse import unquote

import dukpy
import pytest

from devstack.backends import S3
from devstack.nginx_server import SOURCES, Nginx, effective_environment
from devstack.programs import ProgramError
from prewmanager.previews.catalogue import decode_path
from tests.nginx.conftest import BUCKET_PATH, Put, StartNginx
from tests.nginx.recorder import Recorder, Reply, Seen
from tests.support.asking import ask

AUTO = {"PREW_PRESETS__CARD__FORMAT": "auto", "PREW_PRESETS__THUMB__FORMAT": "webp", "PREW_NGINX_AUTO_PRESETS": "big_1"}
AVIF = {"Accept": "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"}
WEBP = {"Accept": "image/webp,*/*"}
ANY = {"Accept": "*/*"}
CHOICES = [
    (AVIF["Accept"], "card.avif"),
    ("image/webp,image/avif,image/jxl,image/heic,image/png,*/*;q=0.8", "card.avif"),
    ("IMAGE/AVIF", "card.avif"),
    ("text/html , image/avif ; q=0.001 , */*", "card.avif"),
    ("image/avif;profile=x;q=0.9", "card.avif"),
    ("image/avif;q=0.05", "card.avif"),
    (WEBP["Accept"], "card.webp"),
    ("image/avif;q=0, image/webp", "card.webp"),
    ("image/avif;q=0.0,image/webp;q=1.0", "card.webp"),
    ("image/avif ; q=0.000 , image/webp", "card.webp"),
    ("image/avif;v=1;q=0,image/webp;v=1", "card.webp"),
    ("image/avifs, x-image/avif, image/webp", "card.webp"),
    ("image/webp;q=0,*/*", "card"),
    ("image/*,*/*;q=0.8", "card"),
    ("*/*", "card"),
    ("image/jpeg, image/png", "card"),
    ("image/webpx", "card"),
    ("", "card"),
    (None, "card"),
]


@pytest.fixture(scope="module", name="nginx")
def _nginx(start: StartNginx, recorders: dict[str, str]) -> Nginx:
    """Nginx in front of two recorders; card and big_1 are auto."""
    return start({**AUTO, **recorders})


@pytest.fixture(scope="module", name="caching")
def _caching(start: StartNginx, recorders: dict[str, str]) -> Nginx:
    """The same with nginx's cache."""
    return start({**AUTO, **recorders, "PREW_NGINX_CACHE": "on"})


@pytest.mark.parametrize(("accept", "folder"), CHOICES)
def test_accept_selects_avif_before_webp_unless_its_weight_is_zero(
    nginx: Nginx, service: Recorder, bucket: Recorder, accept: str | None, folder: str
) -> None:
    bucket.respond = lambda _: Reply(404)

    ask(nginx.port, "/prew/card/a.jpg", headers={} if accept is None else {"Accept": accept})

    assert [seen.target for seen in bucket.seen] == [f"{BUCKET_PATH}/prew/{folder}/a.jpg"]
    assert [seen.target for seen in service.seen] == [f"/prew/{folder}/a.jpg"]


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/prew/big_1/a.jpg", "/prew/big_1.avif/a.jpg"),
        ("/prew/card@2x/a.jpg", "/prew/card@2x.avif/a.jpg"),
        ("/prew/card%402x/a.jpg", "/prew/card%402x.avif/a.jpg"),
        ("/prew/card/card/a.jpg?v=1", "/prew/card.avif/card/a.jpg"),
        ("/prew/card/%D1%84%20%2F%25.jpg", "/prew/card.avif/%D1%84%20%2F%25.jpg"),
    ],
)
def test_s3_and_the_service_get_one_key_with_the_suffix_at_the_preset(
    nginx: Nginx, service: Recorder, bucket: Recorder, path: str, asked: str
) -> None:
    bucket.respond = lambda _: Reply(404)

    answer = ask(nginx.port, path, headers=AVIF)

    assert answer.headers["Vary"] == "Accept"
    assert [seen.target for seen in bucket.seen] == [f"{BUCKET_PATH}{asked}"]
    assert [seen.target for seen in service.seen] == [asked]


@pytest.mark.parametrize(
    "path",
    [
        "/prew/thumb/a.jpg",
        "/prew/card_2/a.jpg",
        "/prew/my_card/a.jpg",
        "/prew/card.webp/a.jpg",
        "/prew/card@2x.avif/a.jpg",
        "/prew/card@22x/a.jpg",
        "/prew/Card/a.jpg",
        "/prew/c%61rd/a.jpg",
        "/prew/card%2Fa.jpg",
        "/prew/thumb/prew/card/a.jpg",
        "/photo/prew/card/a.jpg",
    ],
)
def test_other_presets_variants_and_spellings_pass_without_vary(nginx: Nginx, bucket: Recorder, path: str) -> None:
    answer = ask(nginx.port, path, headers=AVIF)

    assert answer.headers["Vary"] is None
    assert [seen.target for seen in bucket.seen] == [f"{BUCKET_PATH}{path}"]


def test_pluses_are_encoded_for_s3_in_variants_too(nginx: Nginx, service: Recorder, bucket: Recorder) -> None:
    bucket.respond = lambda _: Reply(404)

    ask(nginx.port, "/prew/card@2x/a+b.jpg", headers=WEBP)

    assert [seen.target for seen in bucket.seen] == [f"{BUCKET_PATH}/prew/card@2x.webp/a%2Bb.jpg"]
    assert decode_path(service.seen[0].target) == "prew/card@2x.webp/a+b.jpg"


@pytest.mark.parametrize("accept", [AVIF, ANY])
@pytest.mark.parametrize("status", [200, 304, 404, 400, 500, 503])
def test_every_answer_for_an_auto_preset_has_vary(
    nginx: Nginx, service: Recorder, bucket: Recorder, accept: dict[str, str], status: int
) -> None:
    bucket.respond = lambda _: Reply(status, b"", {"Vary": "Origin"})
    service.respond = lambda _: Reply(422, b"{}", {"Content-Type": "application/problem+json"})

    answer = ask(nginx.port, "/prew/card/a.jpg", headers=accept)

    assert answer.headers.get_all("Vary") == ["Accept"]


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "/prew/card/a", 405), ("GET", "/prew/card/", 400)])
def test_refusals_by_nginx_have_vary(nginx: Nginx, bucket: Recorder, method: str, path: str, status: int) -> None:
    answer = ask(nginx.port, path, method)

    assert (answer.status, answer.headers.get_all("Vary")) == (status, ["Accept"])
    assert bucket.seen == []


def test_head_and_conditions_go_to_the_variant(nginx: Nginx, bucket: Recorder) -> None:
    bucket.respond = lambda seen: Reply(304 if seen.headers["If-None-Match"] else 206, b"", {"ETag": '"a"'})

    for headers in ({"Range": "bytes=0-1"}, {"If-None-Match": '"a"'}):
        ask(nginx.port, "/prew/card/a.jpg", "HEAD", headers={**WEBP, **headers})

    assert {(seen.method, seen.target) for seen in bucket.seen} == {("HEAD", f"{BUCKET_PATH}/prew/card.webp/a.jpg")}
    assert [(seen.headers["Range"], seen.headers["If-None-Match"]) for seen in bucket.seen] == [
        ("bytes=0-1", None),
        (None, '"a"'),
    ]


def test_each_variant_is_cached_under_its_own_key(caching: Nginx, bucket: Recorder) -> None:
    def named(seen: Seen) -> Reply:
        return Reply(200, seen.target.encode(), {"ETag": f'"{len(seen.target)}"'})

    bucket.respond = named
    asked = [("card", AVIF), ("card", WEBP), ("card", ANY), ("card", AVIF), ("card.webp", ANY), ("card", ANY)]

    answers = [ask(caching.port, f"/prew/{folder}/cached.jpg", headers=headers) for folder, headers in asked]

    assert [answer.body.decode().split("/")[3] for answer in answers] == [
        "card.avif",
        "card.webp",
        "card",
        "card.avif",
        "card.webp",
        "card",
    ]
    assert [answer.headers["X-Cache"] for answer in answers] == ["MISS", "MISS", "MISS", "HIT", "HIT", "HIT"]
    assert [answer.headers["Vary"] for answer in answers] == ["Accept"] * 4 + [None, "Accept"]
    assert len(bucket.seen) == 3


def test_cloudfronts_function_and_nginx_select_the_same_variant() -> None:
    """infra/accept.js reduces Accept to three values."""
    engine = dukpy.JSInterpreter()
    engine.evaljs((SOURCES.parent / "infra" / "accept.js").read_text())
    seen = set()
    for accept, folder in CHOICES:
        headers = {} if accept is None else {"accept": {"value": accept}}
        event = {"request": {"method": "GET", "uri": "/prew/card/a.jpg", "headers": headers}}
        left = engine.evaljs("handler(dukpy['event'])", event=event)["headers"]["accept"]["value"]
        seen.add((left, folder))

    assert seen == {("image/avif", "card.avif"), ("image/webp", "card.webp"), ("*/*", "card")}


def test_a_real_s3_finds_keys_with_at_and_dot_encoded(start: StartNginx, s3: S3, service: Recorder, put: Put) -> None:
    nginx = start({**AUTO, "PREW_NGINX_S3_SERVER": f"127.0.0.1:{s3.port}", "PREW_NGINX_SERVICES": service.address})
    for folder in ("card@2x", "card@2x.avif", "card@2x.webp"):
        put(f"prew/{folder}/a b.jpg", folder.encode())

    found = {
        (at, headers["Accept"]): ask(nginx.port, f"/prew/card{at}2x/a%20b.jpg", headers=headers).body.decode()
        for at in ("@", "%40")
        for headers in (AVIF, WEBP, ANY)
    }

    assert set(found.items()) == {
        ((at, headers["Accept"]), folder)
        for at in ("@", "%40")
        for headers, folder in ((AVIF, "card@2x.avif"), (WEBP, "card@2x.webp"), (ANY, "card@2x"))
    }
    assert service.seen == []


def scripts(**variables: str) -> dict[str, str]:
    """Return what nginx's scripts derive from these variables."""
    return effective_environment({"PREW_NGINX_S3_SERVER": "127.0.0.1:443", **variables})


def test_auto_presets_are_those_of_the_service() -> None:
    built = scripts(
        PREW_PRESETS='{"tile": {"width": 1, "format": "auto"}}',
        PREW_NGINX_AUTO_PRESETS="tile  card",
        PREW_PRESETS__CARD__FORMAT="auto",
        prew_presets__big_1__format="auto",
        PREW_PRESETS__THUMB__FORMAT="webp",
        PREW_PRESETS__AUTO__WIDTH="1",
        PREW_PRESETS__EMPTY__FORMAT="",
    )

    assert (built["PREW_NGINX_AUTO_NAMES"], built["PREW_NGINX_AUTO_MODE"]) == ("big_1|card|tile", "on")


def test_without_auto_presets_no_map_is_included() -> None:
    built = scripts(PREW_PRESETS='{"tile": {"width": 1}}', PREW_PRESETS__CARD__WIDTH="720")

    assert (built["PREW_NGINX_AUTO_MODE"], built["PREW_NGINX_OBJECT_KEY"]) == ("off", "$prew_raw_key")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"PREW_PRESETS": '{"tile": {"format": "auto"}}'}, "must name the presets of format auto in PREW_PRESETS"),
        ({"PREW_NGINX_AUTO_PRESETS": "a|b"}, "must be names of presets"),
        ({"PREW_NGINX_AUTO_PRESETS": "card", "PREW_PRESETS__CARD__FORMAT": "jpeg"}, "names card, whose own variable"),
    ],
)
def test_presets_in_json_require_a_variable_that_matches_the_service(variables: dict[str, str], message: str) -> None:
    """Nginx cannot read JSON."""
    with pytest.raises(ProgramError, match=f"PREW_NGINX_AUTO_PRESETS {message}"):
        scripts(**variables)


@pytest.mark.fault("cache-spellings")
def test_each_variant_has_an_entry_of_its_own_in_the_cache(caching: Nginx, bucket: Recorder) -> None:
    """Also where the preset's name is encoded: then S3 is asked for no variant, and the cache must know that."""
    bucket.respond = lambda seen: Reply(200, unquote(seen.target).encode(), {"Content-Type": "image/jpeg"})

    def answers(path: str, accept: str) -> tuple[str, bytes]:
        answer = ask(caching.port, path, headers={"Accept": accept})
        return answer.headers["X-Cache"], answer.body

    jpeg, avif = b"/photos/prew/card/own.jpg", b"/photos/prew/card.avif/own.jpg"
    assert [answers("/prew/card/own.jpg", accept) for accept in ("image/avif", "image/png")] == [
        ("MISS", avif),
        ("MISS", jpeg),
    ]
    assert [answers(path, "image/avif") for path in ("/prew/card/%6fwn.jpg", "/prew/c%61rd/own.jpg")] == [
        ("HIT", avif),
        ("HIT", jpeg),
    ]
    assert answers("/prew/card%40/a.jpg", "image/avif")[0] == "MISS"
