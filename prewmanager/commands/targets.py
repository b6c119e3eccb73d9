"""What a command works on, among the previews."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """Previews of one preset: those whose key begins with `start`, or is it."""

    preset: str
    start: str
    exact: bool

    def has(self, key: str) -> bool:
        """Whether the preview with this key is one of them."""
        return key == self.start if self.exact else key.startswith(self.start)
