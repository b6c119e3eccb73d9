"""The soak notices what is wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest

from tests.docs.faults import promises
from tests.soak.clients import photo_request, preview_request
from tests.soak.faults import FAULTS
from tests.soak.load import BURST
from tests.soak.measure import BOUNDS, KEPT, KEPT_TO_REDIS, MEMORY, leaks
from tests.soak.pictures import Picture
from tests.soak.run import Renderings, defects
from tests.soak.schedule import NO_FAULT, Injected, Schedule
from tests.soak.truth import Answer, Cut, Hanging, Outcome, Photo, Request, Version, violation

OLD = Picture("old", b"old photo", {"card": frozenset({b"old preview"})})
NEW = Picture("new", b"new photo", {"card": frozenset({b"new preview", b"new preview, of a batch"})})
DAMAGED = Picture("damaged", b"damaged", {})
NO_PHOTO = Photo("none.jpg")
# Uploaded at 10 s, overwritten from 20 s to 21 s, with its event handled at 25 s.
CHANGED = Photo("a.jpg", [*NO_PHOTO.versions, Version(OLD, 10, 10, 10), Version(NEW, 20, 21, 25)])
BROKEN = Photo("b.jpg", [Version(DAMAGED, 0, 0, 0)])


def _card(photo: Photo = CHANGED, **headers: str) -> Request:
    return preview_request("", photo, "card", **headers)


def _picture(body: bytes, status: int = 200, whole: bytes | None = None) -> Answer:
    etag = hashlib.md5(body if whole is None else whole, usedforsecurity=False).hexdigest()
    return Answer(status, {"etag": f'"{etag}"', "content-type": "image/jpeg", "content-length": str(len(body))}, body)


def _error(status: int, **headers: str) -> Answer:
    named: Mapping[str, str] = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"cache-control": "no-store", **named}, json.dumps({"status": status}).encode())


@pytest.mark.parametrize(
    ("request_", "outcome", "at"),
    [
        (_card(), _picture(b"old preview"), (22, 23)),
        (_card(), _picture(b"new preview, of a batch"), (19, 22)),
        (_card(), _picture(b"new preview"), (26, 27)),
        (photo_request("", CHANGED), _picture(b"new photo"), (22, 23)),
        (
            _card(If_None_Match=f'"{hashlib.md5(b"new preview", usedforsecurity=False).hexdigest()}"'),
            _picture(b"", 304),
            (26, 27),
        ),
        (_card(Range="bytes=-3"), _picture(b"iew", 206, b"new preview"), (26, 27)),
        (_card(), _error(404), (5, 6)),
        (_card(NO_PHOTO), _error(404), (5, 6)),
        (_card(BROKEN), _error(422), (5, 6)),
        (Request("", "/nope", statuses=[404]), _error(404), (5, 6)),
    ],
)
def test_what_is_right_is_no_violation(request_: Request, outcome: Outcome, at: tuple[float, float]) -> None:
    assert violation(request_, outcome, *at) is None


@pytest.mark.parametrize(
    ("request_", "outcome", "at"),
    [
        (_card(), _picture(b"old preview"), (26, 27)),
        (_card(), _picture(b"new preview"), (18, 19)),
        (photo_request("", CHANGED), _picture(b"old photo"), (22, 23)),
        (_card(), _picture(b"new previe\0", 200, b"new preview"), (26, 27)),
        (_card(), _picture(b"new", 200, b"new preview"), (26, 27)),
        (_card(Range="bytes=0-1"), _picture(b"newp", 206, b"new preview"), (26, 27)),
        (_card(If_None_Match='"0"'), _picture(b"", 304), (26, 27)),
        (_card(), _error(404), (26, 27)),
        (_card(), _error(422), (26, 27)),
        (_card(), _error(502), (26, 27)),
        (_card(BROKEN), _picture(b""), (5, 6)),
        (_card(NO_PHOTO), Answer(404, {"cache-control": "no-store"}, b"<Error/>"), (5, 6)),
        (_card(NO_PHOTO), Answer(404, {"cache-control": "max-age=60"}, b'{"status": 404}'), (5, 6)),
        (_card(), Cut(), (26, 27)),
        (_card(), Hanging(), (26, 27)),
    ],
)
def test_what_is_wrong_is_a_violation(request_: Request, outcome: Outcome, at: tuple[float, float]) -> None:
    assert violation(request_, outcome, *at)


def test_a_fault_allows_its_statuses_and_no_wrong_bytes_in_any_case() -> None:
    allowed = {"503", "cut"}

    assert violation(_card(), _error(503, retry_after="1"), 26, 27, allowed) is None
    assert violation(_card(), Cut(), 26, 27, allowed) is None
    assert violation(_card(), _error(503), 26, 27, allowed) == "503 without Retry-After"
    assert violation(_card(), _error(502), 26, 27, allowed)
    assert violation(_card(), _picture(b"old preview"), 26, 27, allowed)


def test_a_replica_without_redis_keeps_that_a_photo_was_missing_but_no_picture() -> None:
    uploaded = Photo("a.jpg", [*NO_PHOTO.versions, Version(OLD, 10, 10, 10)])

    assert violation(_card(uploaded), _error(404), 11, 12, known_s=3) is None
    assert violation(_card(uploaded), _error(404), 14, 15, known_s=3)
    assert violation(_card(), _picture(b"old preview"), 26, 27, known_s=3)


def test_what_is_allowed_is_that_of_the_faults_of_the_time_and_their_aftermath() -> None:
    schedule = Schedule(Random(1), ["s3-away", "redis-killed"])
    schedule.injected += [Injected("s3-away", 100, 102), Injected("redis-killed", 200, 202)]

    assert schedule.allowed(90, 99) == schedule.allowed(201, 201) == schedule.allowed(110, 111) == set()
    assert schedule.allowed(90, 101) == schedule.allowed(104, 105) == {"502", "cut"}


def test_for_what_is_stored_less_may_be_allowed() -> None:
    schedule = Schedule(Random(1), ["lambda-away"])
    schedule.injected += [Injected("lambda-away", 100, 102)]

    assert schedule.allowed(101, 101) == {"502", "503"}
    assert schedule.allowed(101, 101, stored=True) == set()


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("tasks", 8),
        ("descriptors", 37),
        ("waiting", 1),
        ("resizes", 1),
        ("Redis keys", 5),
        (MEMORY, 151),
        (KEPT, 105),
        (KEPT_TO_REDIS, 69),
    ],
)
def test_what_is_not_back_is_a_leak(name: str, after: float) -> None:
    before = {("a process", each): 100.0 if each == MEMORY else 4.0 for each in BOUNDS}
    before["a process", "descriptors"] = 16.0
    before |= {("a process", each): 0.0 for each in ("waiting", "resizes")}

    assert leaks(before, before) == []
    assert leaks(before, before | {("a process", name): after}) == [
        f"a process: {name} {before['a process', name]:.0f} → {after}"
    ]


def test_a_second_rendering_of_a_burst_is_noticed_without_a_fault() -> None:
    request = preview_request(BURST, CHANGED, "card")
    made, joined = (Answer(200, {"x-preview": word}, b"") for word in ("made", "joined"))

    renderings = Renderings()
    assert not renderings.repeats(request, made, "redis-killed")
    assert [renderings.repeats(request, each, NO_FAULT) for each in (made, joined, made)] == [False, False, True]
    assert not renderings.repeats(preview_request(BURST, CHANGED, "thumb"), made, NO_FAULT)


def test_a_defect_in_a_log_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "replica-1.log").write_text('{"event": "flight"}\n{"event": "flight.crashed"}\n')
    (tmp_path / "lambda.log").write_text('Traceback: CleanerError\n{"kind": "internal"}\n')

    assert defects(tmp_path) == ['{"event": "flight.crashed"}', '{"kind": "internal"}']


def test_a_seed_is_one_sequence_of_faults() -> None:
    def first(seed: int) -> list[str]:
        upcoming = Schedule(Random(seed), list(FAULTS))._sequence()
        return [next(upcoming)[0] for _ in FAULTS]

    assert first(1) == first(1) != first(2)
    assert sorted(first(1)) == sorted(FAULTS)


def test_each_fault_of_the_soak_is_one_of_the_matrix_and_the_other_way_round() -> None:
    assert {promise.name for promise in promises() if promise.allowed is not None} == set(FAULTS)
