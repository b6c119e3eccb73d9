"""libvips as this function uses it: process-wide settings, and the accepted formats.

Importing this module configures libvips for the whole process; every module that uses libvips imports it. No image is
opened here, so a process may fork afterwards.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lambda_resize.errors import Corrupt, ResizeError, Unsupported

os.environ.setdefault("VIPS_WARNING", "0")  # any value silences them; libvips reads it when it is loaded
import pyvips

# All loaders are blocked, and these accepted one by one: no other format (SVG, PDF, CSV, raw memory, …) can be opened,
# whatever the bytes claim to be. UltraHDR stays blocked too: such files are JPEGs as well.
LOADERS: Mapping[str, str] = {
    "VipsForeignLoadJpeg": "jpeg",
    "VipsForeignLoadPng": "png",
    "VipsForeignLoadWebp": "webp",
    "VipsForeignLoadNsgif": "gif",
    "VipsForeignLoadTiff": "tiff",
    "VipsForeignLoadHeif": "heif",
}
OPT_IN: Mapping[str, str] = {"VipsForeignLoadSvg": "svg"}

# Its loaders' messages for intact files: TIFF in Lab, with 12 bits, with planes in tiles, with LZMA, with JPEG of 1992.
UNREADABLE = re.compile(r"not supported|not configured|not built in|bad labq format|not a whole number of bytes")

# pyvips passes libvips' messages to Python's logging. Python may collect garbage there, a decoder freed then may have
# another message, and GLib aborts the process on a message within a message: a damaged PNG is enough for it.
pyvips._remove_log_handler()  # noqa: SLF001 -- there is no public way

pyvips.operation_block_set("VipsForeignLoad", True)
for _loader in LOADERS:
    pyvips.operation_block_set(_loader, False)
pyvips.cache_set_max(0)  # no two calls see the same bytes, so a cache of operations would only keep memory


def allow_svg(*, allowed: bool) -> None:
    """Accept SVG, or block it, for the whole process; it is blocked at first.

    librsvg opens no file and no address from an image that comes as bytes, but it parses a program's source rather than
    pixels, and libvips marks it as unsuitable for untrusted input.
    """
    for loader in OPT_IN:
        pyvips.operation_block_set(loader, not allowed)


def failure(error: pyvips.Error, what: str = "") -> ResizeError:
    """An error of libvips as this project's, on one line: the photo is damaged, or its kind is not supported."""
    reason = " ".join(str(error).split())
    kind = Unsupported if UNREADABLE.search(reason) else Corrupt
    return kind(f"{what}{reason[:300]}")


@contextmanager
def decoding() -> Iterator[None]:
    """Translate libvips' errors: pixels are decoded where they are first needed, which may be anywhere inside.

    Raises:
        Corrupt: The pixels cannot be decoded.
        Unsupported: Even an intact file of its kind could not be decoded.
    """
    try:
        yield
    except pyvips.Error as error:
        raise failure(error) from error
