"""Photos whose keys do not begin as their paths do, and photos at the bucket's root, beside the previews."""

from __future__ import annotations

import pytest

from devstack.nginx_server import Nginx
from tests.nginx.conftest import BUCKET_PATH, StartNginx
from tests.nginx.recorder import Recorder, Reply
from tests.support.asking import ask


@pytest.fixture(scope="module", name="nested")
def _nested(start: StartNginx, recorders: dict[str, str]) -> Nginx:
    return start({**recorders, "PREW_SOURCE_KEYS": "wp-content/uploads"})


@pytest.fixture(scope="module", name="root")
def _root(start: StartNginx, recorders: dict[str, str]) -> Nginx:
    return start({**recorders, "PREW_SOURCE_KEYS": "", "PREW_NGINX_CACHE": "on"})


@pytest.mark.parametrize(
    ("target", "key"),
    [
        ("/photo/2026/11/a.jpg", "wp-content/uploads/2026/11/a.jpg"),
        ("/photo/2026/11/a%20b+c%C3%A9.jpg?v=1", "wp-content/uploads/2026/11/a%20b%2Bc%C3%A9.jpg"),
        ("/photo/photo/a.jpg", "wp-content/uploads/photo/a.jpg"),
        ("/photo/prew/card/a.jpg", "wp-content/uploads/prew/card/a.jpg"),
        ("/prew/card/2026/11/a.jpg", "prew/card/2026/11/a.jpg"),
    ],
)
def test_s3_is_asked_for_the_photos_own_key(nested: Nginx, bucket: Recorder, target: str, key: str) -> None:
    ask(nested.port, target)

    assert [seen.target for seen in bucket.seen] == [f"{BUCKET_PATH}/{key}"]


def test_a_photo_at_the_buckets_root_has_a_path(root: Nginx, bucket: Recorder) -> None:
    for target in ("/photo/2026/11/a.jpg", "/photo/prew", "/photo/prewx/card/a.jpg", "/photo/a%2F%2B.jpg"):
        ask(root.port, target)

    assert [seen.target.removeprefix(f"{BUCKET_PATH}/") for seen in bucket.seen] == [
        "2026/11/a.jpg",
        "prew",
        "prewx/card/a.jpg",
        "a%2F%2B.jpg",
    ]


@pytest.mark.parametrize(
    "target",
    [
        "/photo/prew/card/a.jpg",
        "/photo/prew/",
        "/photo/%70rew/card/a.jpg",
        "/photo/prew%2fcard/a.jpg",
        "/photo/prew%5ccard%5ca.jpg",
        "/photo/prew\\card/a.jpg",
        "/photo//prew/card/a.jpg",
        "/photo/x/../prew/card/a.jpg",
        "/photo/x%5c..%5cprew/card/a.jpg",
        "/photo/./prew/card/a.jpg",
        "/photo/%5cprew/card/a.jpg",
        "/photo/%2e/prew/card/a.jpg",
    ],
)
def test_no_spelling_of_a_path_opens_a_preview_as_a_photo(root: Nginx, bucket: Recorder, target: str) -> None:
    assert ask(root.port, target).status in {400, 404}
    assert bucket.seen == []


@pytest.mark.parametrize(
    ("fixture", "longest"), [("recorded", 1018), ("nested", 1005), ("root", 1024)], ids=["photo/", "nested", "root"]
)
@pytest.mark.parametrize("letter", ["a", "%C3%A9"])
def test_a_photos_key_may_have_as_many_bytes_as_s3_accepts(
    request: pytest.FixtureRequest, bucket: Recorder, fixture: str, longest: int, letter: str
) -> None:
    nginx: Nginx = request.getfixturevalue(fixture)
    bucket.respond = lambda _: Reply(200, body=b"photo")
    odd = "a" * (longest % 2)
    name = letter * (longest if letter == "a" else longest // 2) + (odd if letter != "a" else "")

    assert ask(nginx.port, f"/photo/{name}").status == 200
    assert ask(nginx.port, f"/photo/{name}a").status == 400


@pytest.mark.parametrize("fixture", ["nested", "root"])
def test_a_previews_path_has_its_own_limit(request: pytest.FixtureRequest, bucket: Recorder, fixture: str) -> None:
    nginx: Nginx = request.getfixturevalue(fixture)
    bucket.respond = lambda _: Reply(200, body=b"preview")
    path = f"/prew/card/{'a' * 1014}"

    assert (ask(nginx.port, path).status, ask(nginx.port, f"{path}a").status) == (200, 400)
