"""How the function's answer travels by HTTP: a preview as the body, everything else as JSON.

POST /            the function's event, as JSON
200 image/…       the preview; the header Resize-Answer has the answer without `data`
any, JSON         the answer without `data`: a failure, or a preview that is stored and too large to be inlined
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
import pybase64

ANSWER = "Resize-Answer"
JSON = "application/json"
MAX_ANSWER_BYTES = 64 << 10  # of the header: some three hundred bytes for each companion
_STATUSES = {
    "invalid": HTTPStatus.BAD_REQUEST,
    "missing": HTTPStatus.NOT_FOUND,
    "unsupported": HTTPStatus.UNPROCESSABLE_ENTITY,
    "corrupt": HTTPStatus.UNPROCESSABLE_ENTITY,
    "too_large": HTTPStatus.UNPROCESSABLE_ENTITY,
    "crashed": HTTPStatus.UNPROCESSABLE_ENTITY,
    "throttled": HTTPStatus.TOO_MANY_REQUESTS,
    "timeout": HTTPStatus.GATEWAY_TIMEOUT,
    "forbidden": HTTPStatus.BAD_GATEWAY,
    "storage": HTTPStatus.BAD_GATEWAY,
    "credentials": HTTPStatus.BAD_GATEWAY,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the function, as HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def reply_of(answer: Mapping[str, Any]) -> Reply:
    """Return the HTTP answer for one of the function's."""
    data = answer.get("data")
    # The standard library's JSON is ASCII, as a header is; the function's texts may have any character.
    rest = json.dumps({name: value for name, value in answer.items() if name != "data"})
    if answer.get("status") is not True:
        return Reply(
            _STATUSES.get(str(answer.get("kind")), HTTPStatus.INTERNAL_SERVER_ERROR), _headers(JSON), rest.encode()
        )
    if not data:
        return Reply(HTTPStatus.OK, _headers(JSON), rest.encode())
    headers = _headers(str(answer["content_type"])) | {ANSWER: rest}
    return Reply(HTTPStatus.OK, headers, pybase64.b64decode(data))


def failure(kind: str, error: str) -> dict[str, Any]:
    """Return the answer for what the function itself could not answer."""
    return {"status": False, "kind": kind, "error": error}


def answer_of(reply: Reply) -> dict[str, Any] | None:
    """Return the function's answer with the preview's bytes as `data`, or None if this is none."""
    text = reply.headers.get(ANSWER)
    is_json = reply.headers.get("Content-Type", "").partition(";")[0].strip() == JSON
    try:
        answer = orjson.loads(text if text is not None else reply.body if is_json else b"")
    except ValueError:
        return None
    if not isinstance(answer, dict) or not isinstance(answer.get("status"), bool):
        return None
    return answer | {"data": reply.body} if text is not None else answer


def _headers(content_type: str) -> dict[str, str]:
    return {"Content-Type": content_type, "Cache-Control": "no-store"}
