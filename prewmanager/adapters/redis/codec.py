r"""The value of a flight's key in Redis, as bytes.

    blocked:<token>:<end>              the lease; the token tells one holder from the next
    result:<JSON header>\n<bytes>       a preview; without the bytes where they are too large, or nobody needs them
    failed:<JSON header>               a failure

Fields of a header are only ever added, so that replicas of two versions understand each other during an update.
"""

from __future__ import annotations

import json

import orjson

from prewmanager.errors import failure_classes
from prewmanager.flights.result import Completed, Held
from prewmanager.previews.outcome import Failure, Made, Outcome

_BLOCKED, _RESULT, _FAILED = b"blocked:", b"result:", b"failed:"


class UnreadableValue(Exception):
    """A value that another version, or another program, wrote; the message names the part that is not understood."""


def encode_outcome(outcome: Outcome, max_body_bytes: int, token: str = "") -> bytes:
    """Encode an outcome; a body above `max_body_bytes` is left in the bucket.

    A preview that may not be written yet has no ETag that tells it from the next one, and gets the lease's token.
    """
    if isinstance(outcome, Failure):
        header = {"kind": outcome.kind, "detail": outcome.detail, "retry_after_s": outcome.retry_after_s}
        # Not orjson: a failure's text may come from anywhere, and orjson refuses what is not UTF-8.
        return _FAILED + json.dumps(header).encode()
    body = outcome.body if outcome.body is not None and len(outcome.body) <= max_body_bytes else None
    header = {
        "content_type": outcome.content_type,
        "size": outcome.size,
        "etag": outcome.etag,
        "cache_control": outcome.cache_control,
        "inlined": body is not None,
        **({"thumbhash": outcome.thumbhash} if outcome.thumbhash else {}),
        **({} if outcome.stored else {"stored": False, "token": token}),
    }
    return _RESULT + orjson.dumps(header) + b"\n" + (body or b"")


def version(value: bytes) -> bytes:
    """Return what tells an encoded preview from another under the same key. Raises `ValueError`."""
    return value[: value.index(b"\n") + 1]


def decode(value: bytes) -> Completed | Held:
    """Decode a value. Raises `UnreadableValue` for one that this version does not know."""
    try:
        if value.startswith(_BLOCKED):
            return Held()
        if value.startswith(_FAILED):
            header = json.loads(value[len(_FAILED) :])
            kind = header["kind"] if header["kind"] in failure_classes() else "failed"
            return Completed(Failure(kind, header["detail"], header["retry_after_s"]), version=value)
        if value.startswith(_RESULT):
            head = version(value)
            return Completed(_made(orjson.loads(head[len(_RESULT) :]), value[len(head) :]), version=head)
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableValue("its header") from error
    raise UnreadableValue("its form")


def _made(header: dict[str, object], body: bytes) -> Made:
    cache_control, thumbhash = header["cache_control"], header.get("thumbhash")
    return Made(
        content_type=str(header["content_type"]),
        size=int(str(header["size"])),
        etag=str(header["etag"]),
        cache_control=None if cache_control is None else str(cache_control),
        body=body if header["inlined"] else None,
        thumbhash=None if thumbhash is None else str(thumbhash),
        stored=header.get("stored") is not False,
    )
