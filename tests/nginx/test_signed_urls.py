"""Signed URLs: who has none gets 403, and neither S3, the cache nor the service is asked."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from devstack.backends import S3
from devstack.nginx_server import Nginx, effective_environment
from devstack.programs import ProgramError
from prewmanager.errors import InvalidKey
from prewmanager.previews.catalogue import decode_path
from prewmanager.previews.signed_urls import SigningKey, path_of, signed_query
from tests.nginx.conftest import BUCKET_PATH, Put, StartNginx
from tests.nginx.recorder import Recorder, Reply
from tests.support.asking import Answer, ask, lazily, strictly
from tests.support.vectors import vectors

VECTORS = vectors("signed_urls")
KEYS = [SigningKey(*each) for each in VECTORS["keys"].items()]
TEXT = "".join(f"{key.id}:{key.secret}\n" for key in KEYS)
AUTO = {"PREW_PRESETS__BIG__FORMAT": "auto", "PREW_PRESETS__LARGE__WIDTH": "1600", "PREW_PRESETS__SMALL__WIDTH": "90"}


@pytest.fixture(scope="module", name="keys_file")
def _keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys"
    path.write_text(TEXT)
    return path


@pytest.fixture(name="rotating")
def _rotating(keys_file: Path) -> Iterator[Path]:
    """The same file, which a test may replace; restored afterwards."""
    yield keys_file
    keys_file.write_text(TEXT)


@pytest.fixture(scope="module", name="signing")
def _signing(keys_file: Path) -> dict[str, str]:
    """Variables: photos and the presets large and big need a signature, small needs none."""
    return AUTO | {"PREW_NGINX_SIGNED": "large big photo", "PREW_NGINX_SIGNING_KEYS_FILE": str(keys_file)}


@pytest.fixture(scope="module", name="nginx")
def _nginx(start: StartNginx, recorders: dict[str, str], signing: dict[str, str]) -> Nginx:
    """Nginx between two recorders."""
    return start({**recorders, **signing})


@pytest.fixture(scope="module", name="cached")
def _cached(start: StartNginx, s3: S3, service_all_session: Recorder, signing: dict[str, str]) -> Nginx:
    """Nginx with its cache in front of a real S3."""
    addresses = {"PREW_NGINX_S3_SERVER": f"127.0.0.1:{s3.port}", "PREW_NGINX_SERVICES": service_all_session.address}
    return start({**addresses, **signing, "PREW_NGINX_CACHE": "on"})


def query(key: str, lasts_s: int = 600, by: SigningKey = KEYS[0]) -> str:
    """Return the signature of a key, or of a prefix, for so many seconds from now."""
    return signed_query(key, int(time.time()) + lasts_s, by, "prew")


def signed(key: str, lasts_s: int = 600, by: SigningKey = KEYS[0]) -> str:
    """Return the signed URL of a key."""
    return f"{path_of(key)}?{query(key, lasts_s, by)}"


def assert_refused(answer: Answer) -> None:
    assert (answer.status, answer.problem["title"]) == (403, "Forbidden")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Cache"] is None


@pytest.mark.parametrize("vector", VECTORS["signed"], ids=lambda vector: f"{vector['id']} {vector['key']}")
def test_the_vectors_signatures_open_what_they_name(nginx: Nginx, bucket: Recorder, vector: dict[str, str]) -> None:
    below = "a/b.jpg" if vector["key"].endswith("/") else ""

    assert ask(nginx.port, f"{vector['path']}{below}?{vector['query']}").status == 200
    assert [seen.target for seen in bucket.seen] == [f"{BUCKET_PATH}{vector['path']}{below}"]


@pytest.mark.parametrize("url", VECTORS["opens"])
def test_the_vectors_other_urls_open(nginx: Nginx, bucket: Recorder, url: str) -> None:
    assert ask(nginx.port, url).status == 200
    assert [seen.target for seen in bucket.seen] == [f"{BUCKET_PATH}{url.partition('?')[0]}"]


@pytest.mark.fault("signature")
@pytest.mark.parametrize("vector", VECTORS["refuses"], ids=lambda vector: str(vector["why"]))
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_vectors_wrong_urls_are_403_and_nobody_is_asked(
    nginx: Nginx, bucket: Recorder, service: Recorder, vector: dict[str, str], method: str
) -> None:
    answer = ask(nginx.port, vector["url"], method)

    assert answer.status == 403
    assert answer.headers["Cache-Control"] == "no-store"
    assert [*bucket.seen, *service.seen] == []


def _opens(url: str) -> bool:
    """Say whether a URL is one of the vectors', in whatever spelling of the path."""
    path, _, given_query = url.partition("?")
    if not path.isascii() or "#" in path:
        return False
    try:
        key = decode_path(path)
    except InvalidKey:
        return False
    segments = key.split("/")
    if segments[0] == "prew":
        if re.split("[^a-z0-9_]", segments[1])[0] not in {"big", "large"}:
            return len(segments) > 2
        segments[1] = re.sub("[@.-].*", "", segments[1])
    elif segments[0] != "photo":
        return False
    subject = "/".join(segments)
    for vector in VECTORS["signed"]:
        what = vector["text"].splitlines()[-1]
        if vector["query"] == given_query and (subject.startswith(what) if what[-1] == "/" else subject == what):
            return True
    return False


@pytest.mark.fault("signature")
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    vector=st.sampled_from(VECTORS["signed"]),
    flip=st.tuples(st.integers(min_value=1, max_value=400), st.integers(min_value=1, max_value=255)),
)
def test_a_url_with_any_byte_flipped_opens_only_what_was_signed(
    nginx: Nginx, bucket: Recorder, service: Recorder, vector: dict[str, str], flip: tuple[int, int]
) -> None:
    bucket.reset()
    below = "below.jpg" if vector["key"].endswith("/") else ""
    url = bytearray(f"{vector['path']}{below}?{vector['query']}".encode())
    url[1 + flip[0] % (len(url) - 1)] ^= flip[1]
    assume(min(url) > 0x20)  # what ends the request line earlier

    answer = ask(nginx.port, bytes(url))

    opened = _opens(url.decode("latin-1"))
    assert (answer.status == 200) == opened
    assert opened or answer.status in {400, 403, 404}
    assert len([*bucket.seen, *service.seen]) == opened


@pytest.mark.fault("signature")
def test_no_byte_of_a_query_can_be_another(nginx: Nginx, bucket: Recorder, service: Recorder) -> None:
    """Each in turn, by two of its bits."""
    path, right = "/photo/2026/wedding/x.jpg", query("photo/2026/wedding/")
    for at in range(len(right)):
        for bit in (1, 2):
            wrong = f"{right[:at]}{chr(ord(right[at]) ^ bit)}{right[at + 1 :]}"
            assert_refused(ask(nginx.port, f"{path}?{wrong}"))

    assert [*bucket.seen, *service.seen] == []
    assert ask(nginx.port, f"{path}?{right}").status == 200


@pytest.mark.fault("signature")
def test_a_signature_expires(nginx: Nginx, bucket: Recorder) -> None:
    url = signed("photo/a.jpg", 2)

    first = ask(nginx.port, url)
    assert first.headers["Cache-Control"] in {"private, max-age=1", "private, max-age=2"}
    while ask(nginx.port, url).status == 200:
        pass

    asked = len(bucket.seen)
    assert_refused(ask(nginx.port, url))
    assert len(bucket.seen) == asked


@pytest.mark.parametrize(
    "path",
    [
        "/prew/large%2Fa.jpg",
        "/prew/large\\a.jpg",
        "/prew/large%5Ca.jpg",
        "/prew/l%61rge/a.jpg",
        "/prew/large%402x/a.jpg",
        "/prew/large@2x/a.jpg",
        "/prew/large@9x.gif/a.jpg",
        "/prew/large.avif/a.jpg",
        "/prew/large-640/a.jpg",
        "/prew/large%2Eavif/a.jpg",
        "/prew/big/a.jpg",
        "/prew/big.avif/a.jpg",
        "/photo/prew/small/a.jpg",
        "/photo/a+b.jpg",
    ],
)
def test_no_spelling_and_no_variant_gets_round_the_signature(
    nginx: Nginx, bucket: Recorder, service: Recorder, path: str
) -> None:
    assert_refused(ask(nginx.port, path, headers={"Accept": "image/avif"}))
    assert [*bucket.seen, *service.seen] == []


@pytest.mark.parametrize(
    "path", ["/prew/small/a.jpg", "/prew/large_2/a.jpg", "/prew/larger/a.jpg", "/prew/enlarge/a.jpg"]
)
def test_other_presets_need_no_signature_and_keep_their_headers(nginx: Nginx, bucket: Recorder, path: str) -> None:
    bucket.respond = lambda _: Reply(200, b"it", {"Cache-Control": "public, max-age=31536000"})

    answers = [ask(nginx.port, f"{path}{rest}") for rest in ("", "?v=1", f"?{query('photo/a')}")]

    assert {(answer.status, answer.headers["Cache-Control"]) for answer in answers} == {
        (200, "public, max-age=31536000")
    }


def test_a_path_that_is_malformed_is_400_with_a_signature_too(nginx: Nginx, bucket: Recorder) -> None:
    assert ask(nginx.port, f"/photo/a//b?{query('photo/')}").status == 400
    assert bucket.seen == []


def test_more_pluses_than_nginx_encodes_are_signed_only_where_they_are_encoded(nginx: Nginx, bucket: Recorder) -> None:
    """S3 reads the bare ones as spaces: it would answer with another object."""
    key = "photo/1+2+3+4+5+6+7+8+9+10.jpg"

    assert_refused(ask(nginx.port, f"{lazily(key)}?{query(key)}"))
    assert ask(nginx.port, signed(key)).status == 200
    assert [seen.target for seen in bucket.seen] == [f"{BUCKET_PATH}{strictly(key)}"]


def test_one_signature_is_for_all_formats_and_densities(nginx: Nginx, bucket: Recorder, service: Recorder) -> None:
    bucket.respond = lambda _: Reply(404)
    right = query("prew/big/a.jpg")

    for folder in ("big", "big@2x", "big.webp"):
        answer = ask(nginx.port, f"/prew/{folder}/a.jpg?{right}", headers={"Accept": "image/avif,image/webp"})
        assert (answer.status, answer.body) == (200, b"from service")
        assert answer.headers["Cache-Control"].startswith("private, max-age=")

    assert [seen.target for seen in service.seen] == [
        "/prew/big.avif/a.jpg",
        "/prew/big@2x.avif/a.jpg",
        "/prew/big.webp/a.jpg",
    ]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("public, max-age=31536000", "private, max-age="),
        (None, "private, max-age="),
        ("no-store", "private, no-store"),
        ("no-cache", "private, no-store"),
        ("public, max-age=5", "private, no-store"),  # a fallback preview
        ("public, max-age=5, immutable", "private, no-store"),
        ("public, max-age=500", "private, max-age="),
    ],
)
def test_a_success_is_private_and_kept_for_the_rest_of_the_time(
    nginx: Nginx, bucket: Recorder, theirs: str | None, ours: str
) -> None:
    headers = {} if theirs is None else {"Cache-Control": theirs}
    bucket.respond = lambda seen: Reply(304 if seen.headers["If-None-Match"] else 200, b"", headers)

    for asked in ({}, {"If-None-Match": '"a"'}):
        (sent,) = ask(nginx.port, signed("photo/a.jpg", 600), headers=asked).headers.get_all("Cache-Control", [])
        assert sent.startswith(ours)
        assert "max-age" not in sent or 595 <= int(sent.rpartition("=")[2]) <= 600


@pytest.mark.parametrize(("status", "key"), [(404, "photo/a.jpg"), (500, "photo/a.jpg"), (416, "prew/large/a.jpg")])
def test_a_failure_is_not_kept(nginx: Nginx, bucket: Recorder, status: int, key: str) -> None:
    bucket.respond = lambda _: Reply(status)

    answer = ask(nginx.port, signed(key))

    assert answer.status == {500: 502}.get(status, status)
    assert answer.headers.get_all("Cache-Control") == ["no-store"]


def test_the_services_failures_keep_their_headers(nginx: Nginx, bucket: Recorder, service: Recorder) -> None:
    bucket.respond = lambda _: Reply(404)
    service.respond = lambda _: Reply(422, b"{}", {"Cache-Control": "no-store"})

    answer = ask(nginx.port, signed("prew/large/a.jpg"))

    assert (answer.status, answer.headers.get_all("Cache-Control")) == (422, ["no-store"])


def test_the_query_reaches_no_upstream(nginx: Nginx, bucket: Recorder, service: Recorder) -> None:
    bucket.respond = lambda _: Reply(404)

    ask(nginx.port, signed("prew/large/a.jpg"))

    assert [seen.target for seen in (*bucket.seen, *service.seen)] == [
        f"{BUCKET_PATH}/prew/large/a.jpg",
        "/prew/large/a.jpg",
    ]


def test_one_copy_in_the_cache_is_served_to_every_signature_and_to_nobody_without(cached: Nginx, put: Put) -> None:
    etag = put("prew/large/kept.jpg", b"0123456789")
    first = ask(cached.port, signed("prew/large/kept.jpg", 600))
    put("prew/large/kept.jpg", b"newer")

    others = [
        ask(cached.port, signed("prew/large/kept.jpg", 300, KEYS[1])),
        ask(cached.port, f"/prew/large/%6bept.jpg?{query('prew/large/', 9)}"),
    ]
    head = ask(cached.port, signed("prew/large/kept.jpg"), "HEAD")
    part = ask(cached.port, signed("prew/large/kept.jpg"), headers={"Range": "bytes=2-3"})
    same = ask(cached.port, signed("prew/large/kept.jpg"), headers={"If-None-Match": etag})

    assert (first.headers["X-Cache"], first.body) == ("MISS", b"0123456789")
    assert [(answer.headers["X-Cache"], answer.body) for answer in others] == [("HIT", b"0123456789")] * 2
    assert (head.status, head.headers["Content-Length"]) == (200, "10")
    assert (part.status, part.body) == (206, b"23")
    assert (same.status, same.body) == (304, b"")
    assert all(each.headers["Cache-Control"].startswith("private, max-age=") for each in (*others, head, part, same))
    for wrong in ("", f"?{query('prew/large/kept.jpg', -1)}", f"?{query('prew/small/kept.jpg')}"):
        assert_refused(ask(cached.port, f"/prew/large/kept.jpg{wrong}"))


def test_a_real_s3_answers_head_ranges_and_conditions(
    start: StartNginx, s3: S3, recorders: dict[str, str], signing: dict[str, str], put: Put
) -> None:
    nginx = start({**recorders, **signing, "PREW_NGINX_S3_SERVER": f"127.0.0.1:{s3.port}"})
    key = "photo/ключ/a b+c%20d (1)'.jpg"
    etag = put(key, b"0123456789")

    for path in (strictly(key), lazily(key)):
        url = f"{path}?{query(key)}"
        assert ask(nginx.port, url).body == b"0123456789"
        assert ask(nginx.port, url, "HEAD").headers["Content-Length"] == "10"
        assert ask(nginx.port, url, headers={"Range": "bytes=2-3"}).body == b"23"
        assert ask(nginx.port, url, headers={"If-None-Match": etag}).status == 304


@pytest.mark.fault("signature")
def test_keys_rotate_by_the_file_alone(nginx: Nginx, bucket: Recorder, rotating: Path) -> None:
    """A new key is valid at once, a removed one is not, before and after a reload."""
    new = SigningKey("new", "n" * 40)
    old = signed("photo/a.jpg", by=KEYS[0])
    assert_refused(ask(nginx.port, signed("photo/a.jpg", by=new)))

    rotating.write_text(f"{new.id}:{new.secret}\n{TEXT}")
    assert [ask(nginx.port, url).status for url in (old, signed("photo/a.jpg", by=new))] == [200, 200]

    rotating.write_text(f"{new.id}:{new.secret}\n")
    nginx.program.signal(signal.SIGHUP)
    asked = len(bucket.seen)
    assert_refused(ask(nginx.port, old))
    assert len(bucket.seen) == asked
    assert ask(nginx.port, signed("photo/a.jpg", by=new)).status == 200


@pytest.mark.fault("signature")
@pytest.mark.parametrize(
    "text", [None, "", f"{KEYS[0].id}:\n", f"{KEYS[0].id}:short\n", f"x{KEYS[0].id}:{KEYS[0].secret}\n"]
)
def test_without_its_key_nginx_opens_nothing(
    nginx: Nginx, bucket: Recorder, service: Recorder, rotating: Path, text: str | None
) -> None:
    """An empty secret, as of a file half written, is one that everybody knows."""
    rotating.unlink() if text is None else rotating.write_text(text)
    guessed = signed("photo/a.jpg", by=SigningKey(KEYS[0].id, (text or "").partition(":")[2].strip()))

    for url in (signed("photo/a.jpg"), guessed):
        answer = ask(nginx.port, url)
        assert answer.status == (500 if text is None else 403)
        assert answer.headers["Cache-Control"] == "no-store"
    assert [*bucket.seen, *service.seen] == []


def test_the_access_log_has_no_signature(nginx: Nginx, bucket: Recorder) -> None:
    path = f"/photo/{time.time_ns()}.jpg"
    ask(nginx.port, f"{path}?{query(path[1:])}")
    assert bucket.seen
    while not (lines := [line for line in nginx.access_log.read_text(errors="replace").splitlines() if path in line]):
        pass

    (uri,) = (json.loads(line)["uri"] for line in lines)
    assert re.fullmatch(rf"{path}\?e=[0-9]{{10}}&k=2026-11&s=-", uri)


def test_without_a_list_no_signature_is_needed_nor_understood(recorded: Nginx, bucket: Recorder) -> None:
    assert [ask(recorded.port, f"/photo/a.jpg{rest}").status for rest in ("", "?e=1&k=a&s=b")] == [200, 200]
    assert len(bucket.seen) == 2


@pytest.mark.fault("photos-closed")
def test_closed_photos_are_404_and_s3_is_not_asked(
    start: StartNginx, recorders: dict[str, str], bucket: Recorder, service: Recorder
) -> None:
    nginx = start({**recorders, "PREW_NGINX_PHOTOS": "off"})

    for method in ("GET", "HEAD"):
        for target in ("/photo/a.jpg", "/photo/%61", "/photo/", "/photo", "/photo/a?e=1&k=a&s=b", "/photo%2Fa.jpg"):
            assert ask(nginx.port, target, method).status == 404
    assert ask(nginx.port, "/photo/a.jpg").problem["title"] == "Not Found"
    assert [*bucket.seen, *service.seen] == []
    assert ask(nginx.port, "/prew/card/a.jpg").body == b"from bucket"


@pytest.mark.fault("settings-invalid")
@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"PREW_NGINX_PHOTOS": "no"}, "PREW_NGINX_PHOTOS must be on or off"),
        ({"PREW_NGINX_PHOTOS": "off"}, "PREW_NGINX_SIGNED=photo needs PREW_NGINX_PHOTOS=on"),
        ({"PREW_NGINX_SIGNED": "large@2x"}, "PREW_NGINX_SIGNED must be names of presets and the word photo"),
        ({"PREW_NGINX_SIGNED": "larg"}, "PREW_NGINX_SIGNED names larg, which is no preset"),
        ({"PREW_NGINX_SIGNED": "tile", "PREW_PRESETS": '{"tiles": {}}'}, "PREW_NGINX_SIGNED names tile"),
        ({"PREW_NGINX_SIGNED": ""}, "PREW_NGINX_SIGNING_KEYS_FILE requires PREW_NGINX_SIGNED"),
        ({"PREW_NGINX_SIGNING_KEYS_FILE": ""}, "PREW_NGINX_SIGNED requires PREW_NGINX_SIGNING_KEYS_FILE"),
        ({"PREW_NGINX_SIGNING_KEYS_FILE": "/none"}, "PREW_NGINX_SIGNING_KEYS_FILE must be a readable file"),
        ({"PREW_NGINX_JS_MODULE": "/none"}, "PREW_NGINX_SIGNED requires nginx's njs module"),
    ],
)
def test_a_bad_variable_stops_the_start(signing: dict[str, str], variables: dict[str, str], message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        effective_environment({"PREW_NGINX_S3_SERVER": "127.0.0.1:443", **signing, **variables})


@pytest.mark.fault("settings-invalid")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"# one\n{TEXT}short:secret\n", "line 4: write id:secret"),
        (f"{TEXT}a b:{'s' * 32}\n", "line 3: write id:secret"),
        (TEXT.replace("\n", "\r\n"), "line 1: write id:secret"),
        ("", "has no key"),
        ("# none\n\n", "has no key"),
        (f"{TEXT}{TEXT}", f"has two keys with the id {KEYS[1].id}"),
    ],
)
def test_a_bad_keys_file_stops_the_start_and_no_secret_is_printed(
    signing: dict[str, str], tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "keys").write_text(text, newline="")
    variables = {**signing, "PREW_NGINX_SIGNING_KEYS_FILE": str(tmp_path / "keys")}

    with pytest.raises(ProgramError, match=f"PREW_NGINX_SIGNING_KEYS_FILE.*{message}") as raised:
        effective_environment({"PREW_NGINX_S3_SERVER": "127.0.0.1:443", **variables})

    assert not any(key.secret in str(raised.value) for key in KEYS)


@pytest.mark.parametrize(
    "presets", [{}, {"PREW_PRESETS": '{"large": {"width": 1}}'}, {"prew_presets__large__width": "1"}]
)
def test_a_preset_may_be_known_by_json_or_not_at_all(signing: dict[str, str], presets: dict[str, str]) -> None:
    own = {name: signing[name] for name in signing if name.startswith("PREW_NGINX_")}

    built = effective_environment(
        {"PREW_NGINX_S3_SERVER": "127.0.0.1:443", **own, **presets, "PREW_NGINX_SIGNED": "large"}
    )

    assert built["PREW_NGINX_SIGNED_PATHS"] == "prew/large(?![a-z0-9_])"
