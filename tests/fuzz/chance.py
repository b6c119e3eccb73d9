"""Random choices that can be repeated, and changed a little."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """Draws numbers: first those given, then random ones; remembers all."""

    def __init__(self, seed: int, given: Sequence[float] = ()) -> None:
        self._random = random.Random(seed)
        self._given = list(given)
        self.drawn: list[float] = []

    def part(self) -> float:
        """Return a number from 0 to below 1."""
        at = len(self.drawn)
        drawn = self._given[at] if at < len(self._given) else self._random.random()
        self.drawn.append(drawn)
        return drawn

    def number(self, low: int, high: int) -> int:
        """Return a number from `low` to `high`, small ones as often as large ones."""
        span = high - low + 1
        return low + min(span - 1, int((span + 1) ** self.part()) - 1)

    def one(self, choices: Sequence[T]) -> T:
        """Return one of the choices."""
        return choices[int(self.part() * len(choices))]

    def once_in(self, times: int) -> bool:
        """Whether something happens that happens once in so many times."""
        return self.part() * times < 1


def changed(drawn: Sequence[float], seed: int) -> list[float]:
    """Return draws of which a few differ."""
    chance = random.Random(seed)
    other = list(drawn)
    for _ in range(chance.choice((1, 1, 2, 4))):
        other[chance.randrange(len(other))] = chance.random()
    return other
