"""The messages of a worker and a decoder, and what each side demands of the other's."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lambda_resize.decoder.wire import NonsenseError
from lambda_resize.errors import Corrupt, ResizeError, TimedOut, TooLarge, Unsupported
from lambda_resize.preview import Preview
from lambda_resize.settings import MIB, Limits
from prewmanager_presets import MAX_COMPANIONS, MAX_SIDE, PresetError, Spec

# Of all previews of one photo together: what a worker holds for a decoder that may send anything.
MAX_PREVIEW_BYTES = 256 * MIB
MAX_SECONDS = 900.0
MAX_COUNT = 1 << 62  # of bytes or pixels, in a limit

CONTENT_TYPES = frozenset({"image/jpeg", "image/png", "image/webp", "image/avif"})
# What may be wrong with a photo. Of S3, of the request and of credentials a decoder knows nothing.
_FAILURES: Mapping[object, type[ResizeError]] = {each.kind: each for each in (Unsupported, Corrupt, TooLarge, TimedOut)}
_MAX_TEXT = 1000  # characters
_MAX_THUMBHASH = 64  # bytes


@dataclass(frozen=True)
class Job:
    """What a decoder shall do with a photo.

    Attributes:
        specs: The previews, in their order.
        limits: For the photo, and for the time of all specs together.
        placeholder: Whether each preview gets the photo's `thumbhash`.
        allow_svg: Whether SVG is accepted.
        allow_pdf: Whether PDF is accepted.
    """

    specs: tuple[Spec, ...]
    limits: Limits
    placeholder: bool = False
    allow_svg: bool = False
    allow_pdf: bool = False

    def header(self, size: int) -> dict[str, object]:
        """Return the request's header, for a photo of `size` bytes."""
        return {
            "size": size,
            "specs": [spec.changes() for spec in self.specs],
            "limits": {name: value for name, value in asdict(self.limits).items() if name != "ends_at"},
            "placeholder": self.placeholder,
            "allow_svg": self.allow_svg,
            "allow_pdf": self.allow_pdf,
        }


def job_of(header: Mapping[str, Any]) -> tuple[Job, int]:
    """Return what a request's header asks for, and the photo's size in bytes. Raises `NonsenseError`."""
    try:
        specs = tuple(Spec(**each) for each in header["specs"])
        limits = Limits(**header["limits"])
        flags = {name: header[name] for name in ("placeholder", "allow_svg")}
        flags["allow_pdf"] = header.get("allow_pdf", False)  # which a worker of an earlier version does not say
        size = header["size"]
        is_bounded = 0 <= limits.max_seconds <= MAX_SECONDS and _is_whole(size, 0, limits.max_source_bytes)
    except (KeyError, TypeError, PresetError) as error:
        raise NonsenseError(f"a request without what is needed: {error}") from error
    counts = (limits.max_source_bytes, limits.max_source_pixels, limits.max_frame_pixels)
    is_typed = all(_is_whole(each, 1, MAX_COUNT) for each in counts) and all(
        isinstance(each, bool) for each in flags.values()
    )
    if not (is_bounded and is_typed and 1 <= len(specs) <= 1 + MAX_COMPANIONS):
        raise NonsenseError("a request out of bounds")
    return Job(specs, limits, **flags), size


def answer_of(outcome: Preview | ResizeError) -> dict[str, object]:
    """Return the header of the answer for one spec; the preview's data follow it."""
    if isinstance(outcome, ResizeError):
        return {"kind": outcome.kind, "error": str(outcome)[:_MAX_TEXT]}
    hashed = outcome.thumbhash and base64.b64encode(outcome.thumbhash).decode()
    return {
        "content_type": outcome.content_type,
        "width": outcome.width,
        "height": outcome.height,
        "size": len(outcome.data),
        "thumbhash": hashed,
    }


def failure_of(header: Mapping[str, Any]) -> ResizeError | None:
    """Return the failure that an answer's header names, None if it announces a preview. Raises `NonsenseError`."""
    if "kind" not in header:
        return None
    kind, text = header["kind"], header.get("error")
    if not isinstance(kind, str) or kind not in _FAILURES or not isinstance(text, str):
        raise NonsenseError("a failure that a photo cannot have")
    return _FAILURES[kind](_printable(text[:_MAX_TEXT]))


def preview_of(header: Mapping[str, Any], job: Job) -> tuple[Preview, int]:
    """Return a preview that an answer's header announces, still without data, and their size in bytes.

    Raises `NonsenseError` for what no preview can be.
    """
    content_type = header.get("content_type")
    if not isinstance(content_type, str) or content_type not in CONTENT_TYPES:
        raise NonsenseError("a content type that no preview has")
    most = max(job.limits.max_source_pixels, MAX_SIDE**2)
    width, height, size = (_positive(header.get(name)) for name in ("width", "height", "size"))
    if width * height > most:
        raise NonsenseError("a size that no preview has")
    return Preview(b"", content_type, width, height, _thumbhash(header.get("thumbhash"), wanted=job.placeholder)), size


def _positive(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise NonsenseError("a number that no preview has")
    return value


def _thumbhash(value: object, *, wanted: bool) -> bytes | None:
    if value is None and not wanted:
        return None
    if not wanted or not isinstance(value, str):
        raise NonsenseError("a placeholder, or none, against the request")
    try:
        thumbhash = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NonsenseError("a placeholder that is not base64") from error
    if not 1 <= len(thumbhash) <= _MAX_THUMBHASH:
        raise NonsenseError("a placeholder of another size")
    return thumbhash


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _is_whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
