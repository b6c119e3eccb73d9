"""One invocation's work: read the original, make its previews, write them, describe them."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from lambda_resize.errors import Missing, ResizeError, StorageFailed
from lambda_resize.request import Output, ResizeRequest
from lambda_resize.resize import Preview, resize_many
from lambda_resize.settings import Settings
from lambda_resize.storage import Original, Storage

WRITERS = 4  # at once; a write is mostly waiting
READINGS = 3  # of a photo that is overwritten again and again meanwhile


def make(request: ResizeRequest, storage: Storage, settings: Settings) -> dict[str, object]:
    """Make all previews of a request, and answer for the main one.

    A further preview that fails says so under its own name. Each is written while the next is made. The answer waits
    for all of them, for an S3 that has a preview is what an answer promises.

    Raises:
        ResizeError: One of its kinds, for the main preview.
    """
    for _ in range(READINGS):
        timings: dict[str, float] = {}
        with _timed(timings, "read"):
            original = storage.read(request.src_bucket, request.src_key, settings.limits.max_source_bytes)
        answer = _make_of(original, request, storage, settings, timings)
        with _timed(timings, "check"):
            if _is_as_read(original, request, storage):
                return answer | {"timings": timings}
    _delete_all(request, storage)
    raise StorageFailed(f"{request.src_bucket}/{request.src_key}: changes while previews are made of it")


def _is_as_read(original: Original, request: ResizeRequest, storage: Storage) -> bool:
    """Whether the photo that was read is there still, now that its previews are written.

    Who overwrote it since has had the old previews deleted, perhaps before these were written; nobody would ever look
    at them again. What changes after this look has its previews deleted after they were written. Of a photo that is
    gone they go as well, and `Missing` is raised. Where S3 does not say, what was written counts.
    """
    try:
        return storage.etag(request.src_bucket, request.src_key) == original.etag
    except StorageFailed:
        return True
    except Missing:
        _delete_all(request, storage)
        raise


def _delete_all(request: ResizeRequest, storage: Storage) -> None:
    for output in request.outputs:
        storage.delete(request.dst_bucket, output.dst_key)


def _make_of(
    original: Original, request: ResizeRequest, storage: Storage, settings: Settings, timings: dict[str, float]
) -> dict[str, object]:
    """The answer, with all previews written."""
    write = partial(_write, storage, request, original.etag)
    made = resize_many(
        original.data, [out.spec for out in request.outputs], settings.limits, placeholder=request.thumbhash
    )
    with _timed(timings, "resize"):
        preview = _stated(next(made), request)
    if not request.also:
        with _timed(timings, "write"):
            etag = write(request.main, preview)
        return _answer(request, preview, etag, settings.max_data_bytes)
    with _timed(timings, "write"), ThreadPoolExecutor(WRITERS) as pool:
        main = pool.submit(write, request.main, preview)
        also = [_written(partial(pool.submit, write), *each) for each in zip(request.also, made, strict=True)]
    answer = _answer(request, preview, main.result(), settings.max_data_bytes)
    return answer | {"also": {name: _outcome(name, outcome, request) for name, outcome in also}}


_Outcome = tuple[Output, Preview, Future[str]] | ResizeError


def _written(
    submit: Callable[[Output, Preview], Future[str]], output: Output, made: Preview | ResizeError
) -> tuple[str, _Outcome]:
    if isinstance(made, ResizeError):
        return output.preset_name, made
    return output.preset_name, (output, made, submit(output, made))


def _outcome(name: str, outcome: _Outcome, request: ResizeRequest) -> dict[str, object]:
    """What is answered for a further preview."""
    try:
        if isinstance(outcome, ResizeError):
            raise outcome
        output, preview, written = outcome
        return {"status": True} | _described(output, preview, written.result())
    except ResizeError as error:
        text = f"{name} of {request.src_bucket}/{request.src_key}: {error}"
        return {"status": False, "error": text, "kind": error.kind}


def _stated(made: Preview | ResizeError, request: ResizeRequest) -> Preview:
    """The preview, or its error with the photo's name."""
    if isinstance(made, ResizeError):
        raise type(made)(f"{request.src_bucket}/{request.src_key}: {made}") from made
    return made


def _write(storage: Storage, request: ResizeRequest, source_etag: str, output: Output, preview: Preview) -> str:
    return storage.write(
        request.dst_bucket,
        output.dst_key,
        preview.data,
        content_type=preview.content_type,
        cache_control=output.cache_control,
        fingerprint=output.fingerprint,
        source_etag=source_etag,
        thumbhash=_base64(preview.thumbhash) if preview.thumbhash else None,
    )


def _answer(request: ResizeRequest, preview: Preview, etag: str, max_data_bytes: int) -> dict[str, object]:
    described = _described(request.main, preview, etag)
    carried = {"data": _base64(preview.data)} if len(preview.data) <= max_data_bytes else {}
    hashed = {"thumbhash": _base64(preview.thumbhash)} if preview.thumbhash else {}
    return {"status": True, **described, **carried, **hashed}


def _described(output: Output, preview: Preview, etag: str) -> dict[str, object]:
    return {
        "content_type": preview.content_type,
        "key": output.dst_key,
        "size": len(preview.data),
        "width": preview.width,
        "height": preview.height,
        "etag": etag,
        "cache_control": output.cache_control,
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@contextmanager
def _timed(timings: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[name] = round((time.perf_counter() - start) * 1000, 1)
