"""Events: the contract's examples are accepted, invalid ones are refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest

from lambda_resize.errors import InvalidRequest
from lambda_resize.request import DEFAULT_CACHE_CONTROL, Output, ResizeRequest, parse
from prewmanager_presets import Spec
from tests.contract_examples.examples import example


def test_the_minimal_request_is_enough() -> None:
    """The first source system's service omits the other fields, which have defaults."""
    assert parse(example("request_minimal")) == ResizeRequest(
        src_bucket="photos",
        src_key="photo/a/b.jpg",
        dst_bucket="photos",
        main=Output(
            preset_name="card",
            dst_key="prew/card/a/b.jpg",
            spec=Spec(width=720),
            fingerprint=Spec(width=720).fingerprint,
            cache_control=DEFAULT_CACHE_CONTROL,
        ),
        companions=(),
        thumbhash=False,
    )


def test_all_fields_are_parsed() -> None:
    request = parse(example("request_full")).main
    assert request.spec == Spec(width=720, height=480, format="jpeg", quality=80, jpeg_effort=1, chroma="auto")
    assert (request.fingerprint, request.cache_control) == ("0123456789ab", "public, max-age=31536000")


def test_null_means_the_default() -> None:
    """A service may send all fields, with null for those it does not set."""
    event = example("request_minimal")
    empty = dict.fromkeys(("height", "fit", "position", "format", "quality", "enlarge", "background", "fingerprint"))
    assert parse(event | empty | {"cache_control": None}) == parse(event)


@pytest.mark.fault("older-function")
def test_what_a_newer_service_asks_for_in_addition_has_no_part_in_the_fingerprint() -> None:
    event = example("request_full") | {"fingerprint": "0123456789ab"}
    known, newer = parse(event).main, parse(event | {"watermark": {"text": "new"}}).main

    assert (known.fingerprint, known.unknown) == ("0123456789ab", ())
    assert (newer.fingerprint, newer.unknown) == (known.spec.fingerprint, ("watermark",))
    assert newer.spec == known.spec


def test_only_the_leading_part_of_the_key_is_replaced() -> None:
    event = example("request_minimal") | {"src_key": "photo/photo/photo.jpg"}
    assert parse(event).main.dst_key == "prew/card/photo/photo.jpg"


@pytest.mark.parametrize(
    "key", ["a b.jpg", "a+b%2F.jpg", "#?.jpg", "\"'.jpg", "back\\slash", "Привет/クズ箱.jpg", "..."]
)
def test_unusual_keys_stay_as_they_are(key: str) -> None:
    assert parse(example("request_minimal") | {"src_key": f"photo/{key}"}).main.dst_key == f"prew/card/{key}"


@pytest.mark.parametrize("key", ["a.jpg", "2026/11/a.jpg", "prew", "photo/a.jpg"])
def test_photos_may_be_at_the_buckets_root(key: str) -> None:
    event = example("request_minimal") | {"rewrite_part": "", "src_key": key}

    assert parse(event).main.dst_key == f"prew/card/{key}"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"src_key": None}, "src_key: "),
        ({"src_key": ""}, "src_key: "),
        ({"src_key": 7}, "src_key: "),
        ({"src_key": "other/a.jpg"}, "src_key: .*rewrite_part"),
        ({"src_key": "photos/a.jpg"}, "src_key: .*rewrite_part"),
        ({"src_key": "photo/"}, "src_key: .*segment"),
        ({"src_key": "photo/a//b.jpg"}, "src_key: .*segment"),
        ({"src_key": "photo/../b.jpg"}, "src_key: .*segment"),
        ({"src_key": "photo/./b.jpg"}, "src_key: .*segment"),
        ({"src_key": "photo/a\nb.jpg"}, "src_key: .*control"),
        ({"src_key": "photo/\ud800.jpg"}, "src_key: .*Unicode"),
        ({"src_key": "photo/" + "ж" * 510}, "src_key: 1026 bytes"),
        ({"src_key": "photo/" + "x" * 1016}, "the preview's key: 1026 bytes"),
        ({"root_folder": "../prew"}, "the preview's key: .*segment"),
        ({"preset_name": "a/b"}, "preset_name: "),
        ({"preset_name": None}, "preset_name: "),
        ({"rewrite_part": None}, "rewrite_part: "),
        ({"rewrite_part": 7}, "rewrite_part: "),
        ({"rewrite_part": "", "src_key": "prew/card/a.jpg"}, "src_key: .*is a preview's"),
        ({"rewrite_part": "", "src_key": "prew\\\\card/a.jpg"}, "src_key: .*is a preview's"),
        ({"rewrite_part": "", "src_key": "/a.jpg"}, "src_key: .*segment"),
        ({"root_folder": None}, "root_folder: "),
        ({"src_bucket": None}, "src_bucket: "),
        ({"src_bucket": "a/b"}, "src_bucket: "),
        ({"dst_bucket": ""}, "dst_bucket: "),
        ({"width": None}, "width, height: "),
        ({"cache_control": "a\r\nSet-Cookie: b"}, "cache_control: "),
        ({"fingerprint": "é"}, "fingerprint: "),
    ],
)
def test_an_invalid_field_is_refused_with_its_name_and_the_reason(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{reason}"):
        parse(example("request_minimal") | change)


@pytest.mark.parametrize("event", [None, [], "photo/a.jpg", 7])
def test_an_event_is_an_object(event: object) -> None:
    with pytest.raises(InvalidRequest, match=r"^the event is"):
        parse(event)


def test_further_previews_are_outputs_of_their_own() -> None:
    also = [{"preset_name": "thumb", "width": 200}, {"preset_name": "tiny", "height": 9, "cache_control": "no-store"}]
    also[0]["fingerprint"] = "abc"
    request = parse(example("request_minimal") | {"also": also, "cache_control": "max-age=1", "thumbhash": True})
    assert request.thumbhash
    assert request.outputs == (request.main, *request.companions)
    assert [
        (each.preset_name, each.dst_key, each.spec, each.fingerprint, each.cache_control) for each in request.companions
    ] == [
        ("thumb", "prew/thumb/a/b.jpg", Spec(width=200), "abc", "max-age=1"),
        ("tiny", "prew/tiny/a/b.jpg", Spec(height=9), Spec(height=9).fingerprint, "no-store"),
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"also": "thumb"}, "also: not a list"),
        ({"also": [{"preset_name": "p", "width": 1}] * 17}, "also: not a list of at most 16"),
        ({"also": ["thumb"]}, "also is str"),
        ({"also": [{"width": 1}]}, "preset_name: "),
        ({"also": [{"preset_name": "thumb"}]}, "width, height: "),
        ({"also": [{"preset_name": "card", "width": 1}]}, "also: .* more than once"),
        ({"also": [{"preset_name": "p", "width": 1}] * 2}, "also: .* more than once"),
        ({"also": [{"preset_name": "x" * 1100, "width": 1}]}, "the preview's key: "),
        ({"thumbhash": 1}, "thumbhash: "),
    ],
)
def test_an_invalid_further_preview_fails_the_whole_request(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^{reason}"):
        parse(example("request_minimal") | change)
