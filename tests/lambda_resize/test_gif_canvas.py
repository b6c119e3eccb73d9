"""GIF: what no frame has drawn is transparent, as browsers show it."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence

import pytest
from PIL import Image

from lambda_resize.containers import gif as container
from lambda_resize.resize import resize
from prewmanager_presets import Spec
from tests.lambda_resize.pictures import colour, encode, furthest, opened, rendered

RED, GREEN, BLUE, CLEAR = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255), (0, 0, 0, 0)
PLACES = ((2, 2), (15, 15), (35, 35), (45, 45))
# Left, top, a side, the colour's number, and what becomes of it.
Frame = tuple[int, int, int, int, int]


def gif(frames: Sequence[Frame], side: int = 50) -> bytes:
    """Return a GIF of squares of one colour each: black, red, green, blue."""
    palette = bytes([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    out = b"GIF89a" + struct.pack("<HHBBB", side, side, 0xF1, 0, 0) + palette
    for left, top, width, number, disposal in frames:
        out += b"\x21\xf9\4" + bytes([disposal << 2, 10, 0, 0, 0])
        out += b"\x2c" + struct.pack("<HHHHB", left, top, width, width, 0) + b"\2" + _squares(width, number) + b"\0"
    return out + b";"


def _squares(width: int, number: int) -> bytes:
    """Return LZW of codes of three bits: begin anew before every second pixel."""
    codes = [code for place in range(width * width) for code in ([4, number] if place % 2 == 0 else [number])]
    bits = sum(code << 3 * place for place, code in enumerate([*codes, 5]))
    data = bits.to_bytes(-(-3 * (len(codes) + 1) // 8), "little")
    return b"".join(bytes([len(piece)]) + piece for piece in (data[at : at + 255] for at in range(0, len(data), 255)))


def seen(data: bytes) -> list[list[tuple[int, ...]]]:
    """Return the colours at `PLACES` of each frame."""
    found = []
    with Image.open(io.BytesIO(data)) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            found.append([colour(image.convert("RGBA"), *place) for place in PLACES])
    return found


def test_the_rest_of_a_small_first_frame_is_transparent() -> None:
    data = gif([(10, 10, 20, 1, 0)])
    assert seen(resize(data, Spec(width=50, format="png")).data) == [[CLEAR, RED, CLEAR, CLEAR]]
    flat = opened(resize(data, Spec(width=50, format="jpeg", background="#00ff00", quality=95)))
    assert furthest(colour(flat, 45, 45), GREEN[:3]) < 8


@pytest.mark.parametrize(
    ("disposal", "last"),
    [
        (0, [BLUE, RED, GREEN, CLEAR]),
        (1, [BLUE, RED, GREEN, CLEAR]),
        (2, [BLUE, RED, CLEAR, CLEAR]),
        (3, [BLUE, RED, CLEAR, CLEAR]),
    ],
)
def test_each_frame_draws_upon_what_is_left(disposal: int, last: list[tuple[int, ...]]) -> None:
    data = gif([(10, 10, 20, 1, 1), (30, 30, 10, 2, disposal), (0, 0, 5, 3, 1)])
    wanted: list[list[tuple[int, ...]]] = [[CLEAR, RED, CLEAR, CLEAR], [CLEAR, RED, GREEN, CLEAR], last]
    found = seen(resize(data, Spec(width=50, animated=True, format="webp")).data)
    for one, other in zip(found, wanted, strict=True):
        assert [each[3] for each in one] == [each[3] for each in other]
        assert max(furthest(a[:3], b[:3]) for a, b in zip(one, other, strict=True) if b[3]) < 12


def test_a_frame_beyond_the_canvas_is_cut() -> None:
    whole = gif([(0, 0, 50, 1, 0), (40, 40, 30, 2, 0)])
    assert rendered(whole, width=50, format="png").mode == "RGB"
    assert list(container.frames(whole)) == [container.Frame(0, 0, 50, 50, 0), container.Frame(40, 40, 70, 70, 0)]


def test_a_gif_that_covers_its_canvas_stays_opaque() -> None:
    data = encode(Image.new("RGB", (40, 40), "red"), "GIF")
    assert rendered(data, width=20, format="png").mode == "RGB"
    assert list(container.frames(data[:12])) == []
