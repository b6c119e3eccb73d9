"""libvips as this function uses it: process-wide settings, and the formats that are let in.

Importing this module sets libvips up for the whole process; every module that uses libvips imports it. No image is
touched here, so a process may fork afterwards.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lambda_resize.errors import Corrupt, ResizeError, Unsupported

os.environ.setdefault("VIPS_WARNING", "0")  # any value silences them; libvips looks for it when it is loaded
import pyvips

# Blocked as a class and let in one by one: what is not an image format of photos (SVG, PDF, CSV, raw memory, …) can
# then not be opened at all, whatever the bytes claim to be. UltraHDR stays out too: such files are JPEGs as well.
LOADERS: Mapping[str, str] = {
    "VipsForeignLoadJpeg": "jpeg",
    "VipsForeignLoadPng": "png",
    "VipsForeignLoadWebp": "webp",
    "VipsForeignLoadNsgif": "gif",
    "VipsForeignLoadTiff": "tiff",
    "VipsForeignLoadHeif": "heif",
}
OPT_IN: Mapping[str, str] = {"VipsForeignLoadSvg": "svg"}

# What its loaders say of intact files: TIFF in Lab, with 12 bits, with planes in tiles, with LZMA, with JPEG of 1992.
UNREADABLE = re.compile(r"not supported|not configured|not built in|bad labq format|not a whole number of bytes")

# pyvips hands libvips' messages to Python's logging. Python may collect garbage there, a decoder that is freed by that
# may have another message, and GLib ends the process on a message within a message: a damaged PNG is enough for it.
pyvips._remove_log_handler()  # noqa: SLF001 -- there is no public way

pyvips.operation_block_set("VipsForeignLoad", True)
for _loader in LOADERS:
    pyvips.operation_block_set(_loader, False)
pyvips.cache_set_max(0)  # no two calls see the same bytes, so a cache of operations would only keep memory


def allow_svg(*, allowed: bool) -> None:
    """Let SVG in, or keep it out as it is at first, for the whole process.

    librsvg opens no file and no address from an image that comes as bytes, but what it parses is a program's source
    rather than pixels, and libvips marks it as not meant for untrusted input.
    """
    for loader in OPT_IN:
        pyvips.operation_block_set(loader, not allowed)


def failure(error: pyvips.Error, what: str = "") -> ResizeError:
    """What an error of libvips says about the photo, on one line: it is damaged, or of a kind that is not read here."""
    reason = " ".join(str(error).split())
    kind = Unsupported if UNREADABLE.search(reason) else Corrupt
    return kind(f"{what}{reason[:300]}")


@contextmanager
def decoding() -> Iterator[None]:
    """Pixels are decoded where they are needed first, be it long before the end: what fails there is ours.

    Raises:
        Corrupt: The pixels cannot be decoded.
        Unsupported: Nor could those of an intact file of its kind.
    """
    try:
        yield
    except pyvips.Error as error:
        raise failure(error) from error
