"""Signed URLs: what is signed, and the keys file."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from prewmanager.errors import InvalidKey
from prewmanager.previews.signed_urls import SigningKey, path_of, signed_query, signing_keys
from tests.support.vectors import vectors

VECTORS = vectors("signed_urls")
SECRET = "s" * 32


EVERY = [*VECTORS["signed"], *VECTORS["of_sources"]]


@pytest.mark.parametrize("vector", EVERY, ids=lambda vector: f"{vector['id']} {vector['key']}")
def test_paths_and_queries_are_those_of_the_vectors(vector: dict[str, str]) -> None:
    key = SigningKey(vector["id"], VECTORS["keys"][vector["id"]])

    assert path_of(vector["key"]) == vector["path"]
    asked = vector["key"], VECTORS["expires"], key, VECTORS["preview_prefix"], vector.get("source", "")
    assert signed_query(*asked) == vector["query"]


@pytest.mark.parametrize("vector", EVERY, ids=lambda vector: f"{vector['id']} {vector['key']}")
def test_a_vectors_signature_is_the_hmac_of_its_text(vector: dict[str, str]) -> None:
    digest = hmac.digest(VECTORS["keys"][vector["id"]].encode(), vector["text"].encode(), hashlib.sha256)

    assert vector["query"].endswith(f"&s={base64.urlsafe_b64encode(digest).decode().rstrip('=')}")


@pytest.mark.parametrize("key", ["photo//a", "photo/../a", "photo/a\n", "/", "photo/" + "a/" * 99])
def test_what_no_request_can_name_is_not_signed(key: str) -> None:
    with pytest.raises(InvalidKey):
        signed_query(key, 4102444800, SigningKey("a", SECRET), "prew")


@pytest.mark.parametrize("expires", [0, 999_999_999, 10_000_000_000])
def test_an_expiry_has_ten_digits(expires: int) -> None:
    with pytest.raises(ValueError, match="ten digits"):
        signed_query("photo/a", expires, SigningKey("a", SECRET), "prew")


def test_a_keys_file_has_a_key_in_each_line_but_empty_ones_and_remarks() -> None:
    text = f"# signs since November\n2026-11:{SECRET}\n\nold:a:b{SECRET}\n"

    assert signing_keys(text) == [SigningKey("2026-11", SECRET), SigningKey("old", f"a:b{SECRET}")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no key"),
        ("# nothing\n", "no key"),
        (f"a:{SECRET}\na:{SECRET}", "line 2 repeats the id a"),
        (f"a:{SECRET[1:]}", "line 1 is not id:secret"),
        (f"a b:{SECRET}", "line 1 is not id:secret"),
        (f"a:{SECRET} ", "line 1 is not id:secret"),
        (f"a:{SECRET}\r\n", "line 1 is not id:secret"),
        (f"\n{SECRET}", "line 2 is not id:secret"),
        (f"a:{SECRET * 9}", "line 1 is not id:secret"),
    ],
)
def test_a_keys_file_that_is_wrong_is_refused_without_a_secret(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        signing_keys(text)

    assert SECRET[1:] not in str(raised.value)
