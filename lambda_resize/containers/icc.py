"""Colour profiles, in any container: what converting by them reads."""

from __future__ import annotations

_TABLE = 132  # after the header and the number of tags
_ENTRY = 12
_MAX_TAGS = 100  # LittleCMS' own limit
# Of the triangle of sRGB's primaries in x and y, adapted to D50 as profiles have them.
AREA_OF_SRGB = 0.1091
MAX_BYTES = 4_000_000  # the largest of printers have 3 MB
# Transforms in floating point, "multiProcessElements": lists of elements, each of lists of curves, and any number of
# them may point at the same bytes. Every profile that has them has the tables in integers too.
_FLOATING = (b"D2B", b"B2D")


def tamed(profile: bytes) -> bytes | None:
    """Return the profile without its transforms in floating point; None if it is too large to be used."""
    if len(profile) > MAX_BYTES:
        return None
    table = bytearray(profile[: _TABLE + _MAX_TAGS * _ENTRY])
    for at in range(_TABLE, len(table), _ENTRY):
        if table[at : at + 3] in _FLOATING:
            table[at : at + 4] = b"none"
    return bytes(table) + profile[len(table) :]


def area(profile: bytes) -> float:
    """Return the area of the triangle of a profile's red, green and blue in x and y; 0 where it names none."""
    places = [_place(profile, name) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    (x1, y1), (x2, y2), (x3, y3) = places
    return abs(x1 * (y2 - y3) + x2 * (y3 - y1) + x3 * (y1 - y2)) / 2


def _place(profile: bytes, name: bytes) -> tuple[float, float]:
    for at in range(_TABLE, min(len(profile), _TABLE + _MAX_TAGS * _ENTRY), _ENTRY):
        if profile[at : at + 4] == name:
            start = int.from_bytes(profile[at + 4 : at + 8]) + 8
            x, y, z = (int.from_bytes(profile[start + 4 * n : start + 4 * n + 4], signed=True) for n in range(3))
            return (x / (x + y + z), y / (x + y + z)) if x + y + z else (0.0, 0.0)
    return 0.0, 0.0
