"""The resize function's contract, from the service's side: the JSON of request and response.

The first fields of both are those of the first source system; the others were added, and either side works without
them.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pybase64
import structlog

from prewmanager.errors import (
    CredentialsRefused,
    Overloaded,
    PhotoCorrupt,
    PhotoFatal,
    PhotoHidden,
    PhotoMissing,
    PhotoTimedOut,
    PhotoTooLarge,
    PhotoUnsupported,
    PreviewFailed,
    ResizerFailed,
    StorageFailed,
)
from prewmanager.previews.catalogue import Preview
from prewmanager.previews.layout import Layout
from prewmanager.previews.outcome import Failure, Made, Outcome
from prewmanager.request_context import context_fields
from prewmanager.resizing.polish import Polished, PolishJob, PolishResult
from prewmanager.resizing.render import InvocationCost, RenderJob, RenderResult
from prewmanager_presets import Effort

_log = structlog.get_logger(__name__)
_FAILURES: dict[str, type[PreviewFailed]] = {
    "missing": PhotoMissing,
    "unsupported": PhotoUnsupported,
    "corrupt": PhotoCorrupt,
    "too_large": PhotoTooLarge,
    "crashed": PhotoFatal,
    "forbidden": StorageFailed,
    "storage": StorageFailed,
    "credentials": CredentialsRefused,
    "timeout": PhotoTimedOut,
    "throttled": Overloaded,
}
_RETRY_AFTER_S: dict[type[PreviewFailed], float] = {Overloaded: 1.0}
_MAX_DURATION_MS = 900_000  # Lambda's limit for one invocation
_IMAGE = re.compile(r"image/[a-z0-9.+-]+")
_THUMBHASH = re.compile(r"[A-Za-z0-9+/]{4,64}={0,2}")


@dataclass(frozen=True, slots=True)
class ResizeContract:
    """What every request of this service has in common.

    `max_result_bytes` and `unwritten_s`: how large a preview may be that is answered before it is written, and for how
    many seconds after the answer the service can serve it.
    `effort`: that of the encoders for all previews, whatever their presets say; None: as they say.
    """

    source_bucket: str
    preview_bucket: str
    layout: Layout
    cache_control: str
    thumbhash: bool = False
    max_result_bytes: int = 0
    unwritten_s: int = 0
    effort: Effort | None = None

    def request(self, job: RenderJob) -> dict[str, Any]:
        """Build the function's event for a job."""
        return {
            **self._photo_and_preview(job.preview, self.effort),
            **({"find": True} if job.find else {}),
            **({"answer_first": self._answer_first} if job.answer_first else {}),
            **({"also": [self._preset_fields(each, self.effort) for each in job.companions]} if job.companions else {}),
            **context_fields(),
        }

    def polish_request(self, job: PolishJob) -> dict[str, Any]:
        """Build the function's event for polishing a preview.

        A function that cannot polish finds the preview, which is stored, and leaves it as it is.
        """
        polish = {"etag": job.etag, "source_etag": job.source_etag, "max_bytes": job.max_bytes}
        return {**self._photo_and_preview(job.preview, "small"), "find": True, "polish": polish}

    def _photo_and_preview(self, preview: Preview, effort: Effort | None) -> dict[str, Any]:
        return {
            "src_key": preview.photo_key,
            "src_bucket": self.source_bucket,
            "dst_bucket": self.preview_bucket,
            "root_folder": self.layout.preview_prefix,
            "rewrite_part": self.layout.photos.removesuffix("/"),
            **self._preset_fields(preview, effort),
            "cache_control": self.cache_control,
            **({"thumbhash": True} if self.thumbhash else {}),
        }

    def _preset_fields(self, preview: Preview, effort: Effort | None) -> dict[str, Any]:
        preset = preview.preset
        return {
            "preset_name": preview.preset_name,
            **preset.spec_at(effort or preset.effort),
            "fingerprint": preset.fingerprint,
        }

    @property
    def _answer_first(self) -> dict[str, int]:
        return {"max_bytes": self.max_result_bytes, "seconds": self.unwritten_s}

    def result(self, response: object, job: RenderJob) -> RenderResult:
        """Read the function's response to a job.

        Raises the `PreviewFailed` that the response names, and `ResizerFailed` where it is no response of the contract.
        """
        made = self._made(response)
        _log_other_version(response, job.preview)
        known = response if isinstance(response, dict) else {}
        companions = dict(self._companions(job.companions, known.get("also"), made.thumbhash))
        return RenderResult(made, companions, known.get("found") is True, _strings(known.get("can")))

    def polish_result(self, response: object) -> PolishResult:
        """Read the function's response to `polish_request`; one that does not say what it did cannot polish.

        Raises as `result`.
        """
        known = _succeeded(response)
        outcome, size = known.get("polished"), known.get("size")
        if outcome not in set(Polished) or not isinstance(size, int):
            return PolishResult(Polished.UNABLE, 0)
        return PolishResult(Polished(outcome), size)

    def _made(self, response: object) -> Made:
        """Read one preview.

        A response without data means that the preview is in the bucket and was too large to be inlined. Fields that an
        older function leaves out get the values that it stores. No ETag is computed for what is not written yet.
        """
        response = _succeeded(response)
        body = _decoded(response.get("data"))
        size = len(body) if body is not None else response.get("size")
        content_type = str(response.get("content_type"))
        if not _IMAGE.fullmatch(content_type) or not isinstance(size, int | None):
            raise ResizerFailed("the function's response has no image content type, or an invalid size")
        stored = response.get("written") is not False
        if body is None and not stored:
            raise ResizerFailed("the function's response has neither the preview nor its place")
        return Made(
            content_type=content_type,
            size=size or 0,
            etag=_text(response, "etag") or (_etag(body) if body is not None and stored else ""),
            cache_control=_text(response, "cache_control") or self.cache_control,
            body=body,
            thumbhash=_thumbhash(response),
            stored=stored,
        )

    def _companions(
        self, companions: tuple[Preview, ...], responses: object, thumbhash: str | None
    ) -> Iterator[tuple[str, Outcome]]:
        by_preset = responses if isinstance(responses, dict) else {}
        for preview in companions:
            response = by_preset.get(preview.preset_name)
            if response is None:
                continue
            try:
                yield preview.preset_name, replace(self._made(response), body=None, thumbhash=thumbhash)
            except ResizerFailed:
                continue  # says nothing of the photo: whoever waits for the companion has it rendered by itself
            except PreviewFailed as error:
                yield preview.preset_name, Failure.of(error)


def _succeeded(response: object) -> dict[str, Any]:
    """Return a response that reports no failure. Raises the failure, or `ResizerFailed` where it is no response."""
    if not isinstance(response, dict) or not isinstance(response.get("status"), bool):
        raise ResizerFailed(f"the function's response is not one of the contract: {str(response)[:200]}")
    if not response["status"]:
        failure = _FAILURES.get(str(response.get("kind")), ResizerFailed)
        failure = PhotoHidden if failure is PhotoMissing and response.get("denied") is True else failure
        raise failure(str(response.get("error", "the function gave no reason")), _RETRY_AFTER_S.get(failure))
    return response


def _log_other_version(response: object, preview: Preview) -> None:
    """Log that the function rendered another definition than the preset's: the preview is stored as that one's."""
    applied = _text(response, "fingerprint") if isinstance(response, dict) else None
    if applied is not None and applied != preview.preset.fingerprint:
        unknown = response.get("unknown") if isinstance(response, dict) else None
        _log.warning("function.is_older", key=preview.preview_key, unknown=str(unknown)[:200], fingerprint=applied)


def invocation_cost(response: object) -> InvocationCost:
    """Read what the function reports about its own run; a response without that counts as nothing."""
    if not isinstance(response, dict):
        return InvocationCost()
    ms, mb = response.get("duration_ms"), response.get("memory_mb")
    gb_seconds = 0.0
    if isinstance(ms, float | int) and isinstance(mb, int) and 0 < ms < _MAX_DURATION_MS and mb > 0:
        gb_seconds = ms / 1000 * mb / 1024
    return InvocationCost(response.get("cold_start") is True, gb_seconds)


def _decoded(data: object) -> bytes | None:
    if data is None or data == "":
        return None
    if isinstance(data, bytes):  # from a resizer that is asked by HTTP
        return data
    try:
        # Vectorised: the standard library's takes a third of a millisecond for a preview of 70 KB.
        return pybase64.b64decode(str(data), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ResizerFailed("the function's data is not base64") from error


def _text(response: dict[str, Any], name: str) -> str | None:
    value = response.get(name)
    return value if isinstance(value, str) and value.isprintable() and value else None


def _strings(values: object) -> frozenset[str]:
    return frozenset(filter(lambda value: isinstance(value, str), values if isinstance(values, list) else ()))


def _thumbhash(response: dict[str, Any]) -> str | None:
    value = _text(response, "thumbhash")
    return value if value is not None and _THUMBHASH.fullmatch(value) else None


def _etag(body: bytes) -> str:
    # As S3 computes it for an object that is uploaded in one part and not encrypted with KMS.
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
