"""The C library's switches: set where there are any."""

from __future__ import annotations

import ctypes
import platform

import pytest

from lambda_resize import memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these switches")
def test_the_c_library_takes_the_values() -> None:
    """It refuses thresholds that are too large, and says so."""
    assert memory.keep_between_images()


def test_another_c_library_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """One without these switches, such as musl, is no error."""
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not memory.keep_between_images()
