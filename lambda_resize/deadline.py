"""A time limit for one photo, kept by libvips itself: before each region of an image it asks whether to go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import pyvips

from lambda_resize.errors import ResizeError, TimedOut


class Deadline:
    """Ends the work on the images given to it when the time is up, and has it told as `TimedOut`.

    A decoder that works on a whole frame at once, or an encoder, is left to its current step; how long such a step
    may be is bounded by `Limits.max_frame_pixels`.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._images: list[pyvips.Image] = []
        self._lock = threading.Lock()
        self._over = False
        self._timer = threading.Timer(seconds, self.expire)
        self._timer.daemon = True

    def watch(self, image: pyvips.Image) -> pyvips.Image:
        """The same image, whose pixels are no longer made once the time is up."""
        with self._lock:
            self._images.append(image)
            if self._over:
                image.set_kill(True)
        return image

    def expire(self) -> None:
        """The time is up now."""
        with self._lock:
            self._over = True
            for image in self._images:
                image.set_kill(True)

    def check(self) -> None:
        """Raise `TimedOut` if the time is up: for work that goes on from step to step."""
        if self._over:
            raise TimedOut(f"not done within {self._seconds:g} seconds")

    @contextmanager
    def told(self) -> Iterator[None]:
        """An error of an image that was ended is the end of its time, not its damage: raise `TimedOut` instead."""
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
