"""The service's side of the Lambda contract, with the examples that the function's tests use as well."""

from __future__ import annotations

import contextvars
import dataclasses
from typing import Any

import pytest

from prewmanager import request_context
from prewmanager.errors import (
    CredentialsRefused,
    Overloaded,
    PhotoCorrupt,
    PhotoFatal,
    PhotoHidden,
    PhotoMissing,
    PhotoTimedOut,
    PhotoTooLarge,
    PhotoUnsupported,
    PreviewFailed,
    ResizerFailed,
    StorageFailed,
)
from prewmanager.previews.catalogue import Catalogue
from prewmanager.previews.layout import Layout
from prewmanager.previews.outcome import Failure, Made
from prewmanager.resizing.contract import ResizeContract, invocation_cost
from prewmanager.resizing.render import InvocationCost, RenderJob
from prewmanager_presets import Preset
from tests.contract_examples.examples import example

CONTRACT = ResizeContract("photos", "photos", Layout("photo", "prew"), "public, max-age=31536000")
CARD = Preset(width=720, height=480, format="jpeg", quality=80)
CATALOGUE = Catalogue({"card": CARD, "hero": Preset(width=1600), "thumb": Preset(width=9)}, Layout("photo", "prew"))
JOB = RenderJob(CATALOGUE.resolve("/prew/card/a/b.jpg"))


def test_the_request_has_exactly_the_fields_of_the_full_example() -> None:
    expected = example("request_full")

    def sent() -> dict[str, Any]:
        request_context.set_request_headers({"X-Request-Id": expected["request_id"]})
        request_context.set_traceparent(expected["traceparent"])
        return CONTRACT.request(JOB)

    assert contextvars.copy_context().run(sent) == expected | {"fingerprint": CARD.fingerprint}


def test_every_field_of_the_minimal_request_is_sent() -> None:
    assert example("request_minimal").items() <= CONTRACT.request(JOB).items()


def test_the_function_is_asked_to_find_the_preview_only_where_the_job_says_so() -> None:
    """An older function would take the field for one of the preset."""
    assert "find" not in CONTRACT.request(JOB)
    assert CONTRACT.request(dataclasses.replace(JOB, find=True))["find"] is True


def test_the_function_is_asked_to_answer_first_only_where_the_job_says_so() -> None:
    """With what the service can serve meanwhile, which the function compares with its own time-outs."""
    contract = dataclasses.replace(CONTRACT, max_result_bytes=1_048_576, unwritten_s=30)
    assert "answer_first" not in contract.request(JOB)
    asked = contract.request(dataclasses.replace(JOB, answer_first=True))

    assert asked["answer_first"] == example("request_answer_first")["answer_first"]


def test_an_unwritten_preview_has_its_bytes_and_no_etag() -> None:
    """S3 has not given one, and may give another than MD5's."""
    result = CONTRACT.result(example("response_unwritten"), JOB)

    assert (result.made.stored, result.made.etag, result.made.body) == (False, "", b"\xff\xd8\xff\xe0\x00\x10")
    assert result.can == {"find", "answer_first", "polish"}
    assert CONTRACT.result(example("response_full"), JOB).made.stored


def test_an_unwritten_preview_without_its_bytes_is_none() -> None:
    answer = {name: value for name, value in example("response_unwritten").items() if name != "data"}
    with pytest.raises(ResizerFailed, match="neither"):
        CONTRACT.result(answer, JOB)


def test_a_preview_that_was_found_comes_as_found() -> None:
    found = CONTRACT.result(example("response_found"), JOB)

    assert (found.found, set(found.can), found.made.body) == (True, {"find", "polish"}, b"\xff\xd8\xff\xe0\x00\x10")
    assert found.made.cache_control == "public, max-age=31536000"


@pytest.mark.parametrize("can", [None, [], ["other"], "find", {"find": True}])
def test_what_a_function_cannot_do_it_is_not_asked_for(can: object) -> None:
    answer = example("response_minimal") | ({} if can is None else {"can": can})

    assert CONTRACT.result(answer, JOB).can.isdisjoint({"find", "answer_first"})


def test_a_full_answer_is_the_result() -> None:
    made = CONTRACT.result(example("response_full"), JOB).made

    assert (made.content_type, made.size, made.body) == ("image/jpeg", 6, b"\xff\xd8\xff\xe0\x00\x10")
    assert made.etag == '"1b2cf535f27731c974343645a3985328"'
    assert made.cache_control == "public, max-age=31536000"


def test_the_minimal_answer_is_enough() -> None:
    """Without the newer fields, the ETag is computed as by S3, and Cache-Control is the service's."""
    made = CONTRACT.result(example("response_minimal"), JOB).made

    assert made.etag == '"86de41916cffa4d8fbab89629cef063f"'
    assert made.cache_control == "public, max-age=31536000"
    assert made.body == b"\xff\xd8\xff\xe0\x00\x10"


def test_an_answer_without_data_is_in_the_bucket() -> None:
    made = CONTRACT.result(example("response_too_large_to_carry"), JOB).made

    assert made.body is None
    assert made.size == 9_000_000


@pytest.mark.parametrize(
    ("kind", "failure"),
    [
        ("missing", PhotoMissing),
        ("unsupported", PhotoUnsupported),
        ("corrupt", PhotoCorrupt),
        ("crashed", PhotoFatal),
        ("too_large", PhotoTooLarge),
        ("forbidden", StorageFailed),
        ("storage", StorageFailed),
        ("timeout", PhotoTimedOut),
        ("credentials", CredentialsRefused),
        ("throttled", Overloaded),
        ("internal", ResizerFailed),
        ("from_the_future", ResizerFailed),
    ],
)
def test_each_kind_is_a_failure_of_its_own(kind: str, failure: type[PreviewFailed]) -> None:
    with pytest.raises(failure):
        CONTRACT.result(example("response_failed") | {"kind": kind}, JOB)


@pytest.mark.parametrize(("kind", "failure"), [("missing", PhotoHidden), ("corrupt", PhotoCorrupt)])
def test_a_photo_that_may_be_denied_is_a_missing_one_of_its_own_kind(kind: str, failure: type[PreviewFailed]) -> None:
    """An older service reads the same answer as `missing`."""
    with pytest.raises(failure):
        CONTRACT.result(example("response_failed") | {"kind": kind, "denied": True}, JOB)


def test_a_failure_of_the_first_source_system_has_no_kind() -> None:
    with pytest.raises(ResizerFailed, match="boom"):
        CONTRACT.result({"status": False, "error": "boom"}, JOB)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "ok",
        {},
        {"status": "yes"},
        {"status": True},
        {"status": True, "content_type": 3, "data": ""},
        {"status": True, "content_type": "image/jpeg", "data": "%%%"},
        {"status": True, "content_type": "image/jpeg", "size": "many"},
        {"status": True, "content_type": "text/html", "data": "/9j/4AAQ"},
        {"status": True, "content_type": "image/jpeg\r\nX-Evil: 1", "data": "/9j/4AAQ"},
    ],
)
@pytest.mark.fault("contract-broken")
def test_an_invalid_answer_is_a_failed_resize(answer: object) -> None:
    with pytest.raises(ResizerFailed):
        CONTRACT.result(answer, JOB)


def test_an_answer_has_its_gb_seconds_and_cold_start() -> None:
    """As Lambda bills them, also for a failed resize."""
    made, failed = invocation_cost(example("response_full")), invocation_cost(example("response_failed"))

    assert (made.cold_start, failed.cold_start) == (True, False)
    assert made.gb_seconds == pytest.approx(0.0331 * 1769 / 1024)
    assert failed.gb_seconds == pytest.approx(0.0024 * 1769 / 1024)


@pytest.mark.parametrize(
    "changed",
    [{"duration_ms": None}, {"duration_ms": "3"}, {"duration_ms": -1}, {"duration_ms": 1e12}, {"memory_mb": "x"}],
)
def test_an_invalid_cost_in_an_answer_is_ignored(changed: dict[str, object]) -> None:
    assert invocation_cost(example("response_full") | changed).gb_seconds == 0
    assert invocation_cost(example("response_minimal")) == invocation_cost(None) == InvocationCost()


def test_a_thumbhash_is_requested_if_configured() -> None:
    """An invalid one in the answer is dropped."""
    wanting = dataclasses.replace(CONTRACT, thumbhash=True)

    assert wanting.request(JOB)["thumbhash"] is True
    assert "thumbhash" not in CONTRACT.request(JOB)
    for answered, kept in (
        ("1QcSHQRnh493V4dIh4eXh1h4kJUI", True),
        ("1Q/+HQ==", True),
        ("a b", False),
        ("x\r\nY: 1", False),
    ):
        made = CONTRACT.result(example("response_full") | {"thumbhash": answered}, JOB).made
        assert made.thumbhash == (answered if kept else None)
    assert CONTRACT.result(example("response_full"), JOB).made.thumbhash is None


def test_each_companion_has_its_own_fields_and_its_own_outcome() -> None:
    hero, thumb = (CATALOGUE.resolve(f"/prew/{name}/a/b.jpg") for name in ("hero", "thumb"))
    job = RenderJob(JOB.preview, (hero, thumb))
    sent = CONTRACT.request(job)["also"]
    answer = example("response_full") | {"thumbhash": "1Q/+HQ==", "also": example("response_also")}
    result = CONTRACT.result(answer, job)

    assert [(each["preset_name"], each["width"]) for each in sent] == [("hero", 1600), ("thumb", 9)]
    assert [each["fingerprint"] for each in sent] == [hero.preset.fingerprint, thumb.preset.fingerprint]
    assert "also" not in CONTRACT.request(JOB)
    assert result.companions == {
        "hero": Made("image/jpeg", 70_000, '"e"', "public, max-age=31536000", None, "1Q/+HQ=="),
        "thumb": Failure("too_large", "thumb of photos/photo/a/b.jpg: too many pixels"),
    }


@pytest.mark.parametrize("responses", [None, [], "x", {}, {"hero": None}, {"other": {"status": True}}])
def test_a_function_may_know_no_companions(responses: object) -> None:
    job = RenderJob(JOB.preview, (CATALOGUE.resolve("/prew/hero/a/b.jpg"),))
    result = CONTRACT.result(example("response_minimal") | {"also": responses}, job)

    assert result.made.body
    assert result.companions == {}


@pytest.mark.parametrize("field", ["etag", "cache_control"])
def test_a_header_that_would_split_the_answer_is_ignored(field: str) -> None:
    made = CONTRACT.result(example("response_full") | {field: "a\r\nX-Evil: 1"}, JOB).made

    assert "Evil" not in made.etag + str(made.cache_control)


@pytest.mark.fault("companion-unclear")
@pytest.mark.parametrize(
    "response", [{"status": True, "size": 3}, {"status": "yes"}, "x", {"status": False, "kind": "internal"}]
)
def test_a_companion_with_an_unclear_answer_is_left_to_a_flight_of_its_own(response: object) -> None:
    job = RenderJob(JOB.preview, (CATALOGUE.resolve("/prew/hero/a/b.jpg"),))
    result = CONTRACT.result(example("response_full") | {"also": {"hero": response}}, job)

    assert result.companions == {}
