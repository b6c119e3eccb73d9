"""Asks S3 for a photo, and for its preview at the same time; waits no longer than the invocation may take."""

from __future__ import annotations

import math
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from lambda_resize.errors import StorageFailed
from lambda_resize.request import ResizeRequest
from lambda_resize.settings import Limits, Settings
from lambda_resize.storage import Storage
from lambda_resize.stored import StoredPhoto, StoredPreview

_CONCURRENT = 8  # threads that mostly wait

_T = TypeVar("_T")


def photo_or_preview(request: ResizeRequest, storage: Storage, settings: Settings) -> StoredPhoto | StoredPreview:
    """Return the photo; where the preview may be there, and is, that, and the photo is not read on.

    Raises:
        StorageFailed: S3 failed, or has not answered when the time was up.
        ResizeError: Another error of reading the photo, see `Storage.read`.
    """
    limits = settings.limits
    source = (request.src_bucket, request.src_key)
    reading = _threads().submit(storage.read, *source, limits.max_source_bytes, limits.ends_at)
    if not request.find:
        return _answer(reading, limits)
    finding = _threads().submit(storage.find, request.dst_bucket, request.main.dst_key, settings.max_data_bytes)
    found = _answer(finding, limits)
    if found is None:
        return _answer(reading, limits)
    reading.add_done_callback(_close)
    return found


@cache
def _threads() -> ThreadPoolExecutor:
    """Return the threads of all invocations; a silent S3 may keep some for longer than one."""
    return ThreadPoolExecutor(_CONCURRENT, "asking")


def _answer(future: Future[_T], limits: Limits) -> _T:
    left_s = limits.ends_at - time.monotonic()
    try:
        return future.result(None if left_s == math.inf else max(0.0, left_s))
    except TimeoutError as error:
        raise StorageFailed("S3 has not answered, and the time is up") from error


def _close(reading: Future[StoredPhoto]) -> None:
    if reading.exception() is None:
        reading.result().close()
