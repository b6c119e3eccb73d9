"""Polishing: a preview that is stored is rendered once more, harder, and replaced where that saves enough bytes.

The preview stays as it is, unless it is still the one that was asked about, and of the photo as it is: S3 compares its
ETag as it replaces it. As after any write, the photo is looked at again, so that the cleaner and its second pass find
what they find otherwise.
"""

from __future__ import annotations

import time
from contextlib import closing, suppress
from enum import StrEnum

from lambda_resize.batch import PhotoVersion, main_preview, write
from lambda_resize.errors import Changed, Forbidden, Missing
from lambda_resize.preview import Preview
from lambda_resize.rendering import render_many
from lambda_resize.request import Output, Polish, ResizeRequest
from lambda_resize.settings import Settings
from lambda_resize.storage import Storage

_PROBE = "__doctor__/polish"  # no preset can have this name


class Polished(StrEnum):
    """What became of a preview, in the answer's words.

    `TOO_LITTLE`: it would be hardly smaller. `CHANGED`: it is gone, or another one, or its photo is. `UNABLE`: the
    store does not compare ETags, or this version does not know all that the preset says.
    """

    DONE = "done"
    TOO_LITTLE = "too_little"
    CHANGED = "changed"
    UNABLE = "unable"


def polish(request: ResizeRequest, asked: Polish, storage: Storage, settings: Settings) -> dict[str, object]:
    """Polish the request's main preview, and return the answer: `polished`, and its `size` in bytes now.

    Raises:
        ResizeError: The preview cannot be rendered or written.
    """
    began = time.perf_counter()
    size, outcome = 0, Polished.UNABLE
    if not request.main.unknown and storage.is_conditional(request.dst_bucket, _probe_key(request.main)):
        size, outcome = _polished(request, asked, storage, settings)
    timings = {"polish": round((time.perf_counter() - began) * 1000, 1)}
    return {
        "status": True,
        "polished": outcome.value,
        "size": size,
        "key": request.main.dst_key,
        "timings": timings,
    }


def _polished(request: ResizeRequest, asked: Polish, storage: Storage, settings: Settings) -> tuple[int, Polished]:
    limits = settings.limits
    photo = storage.read(request.src_bucket, request.src_key, limits.max_source_bytes, limits.ends_at)
    with closing(photo):
        if photo.etag.strip('"') != asked.source_etag:
            return 0, Polished.CHANGED
        rendered = render_many(photo.data, [request.main.spec], settings, placeholder=request.thumbhash)
        preview = main_preview(next(rendered), request)
    if len(preview.data) > asked.max_bytes:
        return len(preview.data), Polished.TOO_LITTLE
    return len(preview.data), _replaced(request, asked, storage, PhotoVersion(photo.etag, photo.read_at), preview)


def _replaced(
    request: ResizeRequest, asked: Polish, storage: Storage, photo: PhotoVersion, preview: Preview
) -> Polished:
    """Replace the preview, if it is still the one that was asked about; delete it where its photo has changed.

    A write that S3 refuses may be the repetition of one whose reply was lost, so the photo is looked at after that too.
    """
    outcome = Polished.DONE
    try:
        write(storage, request, photo, request.main, preview, replaces=asked.etag)
    except Changed:
        outcome = Polished.CHANGED
    finally:
        if not _is_current(storage, request, photo):
            _delete_outdated(storage, request, photo)
            outcome = Polished.CHANGED
    return outcome


def _is_current(storage: Storage, request: ResizeRequest, photo: PhotoVersion) -> bool:
    """Whether the photo is still the one that was read; so it is where S3 refuses to say."""
    try:
        return storage.etag(request.src_bucket, request.src_key) == photo.etag
    except Missing:
        return False
    except Forbidden:
        return True


def _delete_outdated(storage: Storage, request: ResizeRequest, photo: PhotoVersion) -> None:
    """Delete the preview if it is of the photo that was read; one of the new photo stays."""
    place = (request.dst_bucket, request.main.dst_key)
    with suppress(Missing):
        if storage.source_etag(*place) == photo.etag:
            storage.delete(*place)


def _probe_key(output: Output) -> str:
    return f"{output.dst_key.partition(f'/{output.preset_name}/')[0]}/{_PROBE}"
