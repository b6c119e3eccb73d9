"""A budget for the bytes of results in memory: what is beyond it is streamed from the bucket instead.

Bytes that the bucket may not have yet stay, and beyond the budget no preview is answered before it is written.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace

from prewmanager.previews.outcome import Made, Outcome


class ResultMemory:
    """Counts the bytes of each result for as long as anybody holds it: its flight, a waiter, an answer being sent."""

    def __init__(self, budget: int, on_change: Callable[[int], None] = lambda _: None) -> None:
        """`budget` is in bytes; `on_change` gets the bytes held."""
        self._budget = budget
        self._on_change = on_change
        self._held = 0

    @property
    def has_room(self) -> bool:
        """Whether the budget is not used up."""
        return self._held < self._budget

    def within(self, outcome: Outcome) -> Outcome:
        """Return the outcome, counted; or without its bytes, where they are beyond the budget and stored."""
        if not isinstance(outcome, Made) or outcome.body is None:
            return outcome
        if self._held + len(outcome.body) > self._budget and outcome.stored:
            return replace(outcome, body=None)
        counted = replace(outcome)
        self._change(len(outcome.body))
        weakref.finalize(counted, self._change, -len(outcome.body)).atexit = False
        return counted

    def _change(self, size: int) -> None:
        self._held += size
        self._on_change(self._held)
