"""The table of requests to the edge resizer, with what it answers: tests send them, docs/reference/edge.md shows them.

`images.example` is an allowed host with the paths of `PATHS`; the origin answers with the status that is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HOST = "images.example"
YEAR, DAY = 31_536_000, 86_400
ORIGIN = "the origin's"

PATHS: Mapping[str, str] = {
    "/a.jpg": "a JPEG of 640 x 480",
    "/tall.jpg": "a JPEG of 480 x 640",
    "/clear.png": "a PNG of 40 x 30, half transparent",
    "/%EC%82%AC%EC%A7%84%201.jpg": "the JPEG, under a Korean name with a blank",
    "/a+b.jpg": "the JPEG",
    "/a%2Bb%231.jpg": "the JPEG",
    "/it's%20%22so%22.jpg": "the JPEG",
    "/100%25.jpg": "the JPEG",
    "/signed.jpg?X-Amz-Signature=a%2Bb&X-Amz-Expires=60": "the JPEG, for this query alone",
    "/zipped.jpg": "the JPEG, with Content-Encoding: gzip",
    "/moved": "302 to /%EC%82%AC%EC%A7%84 1.jpg, the name in UTF-8 and the blank as it is",
    "/circle": "302 to itself",
    "/inside": "302 to http://169.254.169.254/",
    "/none": "404",
    "/hidden": "403, as S3 answers for what is missing to those who may not list",
    "/login": "401",
    "/broken": "500",
    "/silent": "nothing, until the time is up",
    "/page.html": "200 with HTML",
    "/drawing.svg": "200 with an SVG",
    "/vast.png": "a PNG of 9000 x 9000",
}

_JPEG = f"http://{HOST}/a.jpg"
_KEY = f"s=http%3A%2F%2F{HOST}%2Fa.jpg"
_KOREAN = f"s=http%3A%2F%2F{HOST}%2F%25EC%2582%25AC%25EC%25A7%2584%25201.jpg"
_DEFAULT = (1200, 627)


@dataclass(frozen=True)
class EdgeRequest:
    """One request and what the viewer gets.

    Attributes:
        query: As the viewer sends it.
        status: The viewer's status.
        shows: The size of the image; a text for another body.
        seconds: For how long CloudFront keeps the answer; 0: not at all.
        key: The query in the cache key, which is also the one that the function gets.
        origin: The origin's status.
        reason: The value of `X-Resize-Error`.
        settings: What `edge.json` says beside its hosts.
        headers: The viewer's.
        note: What it is about.
        kind: The image's type, where the row is about it.
    """

    query: str
    status: int
    shows: tuple[int, int] | str
    seconds: int
    key: str
    origin: int = 404
    reason: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    kind: str = ""


def _made(query: str, key: str = _KEY, size: tuple[int, int] = _DEFAULT, **more: Any) -> EdgeRequest:
    return EdgeRequest(query, 200, size, YEAR, key, **more)


def _image(path: str) -> str:
    return f"s=http%3A%2F%2F{HOST}%2F{path}"


def _passed(path: str, reason: str, seconds: int = 60, **more: Any) -> EdgeRequest:
    return EdgeRequest(f"s=http://{HOST}/{path}", 404, ORIGIN, seconds, _image(path), reason=reason, **more)


def _refused(query: str, key: str, status: int, reason: str, **more: Any) -> EdgeRequest:
    return EdgeRequest(query, status, "a problem", more.pop("seconds", 60), key, reason=reason, **more)


_SIZES = [
    _made(f"s={_JPEG}", note="the default size"),
    _made(f"s={_JPEG}&w=300&h=300", f"{_KEY}&w=300&h=300", (300, 300), note="exact, white above and below"),
    _made(
        f"s=http://{HOST}/tall.jpg&w=300&h=300", f"{_image('tall.jpg')}&w=300&h=300", (300, 300), note="at the sides"
    ),
    _made(f"s={_JPEG}&w=400&h=400", f"{_KEY}&w=400&h=400", (400, 400)),
    _made(f"s={_JPEG}&w=300", f"{_KEY}&w=300", (300, 627), note="the other side is its default"),
    _made(f"s={_JPEG}&h=300", f"{_KEY}&h=300", (1200, 300)),
    _made(f"s={_JPEG}&w=&h=", note="an empty form"),
    _made(f"s={_JPEG}&w=2400&h=2400", f"{_KEY}&w=2400&h=2400", (2400, 2400), note="the maxima"),
    _made(f"s={_JPEG}&w=1&h=1", f"{_KEY}&w=1&h=1", (1, 1)),
    _made(f"s=http://{HOST}/clear.png&w=40&h=30", f"{_image('clear.png')}&w=40&h=30", (40, 30)),
    _made(f"s={_JPEG}&w=320", f"{_KEY}&w=320", (320, 240), settings={"missing_side": "proportional"}),
    _made(f"s={_JPEG}&h=240", f"{_KEY}&h=240", (320, 240), settings={"missing_side": "proportional"}),
    _made(f"s={_JPEG}&w=300&h=300", f"{_KEY}&w=300&h=300", (300, 225), settings={"fit": "inside"}),
    _made(f"s={_JPEG}&w=300&h=300", f"{_KEY}&w=300&h=300", (300, 300), settings={"sizes": ("300x300",)}),
    _refused(f"s={_JPEG}&w=301&h=300", f"{_KEY}&w=301&h=300", 400, "bad-query", settings={"sizes": ("300x300",)}),
    _refused(f"s={_JPEG}&w=2401", f"{_KEY}&w=2401", 400, "bad-query", note="above the maximum"),
    _refused(f"s={_JPEG}&w=0", f"{_KEY}&w=0", 400, "bad-query"),
    _refused(f"s={_JPEG}&w=-5", f"{_KEY}&w=-5", 400, "bad-query"),
    _refused(f"s={_JPEG}&w=6e2", f"{_KEY}&w=6e2", 400, "bad-query"),
    _refused(f"s={_JPEG}&w=1&w=2", f"{_KEY}&w=1&w=2", 400, "bad-query"),
]
_SPELLINGS = [
    _made(f"s=http%3A%2F%2F{HOST}%2Fa.jpg", note="the same object as unencoded"),
    _made(f"s=http%253A%252F%252F{HOST}%252Fa.jpg", note="encoded twice"),
    _made("s=HTTP://IMAGES.example/a.jpg", note="scheme and host in capitals"),
    _made(f"h=300&w=0300&s={_JPEG}&utm_source=mail", f"{_KEY}&w=300&h=300", (300, 300), note="order, zeros, others"),
    _made(f"s={_JPEG}&w=%33%30%30&h=300", f"{_KEY}&w=300&h=300", (300, 300)),
    _made(f"s=http%3A%2F%2F{HOST}%2Fa.jpg%23top", note="a fragment is not part of it"),
    _made(f"s=http://{HOST}/%EC%82%AC%EC%A7%84%201.jpg", _KOREAN, note="as a browser sends it"),
    _made(f"s=http%3A%2F%2F{HOST}%2F%EC%82%AC%EC%A7%84%201.jpg", _KOREAN, note="encodeURIComponent of the name"),
    _made(f"s=http%3A%2F%2F{HOST}%2F%25EC%2582%25AC%25EC%25A7%2584%25201.jpg", _KOREAN, note="of encodeURI of it"),
    _made(f"s=http%3A%2F%2F{HOST}%2F%EC%82%AC%EC%A7%84+1.jpg", _KOREAN, note="as forms encode it"),
    _made(f"s=http://{HOST}/a+b.jpg", _image("a%2Bb.jpg"), note="a plus in a URL that is not encoded"),
    _made(f"s=http%3A%2F%2F{HOST}%2Fa%2Bb.jpg", _image("a%2Bb.jpg")),
    _made(f"s=http://{HOST}/a%2Bb%231.jpg", _image("a%252Bb%25231.jpg"), note="encodeURIComponent of the name alone"),
    _made(f"s=http%3A%2F%2F{HOST}%2Fit's%20%22so%22.jpg", _image("it's%2520%2522so%2522.jpg"), note="quotes"),
    _made(f"s=http://{HOST}/100%25.jpg", _image("100%2525.jpg"), note="a percent sign"),
    _made(
        f"s=http%3A%2F%2F{HOST}%2Fsigned.jpg%3FX-Amz-Signature%3Da%252Bb%26X-Amz-Expires%3D60",
        f"{_image('signed.jpg')}%3FX-Amz-Signature%3Da%252Bb%26X-Amz-Expires%3D60",
        note="a presigned URL",
    ),
    _made(f"s=http://{HOST}/moved", _image("moved"), note="a redirect with blanks and UTF-8"),
    _made(f"s=http://{HOST}/zipped.jpg", _image("zipped.jpg"), note="compressed although that was not asked for"),
]
_ORIGINS = [
    EdgeRequest(f"s={_JPEG}", 200, ORIGIN, DAY, _KEY, origin=200, note="its own life, here the policy's default"),
    _made(f"s={_JPEG}", origin=403),
    _made(f"s={_JPEG}", origin=410),
    EdgeRequest(f"s={_JPEG}", 200, _DEFAULT, 30, _KEY, origin=429),
    EdgeRequest(f"s={_JPEG}", 200, _DEFAULT, 30, _KEY, origin=500),
    EdgeRequest(f"s={_JPEG}", 200, _DEFAULT, 30, _KEY, origin=503),
    EdgeRequest(f"s={_JPEG}", 301, ORIGIN, 60, _KEY, origin=301),
    EdgeRequest(f"s={_JPEG}", 302, ORIGIN, 60, _KEY, origin=302),
    EdgeRequest(f"s={_JPEG}", 401, ORIGIN, 0, _KEY, origin=401),
    EdgeRequest(f"s={_JPEG}", 412, ORIGIN, 0, _KEY, origin=412),
    EdgeRequest(f"s={_JPEG}", 416, ORIGIN, 0, _KEY, origin=416),
    EdgeRequest("", 404, ORIGIN, 10, "", note="no `s`: not for the resizer"),
    EdgeRequest("s=&w=300", 404, ORIGIN, 10, "", note="an empty `s`, likewise"),
    EdgeRequest(
        f"s={_JPEG}", 404, ORIGIN, 10, "", headers={"user-agent": "prewmanager-edge"}, note="the resizer itself"
    ),
]
_FAILURES = [
    _passed("none", "source-missing"),
    _passed("hidden", "source-missing"),
    _passed("login", "source-missing"),
    _passed("broken", "source-failed", 10),
    _passed("circle", "source-failed", 10),
    _passed("page.html", "not-an-image"),
    _passed("drawing.svg", "not-an-image", note="SVG and HEIC are not decoded at the edge"),
    _refused(
        f"s=http://{HOST}/page.html", _image("page.html"), 422, "not-an-image", settings={"undecodable": "problem"}
    ),
    EdgeRequest(
        f"s=http://{HOST}/page.html&w=300&h=200",
        200,
        (300, 200),
        60,
        f"{_image('page.html')}&w=300&h=200",
        reason="not-an-image",
        settings={"undecodable": "picture"},
        note="grey",
    ),
    _refused(f"s=http://{HOST}/vast.png", _image("vast.png"), 413, "too-large"),
    _refused(
        f"s=http://{HOST}/silent", _image("silent"), 504, "source-slow", seconds=10, settings={"fetch_timeout_s": 1}
    ),
    _refused(f"s=http://{HOST}/inside", _image("inside"), 403, "not-allowed"),
    _refused("s=http://elsewhere.example/a.jpg", "s=http%3A%2F%2Felsewhere.example%2Fa.jpg", 403, "not-allowed"),
    _refused("s=ftp://elsewhere.example/a.jpg", "s=ftp%3A%2F%2Felsewhere.example%2Fa.jpg", 403, "not-allowed"),
    _refused("s=a.jpg", "s=a.jpg", 400, "bad-query", note="no URL"),
]
_FORMATS = [
    _made(
        f"s={_JPEG}&w=40&h=30",
        f"{_KEY}&w=40&h=30",
        (40, 30),
        settings={"formats": formats},
        headers={"accept": accept},
        kind=kind,
    )
    for formats, accept, kind in (
        (("avif", "webp"), "image/avif,image/webp,*/*", "image/avif"),
        (("avif", "webp"), "image/webp", "image/webp"),
        (("avif", "webp"), "*/*", "image/jpeg"),
        (("webp",), "image/avif,image/webp,*/*", "image/webp"),
    )
]

REQUESTS = (*_SIZES, *_SPELLINGS, *_ORIGINS, *_FAILURES, *_FORMATS)


def rows() -> list[str]:
    """Return the table's rows in Markdown."""
    lines = ["| # | query | origin | answer | kept | query in the key | |", "|--:|---|--:|---|---|---|---|"]
    return lines + [_row(number, request) for number, request in enumerate(REQUESTS, 1)]


def _row(number: int, request: EdgeRequest) -> str:
    shows = request.shows if isinstance(request.shows, str) else f"{request.shows[0]} x {request.shows[1]}"
    reason = f"`{request.reason}`" if request.reason else ""
    answer = ", ".join(filter(None, [str(request.status), shows, request.kind, reason]))
    key = "the same" if request.key == request.query else _code(request.key)
    viewers = [f"`{name}: {value}`" for name, value in request.headers.items()]
    set_to = [
        f"`{name}`: {value if isinstance(value, str | int) else ', '.join(value)}"
        for name, value in request.settings.items()
    ]
    note = "; ".join(filter(None, [*set_to, *viewers, request.note]))
    cells = [str(number), _code(request.query), str(request.origin), answer, _kept(request.seconds), key, note]
    return f"| {' | '.join(cells)} |"


def _code(text: str) -> str:
    return f"`{text}`" if text else "none"


def _kept(seconds: int) -> str:
    return {YEAR: "a year", DAY: "a day", 0: "not"}.get(seconds, f"{seconds} s")
