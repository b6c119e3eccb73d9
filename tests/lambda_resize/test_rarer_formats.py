"""What Pillow decodes: BMP, ICO, JPEG 2000, PSD, and AVIF and PNG that move."""

from __future__ import annotations

import io
import struct
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from lambda_resize.by_pillow import Pictures
from lambda_resize.containers import avis, png
from lambda_resize.errors import Corrupt, TimedOut, TooLarge, Unsupported
from lambda_resize.resize import resize
from lambda_resize.settings import Limits
from prewmanager_presets import Spec
from tests.lambda_resize.hostile import heifs
from tests.lambda_resize.pictures import (
    colour,
    delta_e,
    encode,
    exif,
    furthest,
    gradient,
    halves,
    noise,
    opened,
    rendered,
)
from tests.lambda_resize.test_animation import COLOURS, DURATIONS, frames

SMALL = Spec(width=20)
MOVING = Spec(width=20, animated=True)


def psd(picture: Image.Image, bits: int = 8, profile: bytes = b"") -> bytes:
    """Return a PSD without layers, its pixels uncompressed."""
    colours = {"L": 1, "RGB": 3, "RGBA": 3, "CMYK": 4}[picture.mode]
    channels = np.asarray(picture).reshape(picture.height, picture.width, -1)
    if picture.mode == "CMYK":
        channels = 255 - channels
    resource = (
        b"8BIM" + struct.pack(">HHI", 1039, 0, len(profile)) + profile + bytes(len(profile) % 2) if profile else b""
    )
    header = struct.pack(">4sH6xHIIHH", b"8BPS", 1, channels.shape[2], picture.height, picture.width, bits, colours)
    return (
        header
        + struct.pack(">I", 0)
        + struct.pack(">I", len(resource))
        + resource
        + struct.pack(">IH", 0, 0)
        + b"".join(np.ascontiguousarray(channels[..., number]).tobytes() for number in range(channels.shape[2]))
    )


def photo(mode: str = "RGB") -> Image.Image:
    """Return a picture of 90x60 pixels."""
    return Image.blend(noise(90, 60), gradient(90, 60), 0.7).convert(mode)


def _icon() -> Image.Image:
    return photo("RGBA").resize((64, 64))


def _moving(picture: Image.Image) -> bytes:
    return encode(picture, "AVIF", save_all=True, append_images=[picture] * 2)


FILES: dict[str, bytes] = {
    **{f"BMP {mode}": encode(photo(mode), "BMP") for mode in ("1", "L", "P", "RGB", "RGBA")},
    **{f"ICO {kind}": encode(_icon(), "ICO", sizes=[(64, 64)], bitmap_format=kind) for kind in ("bmp", "png")},
    **{f"JPEG 2000 {mode}": encode(photo(mode), "JPEG2000") for mode in ("L", "LA", "RGB", "RGBA")},
    "JPEG 2000 without boxes": encode(photo(), "JPEG2000", no_jp2=True),
    "JPEG 2000, irreversible": encode(photo(), "JPEG2000", irreversible=True, quality_mode="rates", quality_layers=[9]),
    **{f"PSD {mode}": psd(photo(mode)) for mode in ("L", "RGB")},
    **{f"AVIF {mode}": _moving(photo(mode)) for mode in ("RGB", "RGBA")},
}


@pytest.mark.parametrize("name", FILES)
def test_it_is_shown_as_pillow_does(name: str) -> None:
    with Image.open(io.BytesIO(FILES[name])) as theirs:
        ours = rendered(FILES[name], width=theirs.width, format="png")
        assert delta_e(ours, theirs) < 0.1
        alpha = ours.getchannel("A") if "A" in ours.mode else None
        if "A" in theirs.mode:
            assert alpha is not None
            assert furthest(np.asarray(alpha), np.asarray(theirs.getchannel("A"))) == 0


@pytest.mark.parametrize(
    ("name", "kept"), [("BMP RGB", "jpeg"), ("ICO png", "png"), ("JPEG 2000 RGBA", "png"), ("AVIF RGB", "avif")]
)
def test_keep_renders_a_format_that_browsers_show(name: str, kept: str) -> None:
    assert resize(FILES[name], SMALL).content_type == f"image/{kept}"


def test_sixteen_bits_of_grey_become_eight() -> None:
    deep = Image.fromarray(np.full((40, 40), 0x8000, np.uint16))
    assert furthest(np.asarray(rendered(encode(deep, "JPEG2000"), width=20, format="png")), 128) <= 1


def test_profiles_and_inks_are_converted() -> None:
    cmyk = photo("CMYK")
    same = rendered(encode(cmyk, "TIFF"), width=90, format="png")
    assert delta_e(rendered(psd(cmyk), width=90, format="png"), same) < 0.1
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert delta_e(rendered(psd(photo(), profile=lab), width=90, format="png"), photo()) < 1


def test_an_orientation_is_applied_to_each_frame() -> None:
    held = halves("RGB", (60, 40), "red", "blue").transpose(Image.Transpose.ROTATE_90)
    data = encode(held, "PNG", save_all=True, append_images=[held.copy().convert("RGB")], duration=100, exif=exif(6))
    moving = encode(held, "PNG", save_all=True, append_images=[held.rotate(180)], duration=100, exif=exif(6))
    for spec, file in ((SMALL, data), (MOVING, moving)):
        image = opened(resize(file, spec))
        assert image.width > image.height
        assert colour(image.convert("RGB"), 2, 5)[0] > 200


def test_the_orientation_of_an_avif_is_that_of_its_container() -> None:
    data = encode(Image.new("RGB", (40, 60)), "AVIF", exif=exif(6))
    assert Pictures(data, "avis").picture().get("orientation") == 6


@pytest.mark.parametrize("source", ["PNG", "AVIF"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_all_frames_are_kept_where_the_preset_is_animated(source: str, mode: str) -> None:
    pictures = [Image.new(mode, (80, 40), each) for each in COLOURS]
    options: dict[str, Any] = {"quality": 100} if source == "AVIF" else {"loop": 2}
    data = encode(pictures[0], source, save_all=True, append_images=pictures[1:], duration=DURATIONS, **options)
    preview = resize(data, MOVING)
    assert preview.content_type == "image/webp"
    assert (preview.width, preview.height) == (20, 10)
    seen = frames(preview.data)
    assert [duration for duration, _ in seen] == DURATIONS
    for (_, found), wanted in zip(seen, COLOURS, strict=True):
        assert furthest(found, wanted) < 8
    still = opened(resize(data, SMALL))
    assert furthest(colour(still.convert("RGB"), 5, 5), COLOURS[0]) < 8


def test_a_picture_for_programs_that_know_no_animation_is_not_a_frame() -> None:
    pictures = [Image.new("RGB", (80, 40), each) for each in COLOURS]
    data = encode(pictures[0], "PNG", save_all=True, append_images=pictures[1:], duration=100, default_image=True)
    assert [
        furthest(found, wanted) < 8
        for (_, found), wanted in zip(frames(resize(data, MOVING).data), COLOURS[1:], strict=True)
    ]
    assert colour(rendered(data, width=20).convert("RGB"), 5, 5) == COLOURS[0]


def test_a_damaged_animation_is_corrupt_unless_best_effort() -> None:
    pictures = [noise(), noise().rotate(90), noise().rotate(180)]
    whole = encode(pictures[0], "PNG", save_all=True, append_images=pictures[1:])
    data = whole[: len(whole) * 2 // 3] + whole[-12:]
    with pytest.raises(Corrupt):
        resize(data, MOVING)
    best = resize(data, Spec(width=20, animated=True, best_effort=True, format="webp"))
    assert 0 < len(frames(best.data)) < 3


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
@pytest.mark.fault("photo-damaged")
def test_a_part_of_a_file_is_corrupt(name: str, part: float) -> None:
    """Or, of JPEG 2000, the whole picture less sharp."""
    data = FILES[name][: int(len(FILES[name]) * part)]
    with pytest.raises((Corrupt, Unsupported)):
        resize(data, SMALL)


@pytest.mark.parametrize(("name", "share"), [("BMP RGB", 4), ("JPEG 2000 RGB", 8), ("PSD RGB", 4), ("AVIF RGB", 4)])
def test_its_pixels_are_limited_before_they_are_decoded(name: str, share: int) -> None:
    least = 90 * 60 * share
    assert resize(FILES[name], SMALL, Limits(max_frame_pixels=least)).width == 20
    with pytest.raises(TooLarge, match="to be decoded"):
        resize(FILES[name], SMALL, Limits(max_frame_pixels=least - 1))


@pytest.mark.parametrize("source", ["PNG", "AVIF"])
def test_frames_count_as_they_are_held(source: str) -> None:
    pictures = [Image.new("RGB", (80, 40), each) for each in COLOURS]
    data = encode(pictures[0], source, save_all=True, append_images=pictures[1:])
    with pytest.raises(TooLarge, match="decoded and scaled"):
        resize(data, MOVING, Limits(max_frame_pixels=80 * 40 * 4))


def test_the_time_limit_holds_between_frames() -> None:
    pictures = [Image.new("RGB", (80, 40), each) for each in COLOURS]
    data = encode(pictures[0], "PNG", save_all=True, append_images=pictures[1:])
    with pytest.raises(TimedOut):
        resize(data, MOVING, Limits(max_seconds=0))


@pytest.mark.parametrize("name", ["BMP RGB", "ICO png", "JPEG 2000 RGB", "PSD RGB", "AVIF RGB"])
def test_without_pillow_they_are_unsupported(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As at the edge."""
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(Unsupported, match="Pillow"):
        resize(FILES[name], SMALL)


def test_rare_kinds_are_unsupported() -> None:
    deep = psd(photo(), bits=16)
    header = b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 9, 9, 1, 24, 4, 0, 0, 0, 0, 0)
    for data in (deep, header):
        with pytest.raises(Unsupported):
            resize(data, SMALL)


@pytest.mark.fault("photo-costly")
def test_an_animated_avif_is_walked_before_it_is_decoded() -> None:
    """A sample is decoded to one picture, but may have any number of frames."""
    data, least = FILES["AVIF RGB"], 4 * 90 * 60
    assert avis.checked(data, least) is data
    with pytest.raises(TooLarge, match="pictures"):
        avis.checked(data, least - 1)
    with pytest.raises(TooLarge, match="frames of a sample"):
        avis.checked(_with_frames(data, 200), least)
    with pytest.raises(TooLarge, match="samples"):
        avis.checked(data.replace(b"stsz" + bytes(8) + b"\0\0\0\3", b"stsz" + bytes(8) + b"\0\xff\0\3"), least)
    with pytest.raises(Corrupt):
        avis.checked(data[:-20], least)


def test_any_beginning_of_an_animated_avif_is_refused_or_passes() -> None:
    data = FILES["AVIF RGB"]
    for length in range(40, len(data), 7):
        try:
            assert avis.checked(data[:length], 4 * 90 * 60)
        except Corrupt:
            continue
        assert avis.coding(data[:length]).primaries in {1, 2}


def _with_frames(data: bytes, count: int) -> bytes:
    """Return an animated AVIF whose first sample is a file's other bytes: headers of frames, each of a byte."""
    units = bytes([3 << 3 | 2, 0]) * count
    changed = bytearray(data)
    for place, value in ((data.index(b"stco") + 12, len(data)), (data.index(b"stsz") + 16, len(units))):
        changed[place : place + 4] = value.to_bytes(4)
    return bytes(changed) + units + bytes(9_000)


def test_frames_of_a_png_are_counted_by_its_chunks() -> None:
    assert png.frames(encode(photo(), "PNG")) == 1
    assert png.frames(encode(photo(), "PNG", save_all=True, append_images=[photo("L").convert("RGB")])) == 2
    assert not avis.is_moving(heifs.plain(64))
