"""BMP: Pillow decodes run lengths in Python, code by code, and pixel by pixel where a row ends early."""

from __future__ import annotations

from lambda_resize.containers import bounds

_FILE = 14  # the header of a file, which a picture in an ICO has not
_OLD = 12  # the size of the oldest header, whose numbers have two bytes
_TOP_DOWN = 0xFF  # the last byte of a height below 0
_RUN_LENGTHS = frozenset({1, 2})  # of 8 and of 4 bits
_BYTES_OF_A_CODE = 2


def checked(data: bytes, max_frame_pixels: int) -> bytes:
    """Return the file. Raises `TooLarge`, see `bounds`."""
    check(data, _FILE, max_frame_pixels)
    return data


def check(data: bytes, at: int, max_frame_pixels: int, pictures: int = 1) -> None:
    """Check the picture whose header begins at `at`; an ICO's says the height of `pictures` 2, the second its mask.

    Raises `TooLarge`, see `bounds`.
    """
    width, height, compression = _header(data, at)
    pixels = width * height // pictures
    bounds.check_work("bmp", pixels, max_frame_pixels // bounds.PILLOWS_SHARE)
    if compression in _RUN_LENGTHS:
        steps = pixels + (len(data) - at) // _BYTES_OF_A_CODE
        bounds.check_work("bmp of run lengths", steps, max_frame_pixels // bounds.RUN_LENGTHS_SHARE)


def _header(data: bytes, at: int) -> tuple[int, int, int]:
    """Return width, height and the kind of compression."""

    def number(offset: int, size: int = 4) -> int:
        return int.from_bytes(data[at + offset : at + offset + size], "little")

    if number(0) == _OLD:
        return number(4, 2), number(6, 2), 0
    height = 2**32 - number(8) if number(11, 1) == _TOP_DOWN else number(8)
    return number(4), height, number(16)
