"""The spellings of an image's URL: the viewer function and the edge function read every one alike."""

from __future__ import annotations

from pathlib import Path
from random import Random
from urllib.parse import quote, quote_plus, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devstack.cloudfront.viewer_request import ViewerRequest
from lambda_resize.edge.errors import BadQuery
from lambda_resize.edge.query import EdgeQuery, asks_for_an_image, parse_query
from lambda_resize.edge.settings import EdgeSettings
from lambda_resize.edge.urls import loggable, spelled

VIEWER = ViewerRequest(Path(__file__).resolve().parents[2] / "infra" / "viewer.js")
SETTINGS = EdgeSettings()

NAMES = {
    "a.jpg": "a.jpg",
    "사진 1.jpg": "%EC%82%AC%EC%A7%84%201.jpg",
    "a b.jpg": "a%20b.jpg",
    "a+b.jpg": "a+b.jpg",
    "a'b\".jpg": "a'b%22.jpg",
    "a[1]{2}|3^4`5.jpg": "a%5B1%5D%7B2%7D%7C3%5E4%605.jpg",
    "a\\b.jpg": "a%5Cb.jpg",
    "100%.jpg": "100%25.jpg",
}


def component(text: str) -> str:
    """JavaScript's `encodeURIComponent`."""
    return quote(text, safe="!'()*~-._")


def whole(text: str) -> str:
    """JavaScript's `encodeURI`, of text without escapes."""
    return quote(text, safe="!'()*~-._;/?:@&=+$,#")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_the_same_url_in_every_spelling(name: str) -> None:
    """Unencoded, as a browser sends it; encoded once, twice, thrice; and as forms encode it."""
    url, expected = f"https://h.example/{name}", f"https://h.example/{NAMES[name]}"
    spellings = [
        url,
        whole(url),
        component(url),
        component(whole(url)),
        component(component(url)),
        component(component(component(url))),
        quote_plus(url),
        component(url).replace("https", "HTTPS", 1),
        component(url.replace("h.example", "H.Example")),
        component(f"{url}#part"),
    ]

    assert {spelled(each) for each in spellings if "#" not in each} == {expected}


@pytest.mark.parametrize("name", [*NAMES, "a#1.jpg", "#.jpg", "a & b.jpg", "50% + #1.jpg", "a=b,c;d@e:f.jpg"])
def test_an_encoded_name_behind_a_url_that_is_not_is_that_name(name: str) -> None:
    """`"https://h.example/" + encodeURIComponent(name)`, whatever a URL means by the characters in it."""
    url = spelled(f"https://h.example/{component(name)}")

    assert unquote(urlsplit(url).path) == f"/{name}"
    assert ("+" in urlsplit(url).path, urlsplit(url).fragment) == (False, "")
    assert spelled(component(url)) == url


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("https://h.example/a+b.jpg", "https://h.example/a+b.jpg"),
        ("https://h.example/a%2bb.jpg", "https://h.example/a%2Bb.jpg"),
        ("https%3A%2F%2Fh.example%2Fa%252Bb.jpg", "https://h.example/a%2Bb.jpg"),
        ("https%3A%2F%2Fh.example%2Fa%2523.jpg", "https://h.example/a%23.jpg"),
        ("https%253A%252F%252Fh.example%252Fa%25252Bb.jpg", "https://h.example/a%2Bb.jpg"),
        ("https://h.example/a.jpg%3Fv%3D1%26x%3D2", "https://h.example/a.jpg?v=1&x=2"),
        ("https://h.example/a.jpg?Signature=x%2By%3D", "https://h.example/a.jpg?Signature=x%2By="),
        ("https://h.example/%c7%d1.jpg", "https://h.example/%C7%D1.jpg"),
        ("https%3A%2F%2Fh.example%2F%c7%d1.jpg", "https://h.example/%C7%D1.jpg"),
        ("https%3A%2F%2Fh.example%2Fa%2520b%3Fx%3D%252B%26y%3D1", "https://h.example/a%20b?x=%2B&y=1"),
        ("https%3A%2F%2Fh.example%2Fa+b", "https://h.example/a%20b"),
        ("https://h.example", "https://h.example"),
        ("https://H.example:8443/A?U=B", "https://h.example:8443/A?U=B"),
    ],
)
def test_other_encodings_queries_and_hosts(value: str, url: str) -> None:
    assert spelled(value) == url


@pytest.mark.parametrize(
    "value", ["none", "//h.example/a", "https:///a", "https:h.example", "https://h.example/%0A", "a:b"]
)
def test_what_is_no_url_is_malformed(value: str) -> None:
    with pytest.raises(BadQuery):
        spelled(value)


def test_a_signed_url_may_be_as_long_as_cloudfront_lets_through() -> None:
    url = "https://h.example/a?X-Amz-Security-Token=" + "a%2Fb" * 1500

    assert spelled(url.replace("%", "%25")) == url
    with pytest.raises(BadQuery):
        spelled(url + "a" * 8192)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/a?X-Amz-Signature=1", "https://h/a?…"),
        ("s=https%3A%2F%2Fh%2Fa%3FX-Amz-Signature%3D1", "s=https%3A%2F%2Fh%2Fa?…"),
        ("s=https%253A%252F%252Fh%252Fa%253FX-Amz-Signature%253D1", "s=https%253A%252F%252Fh%252Fa?…"),
        ("https://h/" + "a" * 300, "https://h/" + "a" * 190 + "…"),
    ],
)
def test_a_log_shows_no_query(url: str, shown: str) -> None:
    assert loggable(url) == shown


def _read(querystring: str) -> EdgeQuery | str | None:
    try:
        return parse_query(querystring, SETTINGS) if asks_for_an_image(querystring) else None
    except BadQuery:
        return "invalid"


# What spellings are made of, one after the other.
_TEXT = (
    "https:// http:// HTTPS:// https%3A%2F%2F http%253A%252F%252F ftp:// h.example H.Example / a %20 %2520 %ED%95%9C "
    "%ed 한 + %2B %2b %25 % ?x=1 # %23 @ %5C \\ ' \" %00 %0a 300 0 %30 %33 : [ %C3 é = 2400 99999 -1 6e2"
)
_PIECES = st.sampled_from(_TEXT.split())
_VALUES = st.lists(_PIECES, max_size=9).map("".join)
_URLS = st.builds("{}{}".format, st.sampled_from(["https://h.example/", "https%3A%2F%2Fh.example%2F"]), _VALUES)
_SIDES = st.text("0123456789%", max_size=6) | _VALUES
_FIELDS = st.one_of(
    st.tuples(st.just("s"), _VALUES | _URLS),
    st.tuples(st.sampled_from(["w", "h"]), _SIDES),
    st.tuples(st.sampled_from(["utm", "S", "%73", ""]), _VALUES),
)
_QUERIES = st.lists(_FIELDS, max_size=5).map(lambda fields: "&".join(f"{name}={value}" for name, value in fields))


@given(_QUERIES)
def test_the_edge_function_reads_the_same_before_and_after_the_viewer_function(querystring: str) -> None:
    normalised = VIEWER.normalised("/a", querystring).querystring

    assert _read(normalised) == _read(querystring)


@given(_QUERIES)
def test_normalising_twice_changes_nothing_more(querystring: str) -> None:
    once = VIEWER.normalised("/a", querystring).querystring

    assert VIEWER.normalised("/a", once).querystring == once


@given(_QUERIES, st.randoms(use_true_random=False))
def test_what_reads_alike_has_one_key_whatever_the_order(querystring: str, random: Random) -> None:
    read = _read(querystring)
    if not isinstance(read, EdgeQuery):
        return
    given_sides = {name for name, _, value in (pair.partition("=") for pair in querystring.split("&")) if value}
    sizes = [f"{name}=0{value}" for name, value in (("w", read.width), ("h", read.height)) if name in given_sides]
    fields = [f"s={component(read.url)}", "utm_source=x", *sizes]
    random.shuffle(fields)

    assert len({VIEWER.normalised("/a", each).querystring for each in ("&".join(fields), querystring)}) == 1
