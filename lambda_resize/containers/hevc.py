"""HEVC inside a HEIC item: how finely its colours are resolved, which `hvcC` says too, but the decoder does not ask.

The syntax is that of ITU-T H.265, 7.3.2.2 (sequence parameter sets) and ISO/IEC 14496-15, 8.3.3 (`hvcC`).
"""

from __future__ import annotations

from collections.abc import Iterator

from lambda_resize.containers import bounds
from lambda_resize.containers.bits import Bits

_SEQUENCE = 33  # the unit that describes the pictures
COLOURS_AT, _LENGTH_AT, _ARRAYS_AT = 16, 21, 22  # in `hvcC`
_LAYERS_AT, _PROFILE_BITS, _LEVEL_BITS, _MOST_LAYERS = 20, 88, 8, 8
_FULL = 3  # the colours have the picture's own resolution
_LENGTH = 4  # bytes of a unit's length, whatever `hvcC` says: the decoder expects these


def has_full_colours(configuration: bytes, data: bytes) -> bool:
    """Whether the colours have the full resolution, by `hvcC` or by any description that the decoder may read.

    Raises `TooLarge` where it has too many units.
    """
    if len(configuration) > COLOURS_AT and configuration[COLOURS_AT] & 3 == _FULL:
        return True
    declared = 1 + (configuration[_LENGTH_AT] & 3) if len(configuration) > _LENGTH_AT else _LENGTH
    walks = [_described(configuration), *(_units(data, length) for length in {_LENGTH, declared})]
    return any(_is_full(units) for units in walks)


def _is_full(units: Iterator[bytes]) -> bool:
    """Whether a sequence among them has the full resolution. Raises `TooLarge` where there are too many."""
    for number, unit in enumerate(units):
        bounds.check_parts("HEVC units", number)
        if unit and unit[0] >> 1 & 63 == _SEQUENCE and _colours(unit) == _FULL:
            return True
    return False


def _described(configuration: bytes) -> Iterator[bytes]:
    """Yield the units of `hvcC`: arrays of them, each with its length."""
    at = _ARRAYS_AT + 1
    while at + 3 <= len(configuration):
        count, at = int.from_bytes(configuration[at + 1 : at + 3]), at + 3
        for _ in range(count):
            if at + 2 > len(configuration):
                return
            size = int.from_bytes(configuration[at : at + 2])
            yield configuration[at + 2 : at + 2 + size]
            at += 2 + size


def _units(data: bytes, length: int) -> Iterator[bytes]:
    at = 0
    while at + length < len(data):
        size, at = int.from_bytes(data[at : at + length]), at + length
        yield data[at : at + min(size, 200)]
        at += size


def _colours(unit: bytes) -> int:
    """Return the resolution of the colours; the full one where the unit ends too early."""
    bits = Bits(unit.replace(b"\0\0\3", b"\0\0"), _LAYERS_AT)
    layers = bits.read(3)
    bits.skip(1 + _PROFILE_BITS + _LEVEL_BITS)
    present = [(bits.read(1), bits.read(1)) for _ in range(layers)]
    bits.skip(2 * (_MOST_LAYERS - layers) if layers else 0)
    bits.skip(sum(profile * _PROFILE_BITS + level * _LEVEL_BITS for profile, level in present))
    bits.exponential()  # the set's number
    return bits.exponential() if not bits.ended else _FULL
