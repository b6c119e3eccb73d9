"""Looks at a photo's container before its decoder runs: what will decoding cost, beyond the pixels of its header?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from lambda_resize.containers import avis, bmp, gif, heif, ico, jpeg, jpeg2000, png, psd, svg, tiff, webp
from lambda_resize.containers.cicp import Coding


def _jxl_checked(data: bytes, max_frame_pixels: int) -> bytes:
    from lambda_resize.containers import jxl  # noqa: PLC0415 -- for this one format

    return jxl.checked(data, max_frame_pixels)


# From a file and the limit of a frame in pixels to the file that the decoder gets.
_CHECKS: Mapping[str, Callable[[bytes, int], bytes]] = {
    "avis": avis.checked,
    "bmp": bmp.checked,
    "gif": gif.checked,
    "heif": heif.checked,
    "ico": ico.checked,
    "jp2": jpeg2000.checked,
    "jpeg": jpeg.checked,
    "jxl": _jxl_checked,
    "png": png.checked,
    "psd": psd.checked,
    "svg": svg.checked,
    "tiff": tiff.checked,
    "webp": webp.checked,
}


_CODINGS: Mapping[str, Callable[[bytes], Coding]] = {"avis": avis.coding, "heif": heif.coding, "png": png.coding}


CODED = frozenset(_CODINGS)  # formats that say something of their colours, besides a profile


def coding(data: bytes, source_format: str) -> Coding:
    """Return what a photo of one of these formats says of its colours; what comes before its pixels suffices."""
    return _CODINGS[source_format](data)


def checked(data: bytes, source_format: str, max_frame_pixels: int) -> bytes:
    """Return the photo, without what a decoder would read for nothing.

    A damaged photo is followed as far as it can be; its decoder reports the damage, but SVG's is reported here.

    Raises:
        TooLarge: Decoding would cost more than `bounds` allow.
        Corrupt: It contradicts itself about that.
        Unsupported: It has parts of a kind that is not followed here.
    """
    return _CHECKS[source_format](data, max_frame_pixels) if source_format in _CHECKS else data


class Walk(Protocol):
    """The same for a photo that arrives while it is decoded."""

    @property
    def is_over(self) -> bool:
        """Whether the picture has ended, so that whatever follows costs nothing."""

    def is_sequential(self, data: bytes | bytearray, end: int, *, is_whole: bool) -> bool | None:
        """Whether the photo is decoded in the order of its bytes; None if the first `end` do not say so yet."""

    def advance(self, data: bytes | bytearray, end: int, *, is_whole: bool) -> Iterator[tuple[int, int]]:
        """Go on to where the first `end` bytes allow; `is_whole`: these are all.

        Yields the next ranges, from their first byte to the one after their last, that the decoder may have. All of
        them together are what `checked` returns.

        Raises what `checked` raises.
        """


_WALKS: Mapping[str, Callable[[int], Walk]] = {"jpeg": jpeg.Walk, "png": png.Walk}


def walk(source_format: str, max_frame_pixels: int) -> Walk | None:
    """Return what follows a photo of this format while it arrives; None where its decoder wants the whole file."""
    begin = _WALKS.get(source_format)
    return begin(max_frame_pixels) if begin else None
