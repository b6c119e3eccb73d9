"""The key that S3 is asked for and the key that the service derives are the same bytes, for every name."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote, unquote_plus

import pytest

from devstack.nginx_server import Nginx
from prewmanager.previews.catalogue import decode_path
from tests.nginx.conftest import BUCKET_PATH
from tests.nginx.recorder import Recorder, Reply
from tests.support.asking import ask, lazily, strictly

NAMES = [
    "with spaces in it.jpg",
    " leading and trailing ",
    "plus+plus.jpg",
    "1+2+3+4+5+6+7+8.jpg",
    "++++++++.jpg",
    "plus + space.jpg",
    "already%20encoded.jpg",
    "hash%23encoded.jpg",
    "plus%2Bencoded.jpg",
    "slash%2Fencoded.jpg",
    "100%.jpg",
    "100%zz.jpg",
    "hash#tag.jpg",
    "question?mark=1&x.jpg",
    "quo\"te'd`.jpg",
    "[brackets](1){2}<3>.jpg",
    "a=b@c&d~e*f!g$h,i;j:k|l^m.jpg",
    "...dots..jpg",
    ".hidden",
    "фото/весна.jpg",
    "クズ箱/ゴミ.jpg",
    "e\u0301 and \u00e9.jpg",
    "family 👨‍👩‍👧.jpg",
    "l" * 200 + ".jpg",
    "д" * 100 + ".jpg",
]
ENCODINGS = [pytest.param(strictly, id="strict"), pytest.param(lazily, id="lazy")]


@pytest.mark.parametrize("encode", ENCODINGS)
@pytest.mark.parametrize("name", NAMES)
def test_an_object_is_found_under_its_name(
    front: Nginx, service: Recorder, put: Callable[..., str], name: str, encode: Callable[[str], str]
) -> None:
    """What was put under the exact key is got under its encoded path, photo and preview alike."""
    for key in (f"photo/{name}", f"prew/card/{name}"):
        put(key, key.encode())

        answer = ask(front.port, encode(key))

        assert (answer.status, answer.body) == (200, key.encode())
    assert service.seen == []


@pytest.mark.parametrize("encode", ENCODINGS)
@pytest.mark.parametrize("name", [*NAMES, "back\\slash.jpg"])
def test_s3_and_the_service_are_asked_for_one_key(
    recorded: Nginx, service: Recorder, bucket: Recorder, name: str, encode: Callable[[str], str]
) -> None:
    """S3 (a bare + read as a space) and the service (read as a plus) come to the same key, which is the client's."""
    bucket.respond = lambda _: Reply(404)
    key = f"prew/card/{name}"

    answer = ask(recorded.port, encode(key))

    assert answer.body == b"from service"
    assert [unquote_plus(seen.target) for seen in bucket.seen] == [f"{BUCKET_PATH}/{key}"]
    assert [seen.target for seen in service.seen] == [encode(key)]
    assert decode_path(service.seen[0].target) == key


def test_the_path_is_not_recoded(recorded: Nginx, service: Recorder, bucket: Recorder) -> None:
    """But for the plus, both get the client's own spelling: escapes of plain letters, either case, encoded slashes."""
    bucket.respond = lambda _: Reply(404)
    target = "/prew/c%61rd%2fa%c3%A9%7e!~b"

    ask(recorded.port, target)

    assert [seen.target for seen in bucket.seen] == [f"{BUCKET_PATH}{target}"]
    assert [seen.target for seen in service.seen] == [target]


def test_more_than_eight_pluses_are_the_services(recorded: Nginx, service: Recorder, bucket: Recorder) -> None:
    """A ninth plus is past what nginx encodes: S3 is asked as it stands, and the service gets the right key."""
    bucket.respond = lambda _: Reply(404)
    target = "/prew/card/" + "+" * 9

    ask(recorded.port, target)

    assert [seen.target for seen in bucket.seen] == [f"{BUCKET_PATH}{target}"]
    assert [unquote(seen.target) for seen in service.seen] == [target]


@pytest.mark.parametrize(
    "query", ["?acl", "?versionId=1", "?response-content-type=text/html", "?", "?a?b/../c", "?%00"]
)
def test_the_query_reaches_nobody(recorded: Nginx, service: Recorder, bucket: Recorder, query: str) -> None:
    """S3's subresources and response overrides cannot be reached, and the service gets the bare path."""
    bucket.respond = lambda _: Reply(404)

    ask(recorded.port, f"/prew/card/a.jpg{query}")
    ask(recorded.port, f"/photo/a.jpg{query}")

    assert [seen.target for seen in bucket.seen] == [f"{BUCKET_PATH}/prew/card/a.jpg", f"{BUCKET_PATH}/photo/a.jpg"]
    assert [seen.target for seen in service.seen] == ["/prew/card/a.jpg"]
