"""Headers of JPEG XL, bit by bit (ISO 18181-1)."""

from __future__ import annotations

from lambda_resize.containers.jxl import CODESTREAM


class Bits:
    """Writes numbers, their lowest bit first, after the codestream's mark."""

    def __init__(self) -> None:
        self._number = 0
        self._count = 0
        self.write(int.from_bytes(CODESTREAM, "little"), 16)

    def write(self, value: int, count: int) -> None:
        """Append the lowest `count` bits."""
        self._number |= (value & ((1 << count) - 1)) << self._count
        self._count += count

    def size(self, width: int, height: int) -> None:
        """Append the size of the picture, each side in 30 bits."""
        self.write(0, 1)
        for number, side in enumerate((height, width)):
            self.write(3, 2)
            self.write(side - 1, 30)
            self.write(0, 3 * (number == 0))

    @property
    def data(self) -> bytes:
        """What was written, up to a whole byte."""
        return self._number.to_bytes(-(-self._count // 8), "little")


def declared(width: int, height: int) -> bytes:
    """Return a header of this size, everything else at its default, and a kilobyte of zeros."""
    bits = Bits()
    bits.size(width, height)
    bits.write(1, 1)
    return bits.data + bytes(1_000)


def channels(count: int) -> bytes:
    """Return a header of a small picture with so many channels besides the colours."""
    bits = Bits()
    bits.size(8, 8)
    for value, width in ((0, 1), (0, 1), (0, 1), (0, 2), (1, 1), (3, 2), (count - 1, 12)):
        bits.write(value, width)
    return bits.data + bytes(1_000)
