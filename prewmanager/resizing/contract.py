"""The resize function's contract, from the service's side: the request's and the answer's JSON.

The first fields of both are the original system's; the rest was added and is optional to either side.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from dataclasses import dataclass, replace
from typing import Any

import pybase64

from prewmanager.errors import (
    DeadlineExceeded,
    PhotoCorrupt,
    PhotoMissing,
    PhotoTooLarge,
    PhotoUnsupported,
    PreviewFailed,
    ResizerFailed,
    StorageFailed,
)
from prewmanager.flights.ports import Failure, InvocationCost, Made, Siblings
from prewmanager.previews.catalogue import Preview
from prewmanager.request_context import context_fields

_FAILURES: dict[str, type[PreviewFailed]] = {
    "missing": PhotoMissing,
    "unsupported": PhotoUnsupported,
    "corrupt": PhotoCorrupt,
    "too_large": PhotoTooLarge,
    "forbidden": StorageFailed,
    "storage": StorageFailed,
    "timeout": DeadlineExceeded,
}
_LONGEST_MS = 900_000  # of Lambda's, for one invocation
_IMAGE = re.compile(r"image/[a-z0-9.+-]+")
_THUMBHASH = re.compile(r"[A-Za-z0-9+/]{4,64}={0,2}")


@dataclass(frozen=True, slots=True)
class ResizeContract:
    """What every request of this service says alike."""

    source_bucket: str
    preview_bucket: str
    source_prefix: str
    preview_prefix: str
    cache_control: str
    thumbhash: bool = False

    def request(self, preview: Preview, also: Siblings | None = None) -> dict[str, Any]:
        """The function's event for one preview, and for those that are made along with it."""
        return {
            "src_key": preview.photo_key,
            "src_bucket": self.source_bucket,
            "dst_bucket": self.preview_bucket,
            "root_folder": self.preview_prefix,
            "rewrite_part": self.source_prefix,
            **_look(preview),
            "cache_control": self.cache_control,
            **({"thumbhash": True} if self.thumbhash else {}),
            **({"also": [_look(each) for each in also.previews]} if also else {}),
            **context_fields(),
        }

    def made(self, answer: object, also: Siblings | None = None) -> Made:
        """The preview in a function's answer; `also` is told what the answer says of each of its own.

        An answer without data means that the preview is in the bucket and was too large to be sent along; an answer
        without the newer fields gets what they would have said. Raises the `PreviewFailed` that the answer names, and
        `ResizerFailed` for an answer that is none.
        """
        if not isinstance(answer, dict) or not isinstance(answer.get("status"), bool):
            raise ResizerFailed(f"the function answered nonsense: {str(answer)[:200]}")
        if not answer["status"]:
            failure = _FAILURES.get(str(answer.get("kind")), ResizerFailed)
            raise failure(str(answer.get("error", "the function gave no reason")))
        body = _decoded(answer.get("data"))
        size = len(body) if body is not None else answer.get("size")
        content_type = str(answer.get("content_type"))
        if not _IMAGE.fullmatch(content_type) or not isinstance(size, int | None):
            raise ResizerFailed("the function's answer has no image's content type, or a size that is none")
        made = Made(
            content_type=content_type,
            size=size or 0,
            etag=_text(answer, "etag") or (_etag(body) if body is not None else ""),
            cache_control=_text(answer, "cache_control") or self.cache_control,
            body=body,
            thumbhash=_thumbhash(answer),
        )
        if also is not None:
            self._tell(also, answer.get("also"), made.thumbhash)
        return made

    def _tell(self, also: Siblings, answers: object, thumbhash: str | None) -> None:
        """Functions that know of no siblings answer for none."""
        for preview in also.previews:
            answer = answers.get(preview.preset_name) if isinstance(answers, dict) else None
            if answer is None:
                continue
            try:
                also.outcomes[preview.preset_name] = replace(self.made(answer), body=None, thumbhash=thumbhash)
            except PreviewFailed as error:
                also.outcomes[preview.preset_name] = Failure.of(error)


def _look(preview: Preview) -> dict[str, Any]:
    preset = preview.preset
    return {
        "preset_name": preview.preset_name,
        **preset.look,
        "fingerprint": preset.fingerprint,
    }


def usage(answer: object) -> InvocationCost:
    """What a function's answer says of its own run; functions that say nothing of it took nothing."""
    if not isinstance(answer, dict):
        return InvocationCost()
    ms, mb = answer.get("duration_ms"), answer.get("memory_mb")
    gb_seconds = 0.0
    if isinstance(ms, float | int) and isinstance(mb, int) and 0 < ms < _LONGEST_MS and mb > 0:
        gb_seconds = ms / 1000 * mb / 1024
    return InvocationCost(answer.get("cold_start") is True, gb_seconds)


def _decoded(data: object) -> bytes | None:
    if data is None or data == "":
        return None
    try:
        # Vectorised: the standard library's takes a third of a millisecond for a preview of 70 KB.
        return pybase64.b64decode(str(data), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ResizerFailed("the function's data is no base64") from error


def _text(answer: dict[str, Any], name: str) -> str | None:
    value = answer.get(name)
    return value if isinstance(value, str) and value.isprintable() and value else None


def _thumbhash(answer: dict[str, Any]) -> str | None:
    value = _text(answer, "thumbhash")
    return value if value is not None and _THUMBHASH.fullmatch(value) else None


def _etag(body: bytes) -> str:
    # What S3 gives an object that was put in one part and is not encrypted with KMS.
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
