"""Configures libvips: process-wide settings, and the accepted formats.

Importing this module configures libvips for the whole process; every module that uses libvips imports it. No image is
opened here, so a process may fork afterwards.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lambda_resize.errors import Corrupt, ResizeError, TooLarge, Unsupported

os.environ.setdefault("VIPS_WARNING", "0")  # any value silences them; libvips reads it when it is loaded
import pyvips

# All loaders are blocked except these: no other format (SVG, PDF, CSV, raw memory, …) can be opened, whatever the bytes
# claim to be. UltraHDR stays blocked too: such files are also JPEGs.
LOADERS: Mapping[str, str] = {
    "VipsForeignLoadJpeg": "jpeg",
    "VipsForeignLoadPng": "png",
    "VipsForeignLoadWebp": "webp",
    "VipsForeignLoadNsgif": "gif",
    "VipsForeignLoadTiff": "tiff",
    "VipsForeignLoadHeif": "heif",
}
OPT_IN: Mapping[str, str] = {"VipsForeignLoadSvg": "svg"}

# libvips' messages for intact files that it cannot read: TIFF in Lab, with 12 bits, tiled planes, LZMA; JPEG of 12
# bits, or lossless.
UNREADABLE = re.compile(
    r"not supported|Unsupported (JPEG|color)|not configured|not built in|bad labq format|not a whole number of bytes"
)

# A process whose memory is limited, or whose host has no more.
OUT_OF_MEMORY = "out of memory"

# pyvips' handler passes libvips' messages to Python's logging. There Python may collect garbage and free a decoder that
# emits another message, and GLib aborts the process at a message within a message. A damaged PNG is enough.
pyvips._remove_log_handler()  # noqa: SLF001 -- there is no public way

pyvips.operation_block_set("VipsForeignLoad", True)
for _loader in LOADERS:
    pyvips.operation_block_set(_loader, False)
pyvips.cache_set_max(0)  # no two calls have the same bytes, so a cache of operations would only hold memory


def allow_svg(*, allowed: bool) -> None:
    """Accept SVG, or block it, for the whole process; it is blocked by default.

    librsvg opens no file and no address from an image that comes as bytes, but it parses a program's source rather than
    pixels, and libvips marks it as unsuitable for untrusted input.
    """
    for loader in OPT_IN:
        pyvips.operation_block_set(loader, not allowed)


# What pyvips raises when libvips fails: its message may have bytes of the photo, which pyvips fails to decode.
FAILURES = (pyvips.Error, UnicodeDecodeError)


def failure(error: pyvips.Error | UnicodeDecodeError, what: str = "") -> ResizeError:
    """Convert an error of libvips, its message on one line: the photo is damaged, too large or unsupported."""
    text = str(error)
    if isinstance(error, UnicodeDecodeError):
        pyvips.vips_lib.vips_error_clear()  # or the next photo's message would have these bytes, too
        text = error.object.decode(errors="replace")
    reason = " ".join(text.split())
    if OUT_OF_MEMORY in reason:
        return TooLarge(f"{what}{reason[:300]}")
    kind = Unsupported if UNREADABLE.search(reason) else Corrupt
    return kind(f"{what}{reason[:300]}")


def drop_warnings() -> None:
    """Forget what libvips' loaders have warned of."""
    pyvips.vips_lib.vips_error_clear()


def check_warnings(loader: str) -> None:
    """Raise `Corrupt` if a loader has warned since the last check: libvips itself does not look after the last rows.

    The messages are the process's: `drop_warnings` of an earlier photo before the next.
    """
    text = " ".join(str(pyvips.Error("")).split())  # reads all messages, and forgets them
    if f"{loader}:" in text:
        raise Corrupt(text[:300])


@contextmanager
def decoding() -> Iterator[None]:
    """Translate libvips' errors: pixels are decoded where they are first needed, which may be anywhere inside.

    Raises:
        Corrupt: The pixels cannot be decoded.
        TooLarge: There is not enough memory for them.
        Unsupported: The photo is of a kind that cannot be decoded, even if intact.
    """
    try:
        yield
    except FAILURES as error:
        raise failure(error) from error
    except MemoryError as error:
        raise TooLarge(f"it needs more memory than there is {error}".rstrip()) from error
