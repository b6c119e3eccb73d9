"""The function's entry point: event → request → read → resize → write → answer.

The same callable serves AWS Lambda, its runtime client on any machine, and a worker process of the service
(`handler(event, None)`). It does not raise: whatever happens, the answer says so, and one line of JSON goes to the log.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from lambda_resize.errors import ResizeError
from lambda_resize.request import ResizeRequest, parse
from lambda_resize.resize import Preview, resize
from lambda_resize.settings import Limits, Settings
from lambda_resize.storage import Storage, forget_empty_variables

SETTINGS = Settings.from_environment(os.environ)  # at import, so that a wrong value stops the function's start

ALARMING = frozenset({"storage", "forbidden", "internal"})  # kinds that somebody should look at

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)  # Lambda's runtime leaves the root logger at WARNING


def handler(event: object, context: Any) -> dict[str, object]:
    """Make one preview.

    Args:
        event: The request, see `lambda_resize.request`.
        context: Lambda's, for the request's id; None where there is none.

    Returns:
        `status` true with `content_type`, `data` (base64; left out above `RESIZE_MAX_DATA_BYTES`), `key`, `size` in
        bytes, `width`, `height`, `etag`, `cache_control` and `timings` in milliseconds; or `status` false with
        `kind` and `error`, which is for the log.
    """
    entry: dict[str, object] = {"request_id": getattr(context, "aws_request_id", None)}
    try:
        request = parse(event)
        entry |= {"src": f"{request.src_bucket}/{request.src_key}", "dst": f"{request.dst_bucket}/{request.dst_key}"}
        answer = make(request, _storage(), SETTINGS)
    except ResizeError as error:
        answer = {"status": False, "error": str(error), "kind": error.kind}
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 -- a panic in obstore's Rust is no Exception, and an answer is due
        entry["traceback"] = traceback.format_exc()
        answer = {"status": False, "error": type(error).__name__, "kind": "internal"}
    _log(entry | {name: value for name, value in answer.items() if name != "data"})
    return answer


def make(request: ResizeRequest, storage: Storage, settings: Settings) -> dict[str, object]:
    """Read the original, make the preview, write it, and describe it.

    Raises:
        ResizeError: One of its kinds.
    """
    timings: dict[str, float] = {}
    with _timed(timings, "read"):
        original = storage.read(request.src_bucket, request.src_key, settings.limits.max_source_bytes)
    with _timed(timings, "resize"):
        preview = _resized(original, request, settings.limits)
    with _timed(timings, "write"):
        etag = storage.write(
            request.dst_bucket,
            request.dst_key,
            preview.data,
            content_type=preview.content_type,
            cache_control=request.cache_control,
            fingerprint=request.fingerprint,
        )
    return _answer(request, preview, etag, settings.max_data_bytes) | {"timings": timings}


def _resized(original: bytes, request: ResizeRequest, limits: Limits) -> Preview:
    try:
        return resize(original, request.spec, limits)
    except ResizeError as error:
        raise type(error)(f"{request.src_bucket}/{request.src_key}: {error}") from error


def _answer(request: ResizeRequest, preview: Preview, etag: str, max_data_bytes: int) -> dict[str, object]:
    size = len(preview.data)
    carried = {"data": base64.b64encode(preview.data).decode()} if size <= max_data_bytes else {}
    return {
        "status": True,
        "content_type": preview.content_type,
        **carried,
        "key": request.dst_key,
        "size": size,
        "width": preview.width,
        "height": preview.height,
        "etag": etag,
        "cache_control": request.cache_control,
    }


@cache
def _storage() -> Storage:
    """One for all invocations of this process, made at the first."""
    forget_empty_variables(os.environ)
    return Storage.from_environment(os.environ, object_acl=SETTINGS.object_acl)


@contextmanager
def _timed(timings: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[name] = round((time.perf_counter() - start) * 1000, 1)


def _log(entry: Mapping[str, object]) -> None:
    level = logging.ERROR if entry.get("kind") in ALARMING else logging.INFO
    logger.log(level, json.dumps(entry, ensure_ascii=False))
