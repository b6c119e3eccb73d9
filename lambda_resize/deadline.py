"""A time limit for one photo, enforced by libvips: before each region of an image it checks whether to continue."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import pyvips

from lambda_resize.errors import ResizeError, TimedOut


class Deadline:
    """Stops work on the watched images when the time is up: it fails with `TimedOut`.

    An encoder, or a decoder that works on a whole frame at once, finishes its current step; `Limits.max_frame_pixels`
    bounds how long such a step may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._images: list[pyvips.Image] = []
        self._lock = threading.Lock()
        self._over = False
        self._timer = threading.Timer(seconds, self.expire)
        self._timer.daemon = True

    def watch(self, image: pyvips.Image) -> pyvips.Image:
        """Watch an image and return it; computing its pixels fails once the time is up."""
        with self._lock:
            self._images.append(image)
            if self._over:
                image.set_kill(True)
        return image

    def expire(self) -> None:
        """Stop the work on all images now; the timer calls this."""
        with self._lock:
            self._over = True
            for image in self._images:
                image.set_kill(True)

    def check(self) -> None:
        """Raise `TimedOut` if the time is up; for work in several steps."""
        if self._over:
            raise TimedOut(f"not done within {self._seconds:g} seconds")

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Raise `TimedOut` instead of the errors of stopped images, which say nothing about the photo."""
        try:
            yield
        except ResizeError:
            self.check()
            raise

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            # The timer and this refer to each other, and the images would keep their pixels until a cycle is found.
            self._images.clear()
