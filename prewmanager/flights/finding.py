"""Who asks S3 whether a preview is stored already: the flight before the resizer, or the resizer beside its read.

nginx has just asked, so it mostly is not, and a flight that asks first waits for one more answer of S3. A resizer that
can asks for preview and photo at once. While many are found (nginx's credentials have expired, it asks for other keys,
Redis is away), each would be an invocation for nothing, and the flight asks first.
"""

from __future__ import annotations

from collections.abc import Collection

_MANY_FOUND = 0.05
_WEIGHT = 0.02  # of the newest preview in the moving average: three in a row are many


class Finding:
    """What the answers so far say."""

    def __init__(self, *, by_resizer: bool = True) -> None:
        """`by_resizer` False: the flight always asks, as where its store is another than the resizer's."""
        self._allowed = by_resizer
        self._is_able = False
        self._found_share = 0.0

    @property
    def by_resizer(self) -> bool:
        """Whether to have the resizer ask."""
        return self._allowed and self._is_able and self._found_share < _MANY_FOUND

    def answered(self, *, found: bool) -> None:
        """Count a preview that was stored already, or was not."""
        self._found_share += _WEIGHT * (found - self._found_share)

    def resizer_can(self, abilities: Collection[str]) -> None:
        """Note what the resizer says of itself."""
        self._is_able = "find" in abilities
