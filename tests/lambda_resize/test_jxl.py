"""JPEG XL: its header is read here, its pixels by another process."""

from __future__ import annotations

import io
import mmap
import struct
import sys

import numpy as np
import pillow_jxl
import pytest
from PIL import Image, ImageCms

from lambda_resize import jxl
from lambda_resize.containers.cicp import Coding
from lambda_resize.containers.jxl import CONTAINER, Header, checked, codestream, header, metadata
from lambda_resize.errors import Corrupt, TooLarge, Unsupported
from lambda_resize.resize import resize
from lambda_resize.settings import Limits
from prewmanager_presets import Spec
from tests.lambda_resize.hostile.heifs import box
from tests.lambda_resize.pictures import colour, delta_e, encode, furthest, gradient, opened, rendered
from tests.lambda_resize.test_rarer_formats import photo

SMALL = Spec(width=20)
# 8x8 pixels of one red, by libjxl 0.7's cjxl, which unlike the plugin describes colours.
P3 = bytes.fromhex("ff0a414040263702080201005c004b188b15c24902e605220018f2a9440000000000000000")
PQ = bytes.fromhex("ff0a41041090478f381c0000000002080201005c004b188b15c24902e605220018f2a9440000000000000000")
GAMMA = bytes.fromhex("ff0a414040055a628a080201005c004b188b15c24902e605220018f2a9440000000000000000")
MOVING = bytes.fromhex("ff0a41040158505c120808a002000064004b188b15c24902e6052400d8fffed0fb030000000000000000")


def saved(picture: Image.Image, **options: object) -> bytes:
    """Return a file without losses, unless the options say something else."""
    return encode(picture, "JXL", **{"lossless": True, "effort": 1} | options)


def boxed(data: bytes, *more: bytes) -> bytes:
    """Return a codestream in a container, in two pieces."""
    pieces = [data[:10], data[10:]]
    numbers = [0, 1 | 1 << 31]
    inside = [box(b"jxlp", struct.pack(">I", number) + each) for number, each in zip(numbers, pieces, strict=True)]
    return CONTAINER + box(b"ftyp", b"jxl \0\0\0\0jxl ") + b"".join([*more, *inside])


FILES = {mode: saved(photo(mode)) for mode in ("L", "LA", "RGB", "RGBA")} | {
    "in boxes": boxed(saved(photo())),
    "lossy": saved(gradient(90, 60), lossless=False, quality=95),
}


@pytest.mark.parametrize("name", FILES)
def test_it_is_shown_as_it_was_encoded(name: str) -> None:
    wanted = gradient(90, 60) if name == "lossy" else photo(name if name in {"L", "LA", "RGBA"} else "RGB")
    ours = rendered(FILES[name], width=90, format="png")
    assert ours.size == wanted.size
    assert delta_e(ours, wanted) < (1.5 if name == "lossy" else 0.1)
    if "A" in wanted.mode:
        assert furthest(np.asarray(ours.getchannel("A")), np.asarray(wanted.getchannel("A"))) == 0


def test_keep_renders_what_browsers_show() -> None:
    assert resize(FILES["RGB"], SMALL).content_type == "image/jpeg"
    assert resize(FILES["RGBA"], SMALL).content_type == "image/png"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("part", [0.02, 0.5, 0.98])
@pytest.mark.fault("photo-damaged")
def test_a_part_of_a_file_is_corrupt(name: str, part: float) -> None:
    with pytest.raises(Corrupt):
        resize(FILES[name][: int(len(FILES[name]) * part)], SMALL)


@pytest.mark.parametrize(
    "deep",
    [
        saved(Image.fromarray(np.full((40, 40), 0x8000, np.uint16))),
        encode(Image.fromarray(np.full((40, 40), 0.5, np.float32)), "JXL", quality=95),
    ],
)
def test_deep_grey_becomes_8_bits(deep: bytes) -> None:
    """Its encoder takes more than 8 bits for linear light, and says so: half of it is 188 in sRGB."""
    assert furthest(np.asarray(rendered(deep, width=20, format="png").convert("L")), 188) <= 1


@pytest.mark.parametrize(
    ("data", "coding"),
    [(P3, Coding(12, 13)), (PQ, Coding(9, 16)), (GAMMA, None), (FILES["RGB"], Coding(1, 13))],
)
def test_its_header_says_its_size_and_colours(data: bytes, coding: Coding | None) -> None:
    found = header(codestream(data))
    assert found.coding == coding
    assert not found.is_grey
    assert (found.width, found.height) == ((8, 8) if len(data) < 100 else (90, 60))


def test_sizes_are_those_of_the_decoder() -> None:
    for size in [(8, 8), (9, 7), (256, 256), (257, 300), (1200, 1000), (1000, 1200), (1600, 900), (4000, 3), (40, 20)]:
        found = header(codestream(saved(Image.new("RGB", size))))
        assert (found.width, found.height) == size


def test_colours_that_code_points_describe_become_srgb() -> None:
    assert colour(opened(resize(P3, Spec(width=8, format="png"))), 4, 4) == (219, 0, 27)
    assert colour(opened(resize(GAMMA, Spec(width=8, format="png"))), 4, 4) != (200, 30, 40)


def test_a_profile_is_converted() -> None:
    """The plugin writes none, so a file that has one is that of a header that does not describe the colours."""
    assert header(codestream(GAMMA)) == Header(8, 8, is_grey=False, coding=None)
    pixels = mmap.mmap(-1, 8 * 8 * 4)
    profile = jxl.written(GAMMA, pixels).profile
    assert ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space.strip() == "RGB"


def test_the_other_process_writes_pixels_and_says_what_they_are() -> None:
    for mode, kind in (("L", "uchar"), ("LA", "uchar"), ("RGB", "uchar")):
        pixels = mmap.mmap(-1, 90 * 60 * 4)
        found = jxl.written(codestream(saved(photo(mode))), pixels)
        assert (found.width, found.height, found.bands, found.kind) == (90, 60, len(mode), kind)
        assert pixels[: 90 * 60 * len(mode)] == photo(mode).tobytes()
    with pytest.raises(TooLarge):
        jxl.written(FILES["RGB"], mmap.mmap(-1, 100))
    with pytest.raises(Corrupt):
        jxl.written(FILES["RGB"][:-20], mmap.mmap(-1, 90 * 60 * 4))


def test_what_stands_beside_the_picture_is_not_decoded() -> None:
    """Such as the rest of the JPEG that it was made of, which the plugin would decode again."""
    data = boxed(codestream(FILES["RGB"]), box(b"jbrd", bytes(50)), box(b"Exif", b"\0\0\0\0MM"), box(b"xml ", b"<x/>"))
    assert codestream(data) == FILES["RGB"]
    assert list(metadata(data)) == [(b"Exif", b"\0\0\0\0MM"), (b"xml ", b"<x/>")]
    assert list(metadata(FILES["RGB"])) == []
    assert resize(data, SMALL).width == 20


def test_its_pixels_are_limited_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    least = 90 * 60 * 4
    assert resize(FILES["RGB"], SMALL, Limits(max_frame_pixels=least)).width == 20
    monkeypatch.setattr(pillow_jxl, "Decoder", None)
    with pytest.raises(TooLarge, match="to be decoded whole"):
        resize(FILES["RGB"], SMALL, Limits(max_frame_pixels=least - 1))


def test_one_that_moves_is_unsupported() -> None:
    """The plugin would show its last frame."""
    with pytest.raises(Unsupported, match="moves"):
        resize(MOVING, SMALL)


@pytest.mark.parametrize(
    "data",
    [CONTAINER, boxed(P3).replace(b"jxlp", b"junk"), boxed(P3)[:-50], CONTAINER + box(b"jxlc", b"\xff\x0b"), P3[:3]],
)
@pytest.mark.fault("photo-damaged")
def test_a_file_without_a_header_is_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt):
        checked(data, 1)


def test_pieces_out_of_order_are_corrupt() -> None:
    data = boxed(P3)
    with pytest.raises(Corrupt, match="order"):
        codestream(data.replace(struct.pack(">I", 1 | 1 << 31), struct.pack(">I", 7)))


def test_any_bits_are_a_header_or_refused() -> None:
    """Whatever a header says, reading it ends, and raises nothing else."""
    draws = np.random.default_rng(1)
    for _ in range(3_000):
        try:
            assert header(b"\xff\x0a" + draws.bytes(40)).width > 0
        except (Corrupt, Unsupported):
            continue


def test_without_the_plugin_it_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    with pytest.raises(Unsupported, match="pillow-jxl-plugin"):
        resize(FILES["RGB"], SMALL)
