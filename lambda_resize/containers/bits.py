"""Reads the headers of video codecs bit by bit."""

from __future__ import annotations

_LONGEST = 32  # bits of an Exp-Golomb number


class Bits:
    """Reads a unit bit by bit; behind its end are zeros."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self._at = at

    @property
    def ended(self) -> bool:
        """Whether all bits are read."""
        return self._at >= 8 * len(self._data)

    def read(self, count: int) -> int:
        """Return the next `count` bits as a number."""
        value = 0
        for _ in range(count):
            value = value << 1 | (not self.ended and self._data[self._at >> 3] >> (7 - self._at % 8) & 1)
            self._at += 1
        return value

    def skip(self, count: int) -> None:
        """Go on `count` bits later."""
        self._at += count

    def exponential(self) -> int:
        """Return an Exp-Golomb number; 3 if it is none."""
        zeros = 0
        while not self.ended and not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros) if zeros <= _LONGEST else 3
