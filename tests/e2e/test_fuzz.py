"""Five thousand hostile URIs through nginx: no 5xx, no key outside its prefix, no resize."""

from __future__ import annotations

import random
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from devstack.backends import s3_client
from devstack.lambda_server import Lambda
from tests.support.asking import Answer, ask
from tests.support.site import Site

COUNT = 5000
PIECES = [
    b"..", b".", b"/", b"//", b"\\", b"%2e", b"%2E%2e", b"%2f", b"%2F", b"%5c", b"%252e%252e%252f", b"%00",
    b"%0d%0a", b"%0a", b"%7f", b"%ff", b"%fe%ff", b"%c0%ae", b"%ed%a0%80", b"%e2%80%ae", b"\xff",
    "é".encode(), b"%", b"%2", b"%zz", b"+", b"%2b", b"%20", b"?", b"?acl", b"?versionId=x", b"#", b"%23",
    b"%3f", b"'", b'"', b"<", b">", b"&", b";", b"=", b"a", b"a.jpg", b"photo", b"prew", b"card", b"thumb",
    b"secret", b"etc/passwd", b"x" * 300, "ф".encode() * 50, b"%d1%84" * 200, b"~", b"|", b"^", b"`", b"{",
    b"}", b"[", b"]", b"@", b":", b"http://", b"*",
]  # fmt: skip
STARTS = [b"/prew/card/", b"/prew/thumb/", b"/prew/", b"/prew/unheard_of/", b"/photo/", b"/", b"/prew", b""]


def _target(dice: random.Random) -> bytes:
    if dice.random() < 0.01:
        return b"/prew/card/" + b"x" * dice.choice([900, 1010, 4000, 8000, 9000, 40_000])
    return dice.choice(STARTS) + b"".join(dice.choices(PIECES, k=dice.randint(1, 8)))


def _names_a_possible_photo(target: bytes) -> bool:
    """Whether a target may legitimately cause an invocation: a known preset, and a valid key."""
    return re.match(rb"/prew/(card|thumb)/[^/]", target) is not None


@pytest.mark.fault("hostile-paths")
def test_no_hostile_uri_gets_a_5xx_or_invokes_the_function(site: Site, function: Lambda) -> None:
    client = s3_client(site.s3)
    client.put_object(Bucket=site.s3.bucket, Key="secret/a.jpg", Body=b"secret")
    before = _keys(client, site.s3.bucket)
    dice = random.Random(20_261_121)
    targets = [_target(dice) for _ in range(COUNT)]
    hopeless = [target for target in targets if not _names_a_possible_photo(target)]
    hopeful = [target for target in targets if _names_a_possible_photo(target)]
    invocations = function.stats()["invocations"]
    unexpected = _unexpected(site, hopeless)

    assert min(len(hopeless), len(hopeful)) > COUNT // 10
    assert function.stats()["invocations"] == invocations
    assert unexpected + _unexpected(site, hopeful) == []
    assert _keys(client, site.s3.bucket) == before


def _unexpected(site: Site, targets: list[bytes]) -> list[tuple[bytes, int, bytes]]:
    """Request all targets; return those answered by a 5xx, or by a body that is not public."""
    with ThreadPoolExecutor(8) as threads:
        answers = threads.map(lambda target: (target, ask(site.nginx.port, target)), targets)
        return [(target, got.status, got.body[:200]) for target, got in answers if _is_unexpected(got)]


def _is_unexpected(answer: Answer) -> bool:
    return answer.status >= 500 or answer.body == b"secret"


def _keys(client: Any, bucket: str) -> set[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {item["Key"] for page in pages for item in page.get("Contents", [])}
