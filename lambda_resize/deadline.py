"""A time limit for one photo, enforced by libvips: before each region of an image it checks whether to continue."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

import pyvips

from lambda_resize.download import SLOW_STORAGE_S
from lambda_resize.errors import ResizeError, StorageFailed, TimedOut


class Deadline:
    """Stops work on the watched images when the time is up: it fails with `TimedOut`, or `StorageFailed`.

    The photo's own time counts, without the seconds in which its decoder waits for S3. Where all must be over at some
    time, and S3 has used so much before and meanwhile that the photo did not have its own, S3 is to blame.

    An encoder, or a decoder that works on a whole frame at once, finishes its current step; `Limits.max_frame_pixels`
    bounds how long such a step may take.
    """

    def __init__(self, seconds: float, ends_at: float = math.inf, waited_s: Callable[[], float] = lambda: 0.0) -> None:
        """Begin with `with`.

        Args:
            seconds: The photo's own time.
            ends_at: When all must be over, on the clock of `time.monotonic`.
            waited_s: Returns how long the photo's decoder has waited for S3 so far.
        """
        self._seconds = seconds
        self._ends_at = ends_at
        self._waited_s = waited_s
        self._began = time.monotonic()
        self._over: ResizeError | None = None
        self._images: list[pyvips.Image] = []
        self._lock = threading.Lock()
        self._is_closed = False
        self._timer = self._new_timer()

    def watch(self, image: pyvips.Image) -> pyvips.Image:
        """Watch an image and return it; computing its pixels fails once the time is up."""
        with self._lock:
            self._images.append(image)
            if self._over is not None:
                image.set_kill(True)
        return image

    def expire(self) -> None:
        """Stop the work on all images now."""
        own_s = self._own_s()
        with self._lock:
            self._over = TimedOut(f"not done within {self._seconds:g} seconds")
            if own_s < self._seconds - SLOW_STORAGE_S and time.monotonic() >= self._ends_at:
                self._over = StorageFailed(f"S3 left {own_s:.1f} of {self._seconds:g} seconds for rendering")
            for image in self._images:
                image.set_kill(True)

    def check(self) -> None:
        """Raise `TimedOut` or `StorageFailed` if the time is up; for work in several steps."""
        if self._over is not None:
            raise self._over

    @property
    def left_s(self) -> float:
        """Seconds that are left, of the photo's own or of all."""
        return min(self._seconds - self._own_s(), self._ends_at - time.monotonic())

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Raise what `check` does instead of the errors of stopped images, which say nothing about the photo."""
        try:
            yield
        except ResizeError:
            self.check()
            raise

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_closed = True
            self._timer.cancel()
            # The timer and this refer to each other, and the images would keep their pixels until a cycle is found.
            self._images.clear()

    def _own_s(self) -> float:
        return time.monotonic() - self._began - self._waited_s()

    def _new_timer(self) -> threading.Timer:
        timer = threading.Timer(max(0.0, self.left_s), self._due)
        timer.daemon = True
        return timer

    def _due(self) -> None:
        """Stop the work, or go on for as long as the decoder has waited meanwhile."""
        if self.left_s <= 0:
            self.expire()
            return
        with self._lock:
            if not self._is_closed:
                self._timer = self._new_timer()
                self._timer.start()
