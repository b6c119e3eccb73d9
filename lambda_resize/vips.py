"""libvips as this function uses it: process-wide settings, and the formats that are let in.

Importing this module sets libvips up for the whole process; every module that uses libvips imports it. No image is
touched here, so a process may fork afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lambda_resize.errors import Corrupt

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


def reason(error: pyvips.Error) -> str:
    """What libvips said, on one line, for the log."""
    return " ".join(str(error).split())[:300]


@contextmanager
def decoding() -> Iterator[None]:
    """Pixels are decoded where they are needed first, be it long before the end: that fails as `Corrupt`."""
    try:
        yield
    except pyvips.Error as error:
        raise Corrupt(reason(error)) from error
