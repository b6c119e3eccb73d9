"""A photo on its way from S3: its first bytes are used while the last are not there yet.

What has arrived is kept, so that a decoder may begin again: as much memory as a photo that is read whole.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lambda_resize.errors import StorageFailed

HEAD_BYTES = 4096  # tell an image's format
# Of the time that a photo may take, S3 may have used so much, when the end comes before that, until it is to blame.
SLOW_STORAGE_S = 1.0
_MORE_PARTS = 3  # requests at once for what does not come with the first
_LEAST_BYTES = 2 << 20  # of each

Pieces = Iterator[bytes]


@dataclass
class _Part:
    """A range of the photo, which one request reads in order."""

    start: int
    end: int
    arrived: int = 0

    @property
    def is_whole(self) -> bool:
        return self.start + self.arrived == self.end


class Download:
    """A photo's bytes, which threads fetch, and one reader waits for.

    Nobody but the reader slows it down: the threads fetch as fast as S3 sends. Until something beyond the head is
    waited for, there is one request only.

    Attributes:
        size: Bytes of the whole photo.
        data: As many bytes; those that `wait` returned the number of are the photo's, and the others not yet.
    """

    def __init__(
        self,
        size: int,
        first_bytes: int,
        first: Pieces,
        further: Callable[[int, int], Pieces],
        ends_at: float = math.inf,
    ) -> None:
        """Begin to fetch.

        Args:
            size: Of the whole photo.
            first_bytes: As many come with the first request.
            first: Yields them, piece by piece, and raises what S3's errors are translated to.
            further: Does the same for a range, from its first byte to the one after its last.
            ends_at: When nobody waits any longer, on the clock of `time.monotonic`.
        """
        self.size = size
        self.data = bytearray(size)
        self._parts = _parts(size, first_bytes)
        self._further = further
        self._has_begun = False  # to fetch further parts
        self._ends_at = ends_at
        self._changed = threading.Condition()
        self._failure: BaseException | None = None
        self._is_closed = False
        self._waited_s = 0.0
        self._waits_since: float | None = None
        self._start(self._parts[0], first)

    @property
    def waited_s(self) -> float:
        """Seconds that the reader has waited so far."""
        since = self._waits_since
        return self._waited_s + (0.0 if since is None else time.monotonic() - since)

    def head(self) -> bytes:
        """Wait for the first bytes, which tell the format, and return them. Raises what `wait` raises."""
        return bytes(self.data[: min(HEAD_BYTES, self._wait(HEAD_BYTES))])

    def wait(self, count: int) -> int:
        """Wait for the first `count` bytes, or for all, and return how many there are, which may be more.

        Raises:
            StorageFailed: S3 failed, or the time is up.
            ResizeError: Another error of the requests to S3.
        """
        with self._changed:
            begins, self._has_begun = not self._has_begun, True
        if begins:
            for part in self._parts[1:]:
                self._start(part, self._further(part.start, part.end))
        return self._wait(count)

    def whole(self) -> bytes:
        """Wait for all bytes, and hand them over: they are not kept here any more. Raises what `wait` raises."""
        self.wait(self.size)
        data, self.data = bytes(self.data), bytearray()
        return data

    def close(self) -> None:
        """Stop fetching: the connections are closed with their next piece."""
        with self._changed:
            self._is_closed = True

    def _wait(self, count: int) -> int:
        wanted = min(count, self.size)
        with self._changed:
            if self._arrived() < wanted and self._failure is None:
                self._wait_for(lambda: self._arrived() >= wanted or self._failure is not None)
            arrived = self._arrived()
            if arrived < wanted:
                raise self._failure or StorageFailed(f"S3 has sent {arrived} of {self.size} bytes, and the time is up")
            return arrived

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        began = self._waits_since = time.monotonic()
        self._changed.wait_for(condition, None if self._ends_at == math.inf else self._ends_at - began)
        self._waits_since, self._waited_s = None, self._waited_s + time.monotonic() - began

    def _arrived(self) -> int:
        """Return how many bytes are there without a gap."""
        return next((part.start + part.arrived for part in self._parts if not part.is_whole), self.size)

    def _start(self, part: _Part, pieces: Pieces) -> None:
        # A daemon: S3 may be silent for longer than a process should take to end.
        threading.Thread(target=self._fetch, args=(part, pieces), name="download", daemon=True).start()

    def _fetch(self, part: _Part, pieces: Pieces) -> None:
        try:
            for piece in pieces:
                start = part.start + part.arrived
                kept = piece[: part.end - start]
                self.data[start : start + len(kept)] = kept
                with self._changed:
                    part.arrived += len(kept)
                    self._changed.notify_all()
                    if self._is_closed:
                        return
            if not part.is_whole:
                self._fail(StorageFailed(f"S3 has sent {part.arrived} of {part.end - part.start} bytes"))
        except BaseException as error:  # noqa: BLE001 -- the reader raises it, also a panic in obstore's Rust
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()


def _parts(size: int, first: int) -> list[_Part]:
    """Return the ranges that are read at once."""
    count = min(_MORE_PARTS, -(-(size - first) // _LEAST_BYTES))
    ends = [first, *(first + (size - first) * number // count for number in range(1, count + 1))]
    return [_Part(start, end) for start, end in zip([0, *ends], ends, strict=False)]
