"""The function's own environment variables (`RESIZE_…`), read once when the function starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

MIB = 1024 * 1024

CANNED_ACLS = frozenset(
    {
        "private",
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
    }
)


class SettingsError(ValueError):
    """A variable has a value that the function cannot work with; the text begins with its name."""


@dataclass(frozen=True)
class Limits:
    """How large an image may be: a guard against decompression bombs, checked before anything is decoded.

    Attributes:
        max_source_bytes: Size of the stored original.
        max_source_pixels: Width x height of the original, and of what it is scaled to. The default lets the largest
            phone cameras pass (108 megapixels) and keeps a progressive JPEG, which must be held whole, below 1 GB.
    """

    max_source_bytes: int = 64 * MIB
    max_source_pixels: int = 150_000_000


@dataclass(frozen=True)
class Settings:
    """All settings of the function.

    Attributes:
        limits: What originals are accepted.
        max_data_bytes: Largest preview that is put into the answer. A synchronous Lambda answer carries 6 MiB of
            JSON; base64 makes 4/3 of the bytes, which leaves room for about 400 KB of other fields.
        object_acl: Canned ACL for the preview object; None where the bucket has ACLs disabled, which is S3's default.
    """

    limits: Limits = Limits()
    max_data_bytes: int = 4_400_000
    object_acl: str | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read `RESIZE_MAX_SOURCE_BYTES`, `RESIZE_MAX_SOURCE_PIXELS`, `RESIZE_MAX_DATA_BYTES`, `RESIZE_OBJECT_ACL`.

        A variable that is unset or empty means its default.

        Raises:
            SettingsError: A value is not a whole number from 1, or not a canned ACL.
        """
        return cls(
            limits=Limits(
                max_source_bytes=_positive(environ, "RESIZE_MAX_SOURCE_BYTES", Limits.max_source_bytes),
                max_source_pixels=_positive(environ, "RESIZE_MAX_SOURCE_PIXELS", Limits.max_source_pixels),
            ),
            max_data_bytes=_positive(environ, "RESIZE_MAX_DATA_BYTES", cls.max_data_bytes),
            object_acl=_canned_acl(environ, "RESIZE_OBJECT_ACL"),
        )


def _positive(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise SettingsError(f"{name}: {text!r} is not a whole number from 1")
    return int(text)


def _canned_acl(environ: Mapping[str, str], name: str) -> str | None:
    text = environ.get(name, "")
    if text and text not in CANNED_ACLS:
        raise SettingsError(f"{name}: {text!r} is not one of {', '.join(sorted(CANNED_ACLS))}")
    return text or None
