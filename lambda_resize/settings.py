"""The function's environment variables (`RESIZE_…`), read once when the function starts."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

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

MAX_SOCKET_PATH = 107  # bytes; Linux's limit for a Unix socket

ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")

FLAGS: Mapping[str, bool] = {"false": False, "0": False, "true": True, "1": True}


class SettingsError(ValueError):
    """A variable's value is invalid; the message begins with the variable's name, and does not repeat the value."""


@dataclass(frozen=True)
class Limits:
    """The limits of a photo, a guard against decompression bombs; sizes are checked before anything is decoded.

    Attributes:
        max_source_bytes: Size of the stored photo.
        max_source_pixels: Width x height of the photo, and of the scaled photo. The default accepts the largest phone
            cameras (200 megapixels), since a baseline JPEG counts half. Of an animation, all frames that are read
            count.
        max_frame_pixels: Width x height of a photo whose decoder must hold all of it at once: a progressive
            JPEG, an interlaced PNG, WebP, AVIF, HEIC, GIF. The default keeps each of them below 1 GB; AVIF takes
            twice the memory of the others, and may have half as many.
        max_seconds: Time for decoding, scaling and encoding; in Lambda at most the remaining time less one second.
        ends_at: When all must be over, whoever took the time, on the clock of `time.monotonic`; of an invocation,
            and no setting.
    """

    max_source_bytes: int = 64 * MIB
    max_source_pixels: int = 150_000_000
    max_frame_pixels: int = 100_000_000
    max_seconds: float = 15
    ends_at: float = math.inf


@dataclass(frozen=True)
class Settings:
    """All settings of the function.

    Attributes:
        limits: Which photos are accepted.
        max_data_bytes: Largest preview that is inlined in the answer. A synchronous Lambda answer holds 6 MiB of JSON;
            base64 adds a third, which leaves about 400 KB for the other fields.
        object_acl: Canned ACL for the preview object; None if the bucket has ACLs disabled, which is S3's default.
        allow_svg: Whether SVG photos are accepted, see `lambda_resize.vips.allow_svg`.
        allow_pdf: Whether the first page of a PDF is rendered, see `lambda_resize.files.allow_pdf`.
        extension: Whether the function may answer before it writes and checks its photo again, see `afterwards`.
        decoder: Path of the Unix socket at which a decoder serves, see `lambda_resize.decoder`; None: this process
            decodes.
    """

    limits: Limits = Limits()
    max_data_bytes: int = 4_400_000
    object_acl: str | None = None
    allow_svg: bool = False
    allow_pdf: bool = False
    extension: bool = True
    decoder: str | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read a variable for each field, such as `RESIZE_MAX_SOURCE_BYTES` for `max_source_bytes`.

        An unset or empty variable means the default.

        Raises:
            SettingsError: A value is not a whole number from 1, not a canned ACL, neither true nor false, no path of
                a socket, or an endpoint of AWS's SDK that is no address.
        """
        for name in ENDPOINTS:
            _check_address(environ, name)
        return cls(
            limits=Limits(
                max_source_bytes=_positive(environ, "RESIZE_MAX_SOURCE_BYTES", Limits.max_source_bytes),
                max_source_pixels=_positive(environ, "RESIZE_MAX_SOURCE_PIXELS", Limits.max_source_pixels),
                max_frame_pixels=_positive(environ, "RESIZE_MAX_FRAME_PIXELS", Limits.max_frame_pixels),
                max_seconds=_positive(environ, "RESIZE_MAX_SECONDS", int(Limits.max_seconds)),
            ),
            max_data_bytes=_positive(environ, "RESIZE_MAX_DATA_BYTES", cls.max_data_bytes),
            object_acl=_canned_acl(environ, "RESIZE_OBJECT_ACL"),
            allow_svg=_flag(environ, "RESIZE_ALLOW_SVG", default=cls.allow_svg),
            allow_pdf=_flag(environ, "RESIZE_ALLOW_PDF", default=cls.allow_pdf),
            extension=_flag(environ, "RESIZE_EXTENSION", default=cls.extension),
            decoder=_socket_path(environ, "RESIZE_DECODER"),
        )


def unset_empty_variables(environ: MutableMapping[str, str]) -> None:
    """Unset empty variables of AWS's SDK, which compose files and templates set instead of leaving them unset.

    The SDK and obstore would use an empty endpoint as an address, and send an empty token.
    """
    for name in [each for each, value in environ.items() if each.startswith("AWS_") and not value]:
        del environ[name]


def _check_address(environ: Mapping[str, str], name: str) -> None:
    text = environ.get(name, "")
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if text and not is_address:
        raise SettingsError(f"{name}: must begin with http:// or https://, such as http://minio:9000")


def _positive(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise SettingsError(f"{name}: not a whole number from 1")
    return int(text)


def _canned_acl(environ: Mapping[str, str], name: str) -> str | None:
    text = environ.get(name, "")
    if text and text not in CANNED_ACLS:
        raise SettingsError(f"{name}: not one of {', '.join(sorted(CANNED_ACLS))}")
    return text or None


def _socket_path(environ: Mapping[str, str], name: str) -> str | None:
    text = environ.get(name, "")
    if text and not (text.startswith("/") and "\0" not in text and len(os.fsencode(text)) <= MAX_SOCKET_PATH):
        raise SettingsError(f"{name}: not an absolute path of at most {MAX_SOCKET_PATH} bytes")
    return text or None


def _flag(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = environ.get(name, "").lower()
    if not text:
        return default
    if text not in FLAGS:
        raise SettingsError(f"{name}: neither true nor false")
    return FLAGS[text]
