"""Moving AVIF: a track of samples (ISO 14496-12), each of which its decoder decodes to one picture."""

from __future__ import annotations

from collections.abc import Iterator

from lambda_resize.containers import av1, bounds, boxes, heif
from lambda_resize.containers.cicp import Coding
from lambda_resize.errors import Corrupt

_BRAND = b"avis"
_EXIF, _UNKNOWN = b"Exif", b"none"  # kinds of items
_TO_TABLES = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
_ENTRY = 8 + 8 + 70  # of a description: counts and box, then what all pictures have
_FRAMES_OF_A_SAMPLE = 8  # a picture may be built from layers, and from frames that are not shown
_MAX_SAMPLES = 10_000


def is_moving(data: bytes) -> bool:
    """Whether a file of HEIF's kind has a sequence of AV1 pictures, by its brands."""
    size = int.from_bytes(data[:4])
    brands = data[8:12] + data[16 : min(size, 256)]
    return data[4:8] == b"ftyp" and _BRAND in [brands[at : at + 4] for at in range(0, len(brands), 4)]


def checked(data: bytes, max_frame_pixels: int) -> bytes:
    """Return the file without its EXIF data, of which Pillow reads all; which side is up, the container says.

    Its decoder scales pictures that are larger than the container says, so that what they say themselves counts.

    Raises:
        TooLarge: See `bounds`.
        Corrupt: A sample is not where it should be, or the description of a picture contradicts itself.
        Unsupported: That is of a kind that is not followed here.
    """
    heif.checked(data, max_frame_pixels)  # its decoder may take that picture instead
    limit = max_frame_pixels // bounds.PILLOWS_SHARE
    units = largest = kept = 0
    is_reduced = False
    for content in _contents(data):
        sample = av1.sample(content, is_reduced=is_reduced)
        units, largest, is_reduced = units + sample.units, max(largest, sample.pixels), sample.is_reduced
        kept += max(0, sample.shown - 1) * largest
        bounds.check_parts("AV1 units of samples", units)
        bounds.check_work("frames of a sample", sample.frames, _FRAMES_OF_A_SAMPLE)
        bounds.check_work("the pictures", largest, limit)
        bounds.check_work("pictures that its decoder keeps, after the first of each sample,", kept, limit)
    return _without_exif(data)


def coding(data: bytes) -> Coding:
    """Return what the first track says of its colours; its decoder brings them into the full range."""
    for table in _tables(data):
        content = table.get(b"stsd", memoryview(b""))
        for name, colours in boxes.children(content[8 + _ENTRY - 8 :]):
            if name == b"colr" and bytes(colours[:4]) == b"nclx":
                return Coding(int.from_bytes(colours[4:6]), int.from_bytes(colours[6:8]))
        for at, size in _samples(table):
            found = av1.coding(data[at : at + size])
            return Coding(found.primaries, found.transfer) if found else Coding()
    return Coding()


def _contents(data: bytes) -> Iterator[bytes]:
    """Yield each sample of each track. Raises `Corrupt` if it is not where it should be, and `TooLarge`."""
    read = 0
    for at, size in (place for table in _tables(data) for place in _samples(table)):
        if at + size > len(data):
            raise Corrupt("avis: it ends within a frame")
        read += size
        bounds.check_shared("samples", read, len(data))
        yield data[at : at + size]


def _without_exif(data: bytes) -> bytes:
    """Return the file in which EXIF data are of a kind that no decoder knows."""
    copy = bytearray(data)
    whole = [memoryview(copy)]
    tracks = _inside(_inside(whole, b"moov"), b"trak")
    metas = _inside([*whole, *tracks], b"meta")
    found = [
        kind
        for content in _inside([each[4:] for each in metas], b"iinf")
        for _, kind in boxes.places_of_kinds(content)
        if kind == _EXIF
    ]
    for kind in found:
        kind[:] = _UNKNOWN
    return bytes(copy) if found else data


def _inside(contents: list[memoryview], wanted: bytes) -> list[memoryview]:
    """Return the content of each box of that name that is in one of those."""
    found = [inside for content in contents for name, inside in boxes.children(content) if name == wanted]
    bounds.check_parts("HEIF boxes", len(found))
    return found


def _tables(data: bytes) -> Iterator[dict[bytes, memoryview]]:
    """Yield the tables of each track."""
    contents = [memoryview(data)]
    for wanted in _TO_TABLES:
        contents = _inside(contents, wanted)
    yield from (boxes.parts(content) for content in contents)


def _samples(table: dict[bytes, memoryview]) -> Iterator[tuple[int, int]]:
    """Yield where each sample is, and its size."""
    sizes = _sizes_of_samples(table.get(b"stsz", memoryview(b"")))
    chunks = list(_chunks(table))
    groups = boxes.Cursor(table.get(b"stsc", memoryview(b""))[8:])
    runs = []
    while groups:
        runs.append((groups.number(4) - 1, groups.number(4)))
        groups.number(4)
    for number, start in enumerate(chunks):
        at = start
        count = next((each for first, each in reversed(runs) if first <= number), 0)
        for _ in range(min(count, _MAX_SAMPLES)):
            size = next(sizes, None)
            if size is None:
                return
            yield at, size
            at += size


def _sizes_of_samples(content: memoryview) -> Iterator[int]:
    cursor = boxes.Cursor(content[4:])
    common, count = cursor.number(4), cursor.number(4)
    bounds.check_work("samples", count, _MAX_SAMPLES)
    for _ in range(count):
        yield common or cursor.number(4)


def _chunks(table: dict[bytes, memoryview]) -> Iterator[int]:
    name, width = (b"co64", 8) if b"co64" in table else (b"stco", 4)
    cursor = boxes.Cursor(table.get(name, memoryview(b""))[4:])
    count = cursor.number(4)
    bounds.check_work("chunks", count, _MAX_SAMPLES)
    for _ in range(count):
        yield cursor.number(width)
