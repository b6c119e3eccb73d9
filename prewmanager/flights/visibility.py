"""Whether the bucket shows at once what was written to it.

Amazon's S3 does. Some stores need seconds; then the result of a flight has to serve those who come meanwhile. A store
is taken for one of those until it has shown a preview right after it was written, and again after it has not.
"""

from __future__ import annotations

_CHECK_EVERY = 100  # previews: a request to S3 for each would be one in six


class Visibility:
    """What this process has seen of the bucket."""

    def __init__(self, *, at_once: bool = False) -> None:
        """`at_once`: it is known to show at once what was written, and is never checked."""
        self._is_known = at_once
        self._until_check = 0
        self.at_once = at_once

    def is_due(self) -> bool:
        """Count a preview that is to be rendered, and return whether to check that one as soon as it is written."""
        if self._is_known:
            return False
        self._until_check -= 1
        return self._until_check < 0

    def saw(self, *, at_once: bool) -> None:
        """Note whether the bucket has shown a preview right after it was written."""
        if not self._is_known:
            self.at_once = at_once
            self._until_check = _CHECK_EVERY if at_once else 0
