"""A hostile colour profile: lists of lists that all point at the same bytes."""

from __future__ import annotations

import struct

_HEADER = 128


def floating(elements: int, curves: int = 3, samples: int = 300) -> bytes:
    """Return an RGB profile whose D2B0 has `elements` elements, each the same set of the same curves."""
    curve = b"curf" + bytes(4) + struct.pack(">HH", 1, 0) + b"samf" + bytes(4) + struct.pack(">I", samples)
    curve = b"curf" + bytes(4) + struct.pack(">HH", 3, 0) + struct.pack(">ff", 0.0, 1.0)
    line = b"parf" + bytes(4) + struct.pack(">HH4f", 0, 0, 1.0, 1.0, 0.0, 0.0)
    sampled = b"samf" + bytes(4) + struct.pack(">I", samples) + struct.pack(f">{samples}f", *([0.5] * samples))
    curve += line + sampled + line
    place = 12 + 8 * curves
    curve_set = b"cvst" + bytes(4) + struct.pack(">HH", curves, curves)
    curve_set += struct.pack(">II", place, len(curve)) * curves + curve
    first = 16 + 8 * elements
    tag = b"mpet" + bytes(4) + struct.pack(">HHI", 3, 3, elements)
    tag += struct.pack(">II", first, len(curve_set)) * elements + curve_set
    tag += bytes(-len(tag) % 4)
    colours = {b"rXYZ": (0.4, 0.2, 0.0), b"gXYZ": (0.4, 0.7, 0.1), b"bXYZ": (0.2, 0.1, 0.7), b"wtpt": (0.96, 1, 0.82)}
    tags = {name: _xyz(value) for name, value in colours.items()}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), b"curv" + bytes(4) + struct.pack(">I", 0))
    return _profile(tags | {b"D2B0": tag})


def _xyz(value: tuple[float, float, float]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(each * 65536) for each in value))


def _profile(tags: dict[bytes, bytes]) -> bytes:
    at = _HEADER + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">II", at + len(body), len(content))
        body += content
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"lcms", 0x04400000, b"mntr", b"RGB ", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    return head.ljust(_HEADER, b"\0") + table + body
