"""RAW files: the JPEG inside is the picture, if it is large enough for the preview."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from lambda_resize.containers import raw as container
from lambda_resize.errors import Corrupt, TooLarge, Unsupported
from lambda_resize.files import is_raw
from lambda_resize.resize import resize
from prewmanager_presets import Spec
from tests.lambda_resize.pictures import colour, delta_e, encode, exif, halves, noise, opened, rendered
from tests.lambda_resize.raws import (
    DNG,
    JPEG_LENGTH,
    LONG,
    SENSOR,
    SHORT,
    as_strip,
    canon,
    fujifilm,
    pointing,
    raw,
    turned,
)
from tests.lambda_resize.test_rarer_formats import photo

PICTURE = halves("RGB", (600, 400), "red", "blue")
JPEG = encode(PICTURE, "JPEG", quality=95)
LARGE = encode(PICTURE.resize((6000, 4000)), "JPEG", quality=80)
SMALL = {256: (LONG, [600]), 257: (LONG, [400])}  # the sensor's sides
MOSAIC = {**SENSOR, **SMALL}


def embedded(data: bytes) -> container.Embedded | None:
    """Return what the function finds."""
    return container.embedded(data, is_tiff=not is_raw(data))


FILES = {
    "CR2": raw(JPEG, [as_strip(JPEG), {}, {}, MOSAIC], more=b"CR\2\0"),
    "NEF": raw(JPEG, [{259: (SHORT, [1])}], [pointing(JPEG), MOSAIC]),
    "big-endian NEF": raw(JPEG, [{259: (SHORT, [1])}], [pointing(JPEG), MOSAIC], order=">"),
    "ARW": raw(JPEG, [pointing(JPEG)], [{**MOSAIC, 259: (SHORT, [32767])}]),
    "PEF": raw(JPEG, [MOSAIC, pointing(JPEG)]),
    "DNG": raw(JPEG, [{DNG: (LONG, [1])}], [as_strip(JPEG, 7), {**SMALL, 262: (SHORT, [34892])}]),
    "RW2": raw(JPEG, [{2: (SHORT, [600]), 3: (SHORT, [400])}], magic=b"U\0"),
    "ORF": raw(JPEG, [SMALL], magic=b"RO"),
    "RAF": fujifilm(JPEG, 600, 400),
    "CR3": canon(JPEG, 600, 400, 1),
}


@pytest.mark.parametrize("name", FILES)
def test_its_jpeg_is_the_picture(name: str) -> None:
    preview = resize(FILES[name], Spec(width=300))
    assert preview.content_type == "image/jpeg"
    assert (preview.width, preview.height) == (300, 200)
    assert delta_e(opened(preview), rendered(JPEG, width=300)) < 0.1


def test_it_is_turned_as_the_file_says_not_the_jpeg() -> None:
    turned_too = encode(PICTURE, "JPEG", exif=exif(3))
    for data in (raw(JPEG, [{**turned(6), **pointing(JPEG)}, MOSAIC]), canon(JPEG, 600, 400, 6)):
        image = opened(resize(data, Spec(width=200)))
        assert image.size == (200, 300)
        assert colour(image, 100, 20)[0] > 200
    upright = opened(resize(raw(turned_too, [{**turned(1), **pointing(turned_too)}, MOSAIC]), Spec(width=200)))
    assert colour(upright, 20, 50)[0] > 200


def test_where_the_file_says_nothing_the_jpeg_does() -> None:
    """As in Fujifilm's."""
    image = opened(resize(fujifilm(encode(PICTURE, "JPEG", exif=exif(6)), 600, 400), Spec(width=200)))
    assert image.size == (200, 300)


def test_the_largest_jpeg_is_shown() -> None:
    small = encode(noise(60, 40), "JPEG")
    data = raw(
        small + JPEG, [pointing(small), {513: (LONG, [16 + len(small)]), JPEG_LENGTH: (LONG, [len(JPEG)])}, MOSAIC]
    )
    assert delta_e(opened(resize(data, Spec(width=300))), rendered(JPEG, width=300)) < 0.1


def test_a_small_jpeg_serves_small_previews_alone() -> None:
    """A larger preview would be smaller than its preset says, and stay so."""
    data = raw(JPEG, [pointing(JPEG), SENSOR])
    assert resize(data, Spec(width=600)).width == 600
    with pytest.raises(Unsupported, match="of 6000x4000 pixels its largest JPEG has 600x400"):
        resize(data, Spec(width=720))
    turned_data = raw(JPEG, [{**turned(8), **pointing(JPEG)}, SENSOR])
    assert resize(turned_data, Spec(height=600)).height == 600
    with pytest.raises(Unsupported, match="of 4000x6000"):
        resize(turned_data, Spec(height=601))


def test_a_jpeg_without_the_edges_is_of_full_size() -> None:
    almost = {**SENSOR, 256: (LONG, [650]), 257: (LONG, [420])}
    assert resize(raw(JPEG, [pointing(JPEG), almost]), Spec(width=5000)).width == 600
    assert resize(raw(JPEG, [pointing(JPEG), almost]), Spec(width=1200, enlarge=True)).width == 1200


@pytest.mark.parametrize(
    "data",
    [
        raw(b"", [SENSOR]),
        raw(b"\xff\xd8\xff\xc3" + bytes(40), [{513: (LONG, [16]), 514: (LONG, [44])}, SENSOR]),  # lossless
        raw(JPEG[:40], [pointing(JPEG[:40]), SENSOR]),
        raw(JPEG, [{513: (LONG, [3]), 514: (LONG, [44])}, SENSOR]),
        fujifilm(b"", 600, 400),
        b"IIRO" + bytes(20),
    ],
)
def test_without_a_jpeg_that_browsers_show_it_is_unsupported(data: bytes) -> None:
    with pytest.raises(Unsupported, match="no JPEG of its picture"):
        resize(data, Spec(width=20))


@pytest.mark.fault("photo-damaged")
def test_a_file_that_ends_within_its_jpeg_is_corrupt() -> None:
    for name in ("CR3", "ORF"):
        cut = FILES[name].index(JPEG) + len(JPEG) // 2
        data = FILES[name][:cut] if name == "CR3" else FILES[name][:cut] + FILES[name][cut + 2000 :]
        with pytest.raises(Corrupt):
            resize(data, Spec(width=20))


def test_an_ordinary_tiff_is_none() -> None:
    for data in (encode(photo(), "TIFF"), encode(photo(), "TIFF", compression="jpeg"), encode(photo("CMYK"), "TIFF")):
        assert embedded(data) is None
        assert delta_e(rendered(data, width=45), rendered(encode(photo(), "PNG"), width=45, format="jpeg")) < 12


@pytest.mark.fault("photo-costly")
def test_what_is_searched_for_is_bounded() -> None:
    with pytest.raises(TooLarge, match="JPEGs in a RAW file"):
        embedded(b"IIRO" + b"\xff\xd8\xff" * 5_000)
    with pytest.raises(TooLarge, match="TIFF directories"):
        embedded(raw(b"", [{} for _ in range(3_000)]))
    with pytest.raises(TooLarge, match="TIFF entries"):
        embedded(raw(b"", [{tag: (SHORT, [1]) for tag in range(1_000, 21_000)} for _ in range(6)]))
    looping = raw(b"", [SENSOR, {330: (LONG, [8, 16, 16])}])
    with pytest.raises(Unsupported):
        embedded(looping)


def test_any_beginning_and_any_bytes_are_followed_or_refused() -> None:
    draws = np.random.default_rng(2)
    for name, data in FILES.items():
        for _ in range(60):
            changed = bytearray(data[: int(draws.integers(20, len(data)))])
            changed[int(draws.integers(4, len(changed)))] = int(draws.integers(0, 256))
            try:
                found = embedded(bytes(changed))
            except (Unsupported, TooLarge):
                continue
            assert found is None or found.end > found.start, name


def test_a_photo_of_full_size_is_decoded_as_small_as_its_preview() -> None:
    data = raw(LARGE, [pointing(LARGE), SENSOR])
    assert opened(resize(data, Spec(width=100))).size == (100, 67)
    assert isinstance(opened(resize(data, Spec(width=100))), Image.Image)
