"""A photo's file as its decoder gets it: checked, in memory, or still on its way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pyvips

from lambda_resize import by_pillow, containers, vips
from lambda_resize.download import Download
from lambda_resize.errors import Corrupt, ResizeError, TooLarge, Unsupported
from lambda_resize.settings import Limits

if TYPE_CHECKING:
    from lambda_resize.containers.raw import Embedded

TIFF_MAGIC = (b"II*\0", b"MM\0*")
_TIFF_ORDERS = (b"II", b"MM")
# How formats begin whose modules are imported for them alone: a cold start has no need of them.
_RAW, _CR3 = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW "), b"ftypcrx "
_JXL = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
_PDF = b"%PDF-"

_allowed: set[bytes] = set()


def allow_pdf(*, allowed: bool) -> None:
    """Accept PDF, or not, for the whole process; by default it is not: its decoder runs programs of pages and fonts."""
    (_allowed.add if allowed else _allowed.discard)(_PDF)


def is_raw(data: bytes) -> bool:
    """Whether a file that is no TIFF begins like one of a camera."""
    return data.startswith(_RAW) or data[4:12] == _CR3


def source_format(data: bytes) -> str:
    """Return an image's format by its first bytes: of `vips.LOADERS`, `vips.OPT_IN`, `by_pillow.ALWAYS`, or another.

    Raises:
        Unsupported: The format is not accepted.
        Corrupt: A TIFF that ends before its directory, which may come last.
    """
    found = pyvips.vips_lib.vips_foreign_find_load_buffer(data, len(data))
    if found == pyvips.ffi.NULL and data.startswith(TIFF_MAGIC):
        raise Corrupt("header of tiff: its directory is missing")
    if found == pyvips.ffi.NULL:
        return _rarer_format(data)
    loader = cast("bytes", pyvips.ffi.string(found)).decode().removesuffix("Buffer")
    return vips.LOADERS.get(loader) or vips.OPT_IN[loader]


def _rarer_format(data: bytes) -> str:
    if is_raw(data):
        return "raw"
    if data.startswith(_JXL):
        return "jxl"
    if _allowed and data.startswith(_PDF):
        return "pdf"
    found = by_pillow.source_format(data)
    if found is None:
        raise Unsupported("not a JPEG, PNG, WebP, GIF, TIFF, AVIF or HEIC image, nor of the rarer formats")
    return found


@dataclass(frozen=True)
class Whole:
    """A file in memory.

    Attributes:
        data: All of it, as `containers.checked` returns it.
        format: From `source_format`.
        embedded: Of a camera's RAW file, whose JPEG this is: where, and of which picture.
    """

    data: bytes
    format: str
    embedded: Embedded | None = None

    def source(self) -> pyvips.Source:
        """Return what a decoder reads: the file in place; `new_from_buffer` would copy all of it each time."""
        return pyvips.Source.new_from_memory(self.data)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Do nothing: what its decoder says is true."""
        yield

    def finish(self) -> None:
        """Do nothing: all of it was checked."""


class Arriving:
    """A file of which a decoder reads what has arrived, and waits for the rest.

    The walk over its structure is always ahead of the decoder.

    Attributes:
        format: From `source_format`.
    """

    embedded = None

    def __init__(self, download: Download, source_format: str, walk: containers.Walk) -> None:
        self.format = source_format
        self._download = download
        self._data = memoryview(download.data)
        self._walk = walk
        self._arrived = 0
        self._kept = 0  # bytes at the beginning of the download's data that a decoder may have
        self._is_done = False  # whether the walk has seen all that counts
        self._failure: BaseException | None = None

    def source(self) -> pyvips.Source:
        """Return what a decoder reads from the beginning: in place, where all of it is there already."""
        if self._is_done:
            return pyvips.Source.new_from_memory(self._data[: self._kept])
        source = pyvips.SourceCustom()
        # Not `on_read`, which cannot report an error.
        source.signal_connect("read", _Reader(self).read)
        return source

    def read(self, at: int, count: int) -> memoryview:
        """Return up to `count` bytes, and at least one, except at the end. Raises what `finish` raises."""
        while self._kept <= at and not self._is_whole:
            self._advance()
        return self._data[at : min(at + count, self._kept)]

    def fail(self, error: BaseException) -> None:
        """Have `translated` raise this."""
        self._failure = self._failure or error

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Raise why no more bytes came, rather than what a decoder says to that."""
        try:
            yield
        except ResizeError as error:
            if self._failure is not None and self._failure is not error:
                raise self._failure from error
            raise

    def finish(self) -> None:
        """Have the walk see what the decoder did not need to see.

        Raises:
            TooLarge: The walk objects.
            StorageFailed: S3 failed.
            ResizeError: Another error of the requests to S3.
        """
        if self._failure is not None:  # a lenient decoder was content with what it had
            raise self._failure
        while not self._is_done:
            self._advance()

    @property
    def data(self) -> bytes:
        """What a decoder may have so far."""
        return bytes(self._data[: self._kept])

    def whole(self) -> Whole:
        """Wait for all of it. Raises what `finish` raises."""
        self.finish()
        return Whole(self.data, self.format)

    @property
    def _is_whole(self) -> bool:
        return self._arrived == self._download.size

    def _advance(self) -> None:
        data = self._download.data
        self._arrived = self._download.wait(self._arrived + 1)
        for start, end in self._walk.advance(data, self._arrived, is_whole=self._is_whole):
            if start != self._kept:  # over what was left out before
                self._data[self._kept : self._kept + end - start] = data[start:end]
            self._kept += end - start
        self._is_done = self._is_whole or self._walk.is_over


class _Reader:
    """Reads a file for one decoder. libvips calls it from its threads."""

    def __init__(self, file: Arriving) -> None:
        self._file = file
        self._at = 0

    def read(self, target: memoryview) -> int:
        """Fill the target with the next bytes and return their number: 0 at the end, -1 for an error."""
        try:
            piece = self._file.read(self._at, len(target))
        except BaseException as error:  # noqa: BLE001 -- an exception would be printed, and pass for the end
            self._file.fail(error)
            return -1
        target[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


File = Whole | Arriving


def opened(data: bytes | Download, limits: Limits, *, animated: bool = False) -> File:
    """Return a file whose format is accepted and whose structure costs no more than the limits allow.

    A baseline JPEG, and a PNG that is not interlaced and not to be animated, are decoded while they arrive; their
    structure is checked then.

    Raises:
        Unsupported: Not an image, or its format is not accepted.
        Corrupt: Its structure contradicts itself.
        TooLarge: More bytes than the limits allow, or more work than its size suggests.
        StorageFailed: S3 failed while the photo was read.
        ResizeError: Another error of the requests to S3.
    """
    size = data.size if isinstance(data, Download) else len(data)
    if size > limits.max_source_bytes:
        raise TooLarge(f"{size} bytes, the limit is {limits.max_source_bytes}")
    if isinstance(data, Download):
        return _arriving(data, limits, animated=animated) or _whole(data.whole(), limits)
    return _whole(data, limits)


def _whole(data: bytes, limits: Limits) -> Whole:
    embedded = _embedded(data) if data.startswith(TIFF_MAGIC) or is_raw(data) else None
    if embedded:
        data = data[embedded.start : embedded.end]
    found = "jpeg" if embedded else source_format(data)
    return Whole(containers.checked(data, found, limits.max_frame_pixels), found, embedded)


def _embedded(data: bytes) -> Embedded | None:
    from lambda_resize.containers import raw  # noqa: PLC0415 -- see `_RAW`

    return raw.embedded(data, is_tiff=not is_raw(data))


def _arriving(download: Download, limits: Limits, *, animated: bool) -> Arriving | None:
    """Return the file, if it can be decoded while it arrives."""
    head = download.head()
    if head.startswith(_TIFF_ORDERS):  # what tells it apart may come last
        return None
    found = source_format(head)
    walk = containers.walk(found, limits.max_frame_pixels)
    if walk is None or (found == "png" and animated):  # frames are not decoded in the order of its bytes
        return None
    arrived, is_sequential = 0, None
    while is_sequential is None:
        arrived = download.wait(arrived + 1)
        is_sequential = walk.is_sequential(download.data, arrived, is_whole=arrived == download.size)
    return Arriving(download, found, walk) if is_sequential else None
