"""A decoder in a process of its own: what it does to itself harms nobody else."""

from __future__ import annotations

import math
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from mmap import mmap
from pathlib import Path
from typing import cast

import pytest

from lambda_resize import apart
from lambda_resize.apart import Raster, decoded
from lambda_resize.deadline import Deadline
from lambda_resize.errors import Corrupt, ResizeError, TimedOut, TooLarge, Unsupported


def _writes(pixels: mmap) -> Raster:
    pixels[:4] = b"abcd"
    return Raster(2, 2, 1, profile=b"line\nline")


def _lies(_: mmap) -> Raster:
    return Raster(1000, 1000, 1)


def _exceeds_numbers(_: mmap) -> Raster:
    return Raster(cast("int", math.inf), 1, 1)


def _refuses(_: mmap) -> Raster:
    raise Unsupported("of a rare kind")


def _raises(_: mmap) -> Raster:
    raise ZeroDivisionError("whatever")


def _hoards(_: mmap) -> Raster:
    return Raster(len(bytearray(2 * apart.MEMORY)), 1, 1)


def _dies(_: mmap) -> Raster:
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError


def _hangs(_: mmap) -> Raster:
    time.sleep(60)
    raise AssertionError


def _counts(_: mmap) -> Raster:
    while True:
        pass


def test_its_pixels_come_back_with_what_it_says_of_them() -> None:
    with Deadline(10) as deadline:
        pixels, found = decoded(_writes, 4, deadline)
    assert pixels[:4] == b"abcd"
    assert found == Raster(2, 2, 1, "uchar", b"line\nline")


@pytest.mark.parametrize(
    ("decode", "error", "text"),
    [
        (_lies, Corrupt, "another size"),
        (_exceeds_numbers, Corrupt, "ended with"),
        (_refuses, Unsupported, "of a rare kind"),
        (_raises, Corrupt, "ZeroDivisionError whatever"),
        (_hoards, TooLarge, "memory"),
        (_dies, Corrupt, "ended with -11"),
    ],
)
@pytest.mark.fault("photo-takes-memory")
def test_what_becomes_of_it_is_a_failure(decode: Callable[[mmap], Raster], error: type[ResizeError], text: str) -> None:
    with Deadline(10) as deadline, pytest.raises(error, match=text):
        decoded(decode, 4, deadline)


@pytest.mark.parametrize("decode", [_hangs, _counts])
@pytest.mark.fault("photo-slow")
def test_it_is_ended_at_the_time_limit(decode: Callable[[mmap], Raster]) -> None:
    children = Path(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/children")
    before = children.read_text()
    with Deadline(0.3) as deadline, pytest.raises(TimedOut):
        decoded(decode, 4, deadline)

    assert children.read_text() == before


def test_what_is_allowed_less_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (50, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: set_to.append(limits))
    apart._lower(0, 100)
    apart._lower(0, 20)
    assert set_to == [(50, 50), (20, 20)]
