"""What is right: which pictures a photo may show at a time, and whether an answer shows one of them."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from tests.soak.pictures import Picture

OK, PARTIAL, NOT_MODIFIED = 200, 206, 304


@dataclass
class Version:
    """A photo between two uploads; without a picture it does not exist. Times are those of the event loop."""

    picture: Picture | None
    began: float
    stored: float = math.inf
    handled: float = math.inf


@dataclass
class Photo:
    """A photo and its history."""

    name: str
    versions: list[Version] = field(default_factory=lambda: [Version(None, -math.inf, -math.inf, -math.inf)])

    def shown(self, start: float, end: float, *, preview: bool) -> list[Picture | None]:
        """Return the pictures that an answer within this time may show.

        A photo shows the last upload that was stored before, a preview the last one whose event was handled before; and
        either may show any later one that began before the answer ended.
        """
        known = [version for version in self.versions if version.began <= end]
        past = [n for n, version in enumerate(known) if (version.handled if preview else version.stored) <= start]
        return [version.picture for version in known[past[-1] if past else 0 :]]


@dataclass(frozen=True)
class Request:
    """A request and what is right for it.

    Attributes:
        kind: What the load calls it.
        photo: The photo that it shows; None: the answer must have one of `statuses`.
        variant: The variant of the preview; empty: the photo itself.
        stored: Whether S3 has what it asks for, so that it takes no flight.
    """

    kind: str
    path: str
    photo: Photo | None = None
    variant: str = ""
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    statuses: Collection[int] = ()
    stored: bool = False


@dataclass(frozen=True)
class Answer:
    """A complete answer, its header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def word(self) -> str:
        """Return how the table calls it."""
        return str(self.status)


@dataclass(frozen=True)
class Cut:
    """A connection that ended before the answer did."""

    word = "cut"


@dataclass(frozen=True)
class Hanging:
    """No complete answer within the time after which nobody waits."""

    word = "hangs"


Outcome = Answer | Cut | Hanging


def violation(
    request: Request,
    outcome: Outcome,
    start: float,
    end: float,
    allowed: Collection[str] = (),
    *,
    known_s: float = 0.0,
) -> str | None:
    """Return what is wrong with an outcome, or None.

    `allowed` are the words that faults of that time may cause; `known_s` says for how long the fault of a photo may be
    known after the event of its upload.
    """
    if not isinstance(outcome, Answer):
        return None if outcome.word in allowed else f"the connection {outcome.word}"
    if outcome.status in {OK, PARTIAL, NOT_MODIFIED}:
        return next(_wrong_picture(request, outcome, start, end), None)
    if outcome.word not in allowed and not _is_right(request, outcome, start - known_s, end):
        return f"status {outcome.status}{_problem(outcome)}"
    return next(_wrong_error(request, outcome), None)


def _pictures(request: Request, start: float, end: float) -> list[Picture | None]:
    return request.photo.shown(start, end, preview=bool(request.variant)) if request.photo else []


def _bodies(request: Request, start: float, end: float) -> set[bytes]:
    found: set[bytes] = set()
    for picture in _pictures(request, start, end):
        if picture is not None:
            found |= picture.previews.get(request.variant, frozenset()) if request.variant else {picture.data}
    return found


def _wrong_picture(request: Request, answer: Answer, start: float, end: float) -> Iterator[str]:
    etags = {hashlib.md5(body, usedforsecurity=False).hexdigest(): body for body in _bodies(request, start, end)}
    if not etags:
        yield f"status {answer.status} where there is no picture"
    elif answer.status == NOT_MODIFIED:
        if not any(etag in request.headers.get("If-None-Match", "") for etag in etags):
            yield "304 for an ETag of another picture"
    else:
        etag = answer.headers.get("etag", "").removeprefix("W/").strip('"')
        if not etag and "x-preview" in answer.headers:  # it is not written yet
            etag = next((each for each, body in etags.items() if body == answer.body or request.method == "HEAD"), "")
        yield from _wrong_body(request, answer, etags[etag]) if etag in etags else [f"wrong ETag {etag}"]


def _wrong_body(request: Request, answer: Answer, body: bytes) -> Iterator[str]:
    if answer.status == PARTIAL:
        if answer.body != _part(body, request.headers.get("Range", "")):
            yield "wrong bytes in a part"
    elif request.method == "HEAD":
        if answer.headers.get("content-length") != str(len(body)):
            yield "wrong Content-Length"
    elif answer.body != body:
        yield f"wrong bytes: {len(answer.body)} instead of {len(body)}"
    elif not answer.headers.get("content-type", "").startswith("image/"):
        yield f"wrong type {answer.headers.get('content-type')}"


def _part(body: bytes, asked: str) -> bytes | None:
    """Return the part that one of the forms `bytes=1-2`, `bytes=1-` and `bytes=-2` asks for; None for any other."""
    match re.fullmatch(r"bytes=(\d*)-(\d*)", asked):
        case re.Match() as found:
            first, last = found.groups()
            return body[int(first) : int(last) + 1 if last else None] if first else body[-int(last) :]
    return None


def _is_right(request: Request, answer: Answer, start: float, end: float) -> bool:
    if request.photo is None:
        return answer.status in request.statuses
    pictures = _pictures(request, start, end)
    match answer.status:
        case 404:
            return None in pictures
        case 422:
            return any(picture is not None and not picture.previews for picture in pictures)
        case 416:
            return "Range" in request.headers and answer.status in request.statuses
    return False


def _wrong_error(request: Request, answer: Answer) -> Iterator[str]:
    """Yield what makes an error one that no client may see: S3's words, or a body that caches keep."""
    if answer.headers.get("cache-control") != "no-store":
        yield f"{answer.status} may be cached: {answer.headers.get('cache-control')}"
    if answer.status == 503 and "retry-after" not in answer.headers:
        yield "503 without Retry-After"
    photo_missing = answer.status == 404 and answer.headers.get("content-type") == "image/jpeg"
    if request.method == "HEAD" or photo_missing:
        return
    try:
        problem = json.loads(answer.body)
    except ValueError:
        yield f"{answer.status} with {answer.body[:60]!r}"
    else:
        if problem.get("status") != answer.status:
            yield f"{answer.status} whose problem says {problem.get('status')}"


def _problem(answer: Answer) -> str:
    try:
        problem = json.loads(answer.body)
        return f" ({problem.get('kind') or problem.get('title')})"
    except ValueError:
        return f" ({answer.headers.get('content-type')})"
