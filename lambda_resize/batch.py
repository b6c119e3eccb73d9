"""One invocation: reads the photo, renders its previews (the batch), writes them, and describes them in the answer.

A preview may be written after the answer, where who asked can serve it meanwhile, and something is left to do it.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial

from lambda_resize.afterwards import Left
from lambda_resize.asking import photo_or_preview
from lambda_resize.errors import Changed, Forbidden, Missing, ResizeError, StorageFailed, Throttled
from lambda_resize.preview import Preview
from lambda_resize.rendering import render_many
from lambda_resize.request import Output, ResizeRequest
from lambda_resize.settings import Settings
from lambda_resize.storage import LONGEST_WRITE_S, MAX_AGE_S, Storage
from lambda_resize.stored import StoredPhoto, StoredPreview
from prewmanager_presets.tags import cache_tags

CONCURRENT_WRITES = 4  # threads that mostly wait
MAX_READS = 3  # of a photo that is overwritten repeatedly during the invocation


@dataclass(frozen=True)
class PhotoVersion:
    """Which photo was read, and when, on the clock of `time.time`; work after the answer holds no photo's bytes."""

    etag: str
    read_at: float


def render_batch(
    request: ResizeRequest, storage: Storage, settings: Settings, left: Left | None = None
) -> dict[str, object]:
    """Render and write all previews of a request, and return the answer for the main one.

    The answer names a companion that fails under its own name. Each preview is written while the next is rendered; the
    answer is returned after all writes, since it promises that the previews are in S3. Where the main preview may be
    stored already, S3 is asked for it and for the photo at once; what is there is the answer, and nothing is rendered.

    Whether the photo is still the same is checked after the writes. `left` gets that check, for after the answer;
    without it, a photo that has changed is rendered again. Before the check it gets the write of a preview that is
    inlined, where the request serves it meanwhile (`answer_first`); the answer has `written` false then.

    Raises:
        ResizeError: The main preview cannot be rendered or written.
    """
    for _ in range(MAX_READS):
        timings: dict[str, float] = {}
        try:
            answer = _attempt(request, storage, settings, left, timings)
        except Changed:
            continue
        if answer is not None:
            return answer | {"timings": timings, "can": _abilities(storage, left)}
    _delete_all(request, storage)
    raise StorageFailed(f"{request.src_bucket}/{request.src_key}: changes while its previews are rendered")


def _attempt(
    request: ResizeRequest,
    storage: Storage,
    settings: Settings,
    left: Left | None,
    timings: dict[str, float],
) -> dict[str, object] | None:
    """Read, render and write once; return None where the photo has changed meanwhile."""
    with _timed(timings, "read"):
        photo = photo_or_preview(request, storage, settings)
    if isinstance(photo, StoredPreview):
        return _found(request, photo)
    version = PhotoVersion(photo.etag, photo.read_at)
    written = partial(write, storage, request, version)
    with closing(photo):
        answer = _render_from(photo, request, written, settings, left, timings)
    timings["read"], timings["resize"] = _parted(timings, photo.waited_s)
    if left is not None:
        left.add(partial(_check, version, request, storage))
        return answer
    with _timed(timings, "check"):
        return answer if _is_unchanged(version, request, storage) else None


def _parted(timings: dict[str, float], waited_s: float) -> tuple[float, float]:
    """Return how many milliseconds went into reading the photo, and into rendering: decoding is partly waiting."""
    waited_ms = waited_s * 1000
    return round(timings["read"] + waited_ms, 1), round(max(0.0, timings["resize"] - waited_ms), 1)


def _found(request: ResizeRequest, found: StoredPreview) -> dict[str, object]:
    answer = {
        "status": True,
        "found": True,
        "content_type": found.content_type,
        "key": request.main.dst_key,
        "size": found.size,
        "etag": found.etag,
    }
    given = {
        "cache_control": found.cache_control,
        "thumbhash": found.thumbhash,
        "data": None if found.data is None else _base64(found.data),
    }
    return answer | {name: value for name, value in given.items() if value is not None}


def _abilities(storage: Storage, left: Left | None) -> list[str]:
    """What this function can be asked for beyond the first contract."""
    return [*(["find"] if storage.may_find else []), *(["answer_first"] if left is not None else []), "polish"]


def _check(photo: PhotoVersion, request: ResizeRequest, storage: Storage) -> None:
    """Delete the previews where their photo has changed; the next request renders them. Raises what S3 does."""
    if not _is_unchanged(photo, request, storage):
        _delete_all(request, storage)


def _is_unchanged(photo: PhotoVersion, request: ResizeRequest, storage: Storage) -> bool:
    """Whether the photo is still the one that was read, now that its previews are written.

    If it changed earlier, `cleaner` may have handled the event before these previews were written, and they would stay
    stale for ever. If it changes later, `cleaner` deletes them. If the photo is gone, or S3 fails, this deletes them
    and raises the error; if S3 refuses, they stay. Where S3 does not say whether it is gone, it is: a moment ago these
    credentials could read it.
    """
    try:
        return storage.etag(request.src_bucket, request.src_key) == photo.etag
    except Forbidden:
        return True
    except (StorageFailed, Throttled, Missing):
        _delete_all(request, storage)
        raise


def _delete_all(request: ResizeRequest, storage: Storage) -> None:
    for output in request.outputs:
        storage.delete(request.dst_bucket, output.dst_key)


_Write = Callable[[Output, Preview], str]


def _render_from(  # noqa: PLR0917 -- one step of the attempt
    photo: StoredPhoto,
    request: ResizeRequest,
    write: _Write,
    settings: Settings,
    left: Left | None,
    timings: dict[str, float],
) -> dict[str, object]:
    """Render and write all previews, or leave that, and return the answer."""
    rendered = render_many(photo.data, [out.spec for out in request.outputs], settings, placeholder=request.thumbhash)
    with _timed(timings, "resize"):
        preview = main_preview(next(rendered), request)
    within_s = _may_begin_within_s(preview, request, settings)
    if left is not None and left.has_room and within_s >= 0:
        left.add(partial(_write_late, write, request.main, preview, time.time() + within_s))
        return _answer(request, preview, None, settings.max_data_bytes)
    if not request.companions:
        with _timed(timings, "write"):
            etag = write(request.main, preview)
        return _answer(request, preview, etag, settings.max_data_bytes)
    with _timed(timings, "write"), ThreadPoolExecutor(CONCURRENT_WRITES) as pool:
        main = pool.submit(write, request.main, preview)
        companions = [_submitted(pool, write, *each) for each in zip(request.companions, rendered, strict=True)]
    answer = _answer(request, preview, main.result(), settings.max_data_bytes)
    return answer | {"also": {name: _companion_answer(name, outcome, request) for name, outcome in companions}}


_Outcome = tuple[Output, Preview, Future[str]] | ResizeError


def _submitted(
    pool: ThreadPoolExecutor, write: _Write, output: Output, rendered: Preview | ResizeError
) -> tuple[str, _Outcome]:
    if isinstance(rendered, ResizeError):
        return output.preset_name, rendered
    return output.preset_name, (output, rendered, pool.submit(write, output, rendered))


def _companion_answer(name: str, outcome: _Outcome, request: ResizeRequest) -> dict[str, object]:
    try:
        if isinstance(outcome, ResizeError):
            raise outcome
        output, preview, written = outcome
        return {"status": True} | _described(output, preview, written.result())
    except ResizeError as error:
        text = f"{name} of {request.src_bucket}/{request.src_key}: {error}"
        return {"status": False, "error": text, "kind": error.kind}


def main_preview(rendered: Preview | ResizeError, request: ResizeRequest) -> Preview:
    """Return the preview, or raise its error with the photo's name."""
    if isinstance(rendered, ResizeError):
        raise type(rendered)(f"{request.src_bucket}/{request.src_key}: {rendered}") from rendered
    return rendered


def _may_begin_within_s(preview: Preview, request: ResizeRequest, settings: Settings) -> float:
    """Seconds after the answer within which the write of its preview may begin; below zero, it comes before.

    The answer has all of the preview, and who asked serves it for as long as the write may take.
    """
    asked = request.answer_first
    if asked is None or request.companions or len(preview.data) > min(asked.max_bytes, settings.max_data_bytes):
        return -1
    return asked.seconds - LONGEST_WRITE_S


def _write_late(write: _Write, output: Output, preview: Preview, begins_before: float) -> None:
    """Write a preview that was answered, unless nobody can know of it any more. Raises what `write` raises."""
    late_s = time.time() - begins_before
    if late_s > 0:
        raise StorageFailed(f"{output.dst_key}: its write would begin {late_s:.1f} s too late")
    write(output, preview)


def write(  # noqa: PLR0917 -- the first three are one invocation's
    storage: Storage,
    request: ResizeRequest,
    photo: PhotoVersion,
    output: Output,
    preview: Preview,
    replaces: str | None = None,
) -> str:
    """Write a preview, or replace the one with the ETag `replaces`; return its ETag.

    Raises:
        StorageFailed: The photo was read too long ago; or as `Storage.write`, whose other errors are raised too.
    """
    age_s = time.time() - photo.read_at  # also of a process that was stopped meanwhile
    if age_s > MAX_AGE_S:
        raise StorageFailed(f"{request.src_bucket}/{request.src_key}: was read {age_s:.0f} s ago, and may have changed")
    return storage.write(
        request.dst_bucket,
        output.dst_key,
        preview.data,
        content_type=preview.content_type,
        cache_control=output.cache_control,
        fingerprint=output.fingerprint,
        source_etag=photo.etag,
        thumbhash=_base64(preview.thumbhash) if preview.thumbhash else None,
        cache_tags=cache_tags(request.src_bucket, request.src_key, output.preset_name),
        replaces=replaces,
    )


def _answer(request: ResizeRequest, preview: Preview, etag: str | None, max_data_bytes: int) -> dict[str, object]:
    described = _described(request.main, preview, etag)
    inlined = {"data": _base64(preview.data)} if len(preview.data) <= max_data_bytes else {}
    hashed = {"thumbhash": _base64(preview.thumbhash)} if preview.thumbhash else {}
    return {"status": True, **described, **inlined, **hashed}


def _described(output: Output, preview: Preview, etag: str | None) -> dict[str, object]:
    """Describe a preview; without an ETag it is not written yet, and none is claimed that S3 has not given."""
    return {
        "content_type": preview.content_type,
        "key": output.dst_key,
        "size": len(preview.data),
        "width": preview.width,
        "height": preview.height,
        **({"written": False} if etag is None else {"etag": etag}),
        "cache_control": output.cache_control,
        "fingerprint": output.fingerprint,
        **({"unknown": list(output.unknown)} if output.unknown else {}),
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@contextmanager
def _timed(timings: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[name] = round((time.perf_counter() - start) * 1000, 1)
