"""ICO: a directory of pictures, each a PNG or a BMP; Pillow decodes the largest while it reads the header."""

from __future__ import annotations

from lambda_resize.containers import bmp, bounds, png

_FIRST, _ENTRY = 6, 16  # where the directory begins, and the size of each entry
_PNG = b"\x89PNG\r\n\x1a\n"
_HEADER = 16  # where a PNG's width is


def checked(data: bytes, max_frame_pixels: int) -> bytes:
    """Return a file that has only the picture which is shown, and of that what its decoder needs.

    Raises:
        TooLarge: See `bounds`.
    """
    count = int.from_bytes(data[4:6], "little")
    bounds.check_parts("ICO pictures", count)
    entries = [data[at : at + _ENTRY] for at in range(_FIRST, _FIRST + count * _ENTRY, _ENTRY)]
    if not entries or len(entries[-1]) < _ENTRY:
        return data
    entry = min(entries, key=_order)
    picture = data[int.from_bytes(entry[12:], "little") :]
    if picture.startswith(_PNG):
        width, height = (int.from_bytes(picture[at : at + 4]) for at in (_HEADER, _HEADER + 4))
        bounds.check_work("png in an ico", width * height, max_frame_pixels // bounds.PILLOWS_SHARE)
        picture = png.checked(picture, max_frame_pixels)
    else:
        bmp.check(picture, 0, max_frame_pixels, pictures=2)
    return data[:4] + b"\1\0" + entry[:12] + (_FIRST + _ENTRY).to_bytes(4, "little") + picture


def _order(entry: bytes) -> tuple[int, int]:
    """Return what Pillow sorts by: the largest first, of several the one with the fewest colours; 0 means 256."""
    width, height, colours = entry[0] or 256, entry[1] or 256, entry[2]
    bits = int.from_bytes(entry[6:8], "little") or max(0, colours - 1).bit_length() or 256
    return -width * height, bits
