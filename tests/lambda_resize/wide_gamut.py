"""Colour spaces wider than sRGB: conversion of a picture into them, and their profiles."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float64]

# Columns are red, green and blue in XYZ under D50, the white point of all profiles (IEC 61966-2-1 adapted).
_SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
_WHITE = (0.9642, 1.0, 0.8249)


@dataclass(frozen=True)
class Space:
    """A colour space: its primaries as above, and its gamma."""

    name: str
    to_xyz: tuple[tuple[float, float, float], ...]
    gamma: float

    def numbers(self, srgb: Pixels) -> Pixels:
        """Convert sRGB colours, 0 to 1, to this space's numbers, 0 to 1; colours outside of it are clipped."""
        light = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
        across = np.linalg.inv(np.array(self.to_xyz)) @ _SRGB
        return np.asarray(np.clip(light @ across.T, 0, 1) ** (1 / self.gamma))

    def profile(self) -> bytes:
        """Return an ICC profile, version 2, of three primaries and one gamma."""
        columns = np.array(self.to_xyz).T
        tags = {b"desc": _description(self.name), b"cprt": b"text\0\0\0\0none\0", b"wtpt": _xyz(*_WHITE)}
        tags |= {name: _xyz(*column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _power(self.gamma))
        table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
        for name, data in tags.items():
            table += name + struct.pack(">II", start + len(body), len(data))
            body += data + bytes(-len(data) % 4)
        return _header(start + len(body)) + struct.pack(">I", len(tags)) + table + body


ADOBE_RGB = Space(
    "Adobe RGB (1998)",
    ((0.60974, 0.20528, 0.14919), (0.31111, 0.62567, 0.06322), (0.01947, 0.06087, 0.74457)),
    563 / 256,
)
DISPLAY_P3 = Space(
    "Display P3, power 2.2",
    ((0.51512, 0.29198, 0.15710), (0.24120, 0.69225, 0.06657), (-0.00105, 0.04189, 0.78407)),
    2.2,
)
PROPHOTO = Space("ProPhoto RGB", ((0.79767, 0.13519, 0.03135), (0.28804, 0.71188, 0.00009), (0.0, 0.0, 0.82491)), 1.8)


def _header(size: int) -> bytes:
    start = struct.pack(">I4sI4s4s4s12s4s", size, b"\0" * 4, 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"\0" * 12, b"acsp")
    return start + bytes(28) + b"".join(map(_fixed, _WHITE)) + bytes(48)


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_fixed, values))


def _power(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def _description(text: str) -> bytes:
    plain = text.encode("ascii") + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(plain)) + plain + bytes(4 + 4 + 2 + 1 + 67)
