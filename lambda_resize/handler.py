"""The function's entry point: event → request → read → render → write → answer.

The same callable serves AWS Lambda, its runtime client on any machine, and a worker process of the service
(`handler(event, None)`). It never raises: a failure is an answer too. Each invocation logs one line of JSON.
"""

from __future__ import annotations

import json
import logging
import os
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from lambda_resize import rendering
from lambda_resize.afterwards import Left, registered
from lambda_resize.batch import render_batch
from lambda_resize.errors import ResizeError
from lambda_resize.invocation import Invocation
from lambda_resize.polish import polish
from lambda_resize.request import ResizeRequest, parse
from lambda_resize.settings import Limits, Settings, unset_empty_variables
from lambda_resize.storage import Storage

SETTINGS = Settings.from_environment(os.environ)  # at import, so that an invalid value aborts startup
rendering.prepare(SETTINGS)  # at import, too: what is slow to load
EXTENSION = registered(os.environ) if SETTINGS.extension else None  # at import, as Lambda wants it

RESERVED_SECONDS = 1.0  # of Lambda's remaining time, for the write and the answer
MIN_SECONDS = 0.1

ALARMING = frozenset({"storage", "forbidden", "credentials", "internal"})  # kinds that an operator should act on

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)  # Lambda's runtime leaves the root logger at WARNING


def handler(event: object, context: Any) -> dict[str, object]:
    """Render one preview, and its companions (`also`) of the same photo.

    Args:
        event: The request, see `lambda_resize.request`; its `request_id` and `traceparent` are for the log.
        context: Lambda's, which has its request id and the remaining time; None outside Lambda.

    Returns:
        `status` true with `content_type`, `data` (base64; left out above `RESIZE_MAX_DATA_BYTES`), `key`, `size` in
        bytes, `width`, `height`, `etag`, `cache_control`, `fingerprint` and `timings` in milliseconds; `thumbhash`
        (base64) and `also` (by preset name, each like an answer without data) if the request contains them, `found` if
        the preview was stored already, `written` false, and no `etag`, if it is written after the answer, `can`, what
        it can be asked for beyond the first contract (`find`, `answer_first`, `polish`), and `unknown`, the names of
        fields that this version does not know. Asked to `polish`, it answers as `lambda_resize.polish.polish` says.
        Else `status` false with `kind` and `error`, which is for the log, and `denied` if S3 does not say whether the
        photo exists. All have `cold_start`, `duration_ms` and, in Lambda, `memory_mb`.
    """
    if EXTENSION is None or not EXTENSION.is_running:
        return run(event, context)
    left = Left()
    try:
        return run(event, context, left)
    finally:
        EXTENSION.invocation_ended(left.work)


def run(event: object, context: Any, left: Left | None = None) -> dict[str, object]:
    """Do the same; `left` gets what may follow the answer, see `render_batch`."""
    invocation = Invocation(event, context)
    entry = dict(invocation.ids)
    try:
        request = parse(event)
        entry |= {"src": f"{request.src_bucket}/{request.src_key}"}
        entry |= {"dst": f"{request.dst_bucket}/{request.main.dst_key}"}
        answer = _answer(request, replace(SETTINGS, limits=_limits(context)), left)
    except ResizeError as error:
        answer = error.answer()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 -- a panic in obstore's Rust is not an Exception, and needs an answer too
        entry["traceback"] = traceback.format_exc()
        answer = {"status": False, "error": type(error).__name__, "kind": "internal"}
    answer |= invocation.used()
    _log(entry | {name: value for name, value in answer.items() if name != "data"})
    return answer


def _answer(request: ResizeRequest, settings: Settings, left: Left | None) -> dict[str, object]:
    if request.polish is None:
        return render_batch(request, _storage(), settings, left)
    return polish(request, request.polish, _storage(), settings)


def _limits(context: Any) -> Limits:
    """Return the settings' limits, within the time that is left.

    Lambda, or a worker's pool, ends the function without an answer, which passes for a photo that takes too long.
    """
    limits = SETTINGS.limits
    if context is None or not hasattr(context, "get_remaining_time_in_millis"):
        return limits
    left = max(MIN_SECONDS, context.get_remaining_time_in_millis() / 1000 - RESERVED_SECONDS)
    return replace(limits, max_seconds=min(limits.max_seconds, left), ends_at=time.monotonic() + left)


@cache
def _storage() -> Storage:
    """Create the storage for all invocations of this process."""
    unset_empty_variables(os.environ)
    return Storage.from_environment(os.environ, object_acl=SETTINGS.object_acl)


def _log(entry: Mapping[str, object]) -> None:
    level = logging.ERROR if entry.get("kind") in ALARMING else logging.INFO
    logger.log(level, json.dumps(entry, ensure_ascii=False))
