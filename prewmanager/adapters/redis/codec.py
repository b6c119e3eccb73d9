r"""What stands in Redis under a flight's key, as bytes.

    blocked:<token>                    it is being made; the token tells one holder from the next
    result:<JSON header>\n<bytes>       it was made; the bytes are there unless they are too large to pass around
    failed:<JSON header>               it could not be made

Fields of a header are only ever added, so that replicas of two versions understand each other during an update.
"""

from __future__ import annotations

import json

import orjson

from prewmanager.errors import FlightStoreUnavailable, failure_classes
from prewmanager.flights.ports import Completed, Failure, Held, Made, Outcome

_BLOCKED, _RESULT, _FAILED = b"blocked:", b"result:", b"failed:"


def encode_holder(token: str) -> bytes:
    """The value of a flight that this token's owner is making."""
    return _BLOCKED + token.encode()


def encode_outcome(outcome: Outcome, max_body_bytes: int) -> bytes:
    """The value of a flight that has ended; a body above `max_body_bytes` is left in the bucket."""
    if isinstance(outcome, Failure):
        header = {"kind": outcome.kind, "detail": outcome.detail, "retry_after_s": outcome.retry_after_s}
        # Not orjson: a failure's words may come from anywhere, and it refuses what is no UTF-8.
        return _FAILED + json.dumps(header).encode()
    body = outcome.body if outcome.body is not None and len(outcome.body) <= max_body_bytes else None
    header = {
        "content_type": outcome.content_type,
        "size": outcome.size,
        "etag": outcome.etag,
        "cache_control": outcome.cache_control,
        "carried": body is not None,
        **({"thumbhash": outcome.thumbhash} if outcome.thumbhash else {}),
    }
    return _RESULT + orjson.dumps(header) + b"\n" + (body or b"")


def decode(value: bytes) -> Completed | Held:
    """What a value says. Raises `FlightStoreUnavailable` for a value that no version of this service wrote."""
    try:
        if value.startswith(_BLOCKED):
            return Held(value[len(_BLOCKED) :].decode())
        if value.startswith(_FAILED):
            header = json.loads(value[len(_FAILED) :])
            kind = header["kind"] if header["kind"] in failure_classes() else "failed"
            return Completed(Failure(kind, header["detail"], header["retry_after_s"]), version=value)
        if value.startswith(_RESULT):
            end = value.index(b"\n")
            made = _made(orjson.loads(value[len(_RESULT) : end]), value[end + 1 :])
            return Completed(made, version=value[: end + 1])
    except (ValueError, KeyError, TypeError) as error:
        raise FlightStoreUnavailable("a flight's value cannot be read") from error
    raise FlightStoreUnavailable("a flight's value is of an unknown form")


def _made(header: dict[str, object], body: bytes) -> Made:
    cache_control, thumbhash = header["cache_control"], header.get("thumbhash")
    return Made(
        content_type=str(header["content_type"]),
        size=int(str(header["size"])),
        etag=str(header["etag"]),
        cache_control=None if cache_control is None else str(cache_control),
        body=body if header["carried"] else None,
        thumbhash=None if thumbhash is None else str(thumbhash),
    )
