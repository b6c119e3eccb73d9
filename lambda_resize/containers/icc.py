"""Colour profiles, in any container: what converting by them reads."""

from __future__ import annotations

_TABLE = 132  # after the header and the number of tags
_ENTRY = 12
_MAX_TAGS = 100  # LittleCMS' own limit
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
