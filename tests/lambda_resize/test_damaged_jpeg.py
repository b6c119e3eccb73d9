"""JPEGs with faults: harmless ones that everybody shows, and damage that a decoder fills with invented pixels."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from lambda_resize.containers import jpeg_damage
from lambda_resize.errors import Corrupt, ResizeError, Unsupported
from lambda_resize.resize import resize, resize_many
from prewmanager_presets import Spec
from tests.lambda_resize.pictures import delta_e, difference, encode, exif, gradient, noise, rendered

SMALL = Spec(width=50)
END = b"\xff\xd9"


def _photo() -> Image.Image:
    """Return a picture with detail and plain areas."""
    return Image.blend(noise(400, 300), gradient(400, 300), 0.8)


KINDS: dict[str, Callable[[], bytes]] = {
    "baseline": lambda: encode(_photo(), "JPEG", quality=85),
    "grey": lambda: encode(_photo().convert("L"), "JPEG", quality=85),
    "CMYK": lambda: encode(_photo().convert("CMYK"), "JPEG", quality=85),
    "full colours": lambda: encode(_photo(), "JPEG", quality=95, subsampling=0),
    "codes of its own": lambda: encode(_photo(), "JPEG", quality=85, optimize=True),
    "restart markers": lambda: encode(_photo(), "JPEG", quality=85, restart_marker_blocks=7),
    "progressive": lambda: encode(_photo(), "JPEG", quality=85, progressive=True),
    "turned": lambda: encode(_photo(), "JPEG", quality=85, exif=exif(6).tobytes()),
}
Damage = Callable[[bytes], bytes]
DAMAGES: dict[str, Damage] = {
    "cut": lambda data: data[: len(data) // 2],
    "cut at its end": lambda data: data[:-40],
    "cut, with an end": lambda data: data[: len(data) // 2] + END,
    "cut at its end, with an end": lambda data: data[:-40] + END,
    "cut, then zeros": lambda data: data[: len(data) // 2] + bytes(4096),
    "cut, then zeros and an end": lambda data: data[: len(data) // 2] + bytes(4096) + END,
    "cut, then as many zeros": lambda data: data[: len(data) // 2] + bytes(len(data)),
    "two stray marker bytes": lambda data: data[: len(data) // 2] + b"\xff\xd9" + data[len(data) // 2 + 2 :],
    "4 KB of zeros": lambda data: data[: len(data) // 2] + bytes(4096) + data[len(data) // 2 + 4096 :],
    "4 KB of further zeros": lambda data: data[: len(data) // 2] + bytes(4096) + data[len(data) // 2 :],
}


@pytest.mark.fault("photo-damaged")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_corrupt_unless_best_effort(kind: str, damage: str) -> None:
    data = DAMAGES[damage](KINDS[kind]())
    with pytest.raises(Corrupt):
        resize(data, SMALL)
    assert rendered(data, width=50, best_effort=True).width == 50


@pytest.mark.fault("photo-damaged")
@pytest.mark.parametrize("position", ["centre", "attention", "entropy"])
def test_damage_in_the_last_rows_fails_every_preview(position: str) -> None:
    """They are decoded together, and libvips does not look for warnings after the last rows."""
    data = encode(noise(), "JPEG")[:-40] + END
    spec = Spec(width=50, height=50, position=position)
    for specs in ([spec], [spec, SMALL]):
        assert [type(each) for each in resize_many(data, specs)] == [Corrupt] * len(specs)
    assert not isinstance(next(resize_many(encode(noise(), "JPEG"), [spec])), ResizeError)


HARMLESS: dict[str, Damage] = {
    "no end": lambda data: data[:-2],
    "zeros before its end": lambda data: data[:-2] + bytes(5000) + END,
    "zeros after its end": lambda data: data + bytes(5000),
    "zeros instead of its end": lambda data: data[:-2] + bytes(5000),
    "another picture after its end": lambda data: data + encode(noise(), "JPEG")[:5000],
    "bytes before a segment": lambda data: data[:2] + b"junk" + data[2:],
    "fill bytes before a segment": lambda data: data[:2] + b"\xff\xff\xff" + data[2:],
    "restart markers before the picture": lambda data: data[:2] + b"\xff\xd0\xff\xd1" + data[2:],
    "a segment that is longer than it says": lambda data: data[:2] + b"\xff\xe5\0\4abjunk" + data[2:],
    "another version of JFIF": lambda data: data.replace(b"JFIF\0\1", b"JFIF\0\2", 1),
    "an unknown transform of Adobe's": lambda data: data[:2] + b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\x07" + data[2:],
    "coefficients named as progressive": lambda data: data.replace(b"\x03\x11\0\x3f\0", b"\x03\x11\0\0\0", 1),
}


@pytest.mark.parametrize("fault", HARMLESS)
@pytest.mark.parametrize("kind", ["baseline", "codes of its own", "restart markers", "turned"])
def test_harmless_faults_are_shown(kind: str, fault: str) -> None:
    """As is the same photo without the fault."""
    whole = KINDS[kind]()
    faulty = HARMLESS[fault](whole)
    assert faulty != whole
    assert rendered(faulty, width=100).tobytes() == rendered(whole, width=100).tobytes()


def test_an_unknown_transform_of_four_channels_is_ycck() -> None:
    whole = KINDS["CMYK"]()
    at = whole.index(b"Adobe") + 11
    ycck, unknown = (whole[:at] + value + whole[at + 1 :] for value in (b"\2", b"\7"))
    assert rendered(unknown, width=100).tobytes() == rendered(ycck, width=100).tobytes()


@pytest.mark.parametrize("options", [{"optimize": True}, {"progressive": True}, {}])
def test_plain_areas_whose_codes_are_zeros_are_no_damage(options: dict[str, bool]) -> None:
    plain = Image.new("RGB", (2000, 1500), (200, 100, 50))
    plain.paste(_photo())
    data = encode(plain, "JPEG", **options)
    assert (bytes(jpeg_damage.ZEROS) in data) == bool(options)
    assert jpeg_damage.repaired(data) is data
    assert rendered(data, width=50).width == 50


@pytest.mark.parametrize("name", KINDS)
def test_zeros_between_a_photo_and_one_that_is_appended_are_no_damage(name: str) -> None:
    data = KINDS[name]()
    padded = data + bytes(-len(data) % 4096 + 8192) + data
    assert jpeg_damage.repaired(padded) is padded


def _plain() -> bytes:
    """Return a photo whose codes of zeros end blocks, with runs of them that are longer than sectors."""
    plain = Image.new("L", (6000, 6000), 90)
    plain.paste(_photo().convert("L"), (3000, 3000))
    return encode(plain, "JPEG", optimize=True)


def test_plain_areas_longer_than_sectors_are_no_damage() -> None:
    data = _plain()
    assert bytes(jpeg_damage.SECTOR) in data
    assert jpeg_damage.repaired(data) is data


@pytest.mark.parametrize("at", [40_960, 40_961, 45_056])
def test_sectors_are_found_where_the_codes_of_zeros_have_a_meaning(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    detailed = encode(noise(1200, 900), "JPEG", optimize=True, quality=30)
    monkeypatch.setattr(jpeg_damage, "_are_codes", lambda *_: True)
    zeros = detailed[:at] + bytes(8192) + detailed[at + 8192 :]
    if at % jpeg_damage.SECTOR:
        assert jpeg_damage.repaired(zeros) is zeros
    else:
        with pytest.raises(Corrupt, match="sectors"):
            jpeg_damage.repaired(zeros)


def test_a_whole_photo_is_not_copied() -> None:
    for made in KINDS.values():
        data = made()
        assert jpeg_damage.repaired(data) is data


def test_any_beginning_of_a_photo_is_repaired_or_corrupt() -> None:
    for made in KINDS.values():
        data = made()
        for length in [*range(3, 700, 7), *range(700, len(data), 997)]:
            assert jpeg_damage.repaired(data[:length] + bytes(3))


@pytest.mark.parametrize("damage", ["cut", "cut, with an end", "two stray marker bytes"])
@pytest.mark.parametrize("kind", ["baseline", "grey", "restart markers", "codes of its own"])
def test_best_effort_is_what_pillow_shows(kind: str, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = DAMAGES[damage](KINDS[kind]())
    with Image.open(io.BytesIO(data)) as theirs:
        ours = rendered(data, width=theirs.width, best_effort=True, format="png")
        assert difference(ours, theirs) < 3


def test_best_effort_shows_a_photo_of_more_than_a_hundred_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libvips' JPEG decoder takes the hundredth warning for an error."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    whole = encode(noise(1000, 800), "JPEG", restart_marker_blocks=1)
    pieces = whole.split(b"\xff\xd3")
    data = b"\xff\xd3".join([pieces[0], *(piece[:2] + piece[4:] for piece in pieces[1:])])
    with Image.open(io.BytesIO(data)) as theirs:
        assert delta_e(rendered(data, width=1000, best_effort=True, format="png"), theirs) < 2
    with pytest.raises(Corrupt):
        resize(data, SMALL)


def test_what_no_decoder_reads_is_unsupported() -> None:
    """Twelve bits, lossless in YCbCr, differential: their headers differ from the usual in one byte."""
    data = encode(noise(), "JPEG")
    at = data.index(b"\xff\xc0")
    for place, value in ((4, b"\x0c"), (1, b"\xc3"), (1, b"\xc5")):
        other = data[: at + place] + value + data[at + place + 1 :]
        with pytest.raises(Unsupported):
            resize(other, SMALL)


def test_real_photos_have_no_damage(real_photos: Path) -> None:
    for path in sorted(real_photos.glob("*.jpg")):
        data = path.read_bytes()
        assert jpeg_damage.repaired(data) is data
        assert np.asarray(rendered(data, width=60)).any()


def test_zeros_of_a_scan_follow_its_tables() -> None:
    """A photo whose shortest code ends a block may be zeros for as long as its blocks are."""
    flat = encode(Image.new("L", (4000, 3000), 90), "JPEG", optimize=True)
    half = len(flat) // 2
    zeros = flat[:half] + bytes(4096) + flat[half + 4096 :]
    assert jpeg_damage.repaired(zeros) is zeros
