"""S3 and the service get the same key, byte for byte, for every name."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote, unquote_plus

import pytest

from devstack.nginx_server import Nginx
from prewmanager.previews.catalogue import decode_path
from tests.nginx.conftest import BUCKET_PATH, Put
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
def test_photos_and_previews_are_found_under_their_encoded_names(
    front: Nginx, service: Recorder, put: Put, name: str, encode: Callable[[str], str]
) -> None:
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
    """In a path, S3 reads a bare + as a space, the service as a plus."""
    bucket.respond = lambda _: Reply(404)
    key = f"prew/card/{name}"

    answer = ask(recorded.port, encode(key))

    assert answer.body == b"from service"
    assert [unquote_plus(seen.target) for seen in bucket.seen] == [f"{BUCKET_PATH}/{key}"]
    assert [seen.target for seen in service.seen] == [encode(key)]
    assert decode_path(service.seen[0].target) == key


def test_but_for_pluses_paths_keep_the_clients_spelling(recorded: Nginx, service: Recorder, bucket: Recorder) -> None:
    bucket.respond = lambda _: Reply(404)
    target = "/prew/c%61rd%2fa%c3%A9%7e!~b"

    ask(recorded.port, target)

    assert [seen.target for seen in bucket.seen] == [f"{BUCKET_PATH}{target}"]
    assert [seen.target for seen in service.seen] == [target]


def test_only_eight_pluses_are_encoded_for_s3(recorded: Nginx, service: Recorder, bucket: Recorder) -> None:
    bucket.respond = lambda _: Reply(404)
    target = "/prew/card/" + "+" * 9

    ask(recorded.port, target)

    assert [seen.target for seen in bucket.seen] == [f"{BUCKET_PATH}{target}"]
    assert [unquote(seen.target) for seen in service.seen] == [target]


@pytest.mark.parametrize(
    "query", ["?acl", "?versionId=1", "?response-content-type=text/html", "?", "?a?b/../c", "?%00"]
)
def test_the_query_reaches_no_upstream(recorded: Nginx, service: Recorder, bucket: Recorder, query: str) -> None:
    """It would select S3's subresources and override responses."""
    bucket.respond = lambda _: Reply(404)

    ask(recorded.port, f"/prew/card/a.jpg{query}")
    ask(recorded.port, f"/photo/a.jpg{query}")

    assert [seen.target for seen in bucket.seen] == [f"{BUCKET_PATH}/prew/card/a.jpg", f"{BUCKET_PATH}/photo/a.jpg"]
    assert [seen.target for seen in service.seen] == ["/prew/card/a.jpg"]
