"""Placeholders, compared with hashes by the format's reference implementation in JavaScript."""

from __future__ import annotations

import pytest
from PIL import Image

from lambda_resize import thumbhash
from lambda_resize.geometry import Size
from lambda_resize.preview import Preview
from lambda_resize.resize import resize, resize_many
from prewmanager_presets import Spec
from tests.lambda_resize.pictures import encode, exif, gradient, opened


def pixels(size: Size, *, see_through: bool) -> bytes:
    """Return gradients of red and green, a pattern of blue, and one of opacity if requested."""
    return b"".join(
        bytes([x * 255 // (size.width - 1), y * 255 // (size.height - 1), x * y % 256])
        + bytes([(x * 7 + y * 3) % 256 if see_through else 255])
        for y in range(size.height)
        for x in range(size.width)
    )


@pytest.mark.parametrize(
    ("size", "see_through", "expected"),
    [
        (Size(32, 26), True, "e128861490288268907a9667283dfaa16f0795669566787707"),
        (Size(26, 32), False, "dd080e1e1a60760787886888788678877788f2a20ff878"),
        (Size(26, 32), True, "221986140e2891078a788986171ffca17f0677478777787707"),
        (Size(32, 32), False, "dd080e1f1a60767770888886886788777887171ffb808f07"),
        (Size(32, 32), True, "e018861510287268907a966778c2a11ffa76305a365b967778"),
    ],
)
def test_the_hash_is_that_of_the_reference(size: Size, expected: str, *, see_through: bool) -> None:
    assert thumbhash.of_pixels(size, pixels(size, see_through=see_through)).hex() == expected


@pytest.mark.parametrize("size", [Size(32, 26), Size(1, 32), Size(1, 1)])
def test_pixels_that_are_all_clear_have_a_hash_too(size: Size) -> None:
    assert len(thumbhash.of_pixels(size, bytes(size.pixels * 4))) >= 12


def hashed(data: bytes, *specs: Spec) -> list[Preview]:
    """Return previews with placeholders."""
    return [each for each in resize_many(data, specs, placeholder=True) if isinstance(each, Preview)]


def test_a_preview_has_none_unless_asked() -> None:
    """It costs a few milliseconds."""
    assert resize(encode(Image.new("RGB", (90, 60)), "JPEG"), Spec(width=20)).thumbhash is None


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_it_is_of_the_whole_upright_photo(mode: str) -> None:
    photo = gradient(400, 200, mode)
    one, other = hashed(encode(photo, "PNG"), Spec(width=100), Spec(width=20, height=60))
    assert one.thumbhash == other.thumbhash
    small = photo.resize((32, 16), Image.Resampling.LANCZOS).convert("RGBA")
    assert one.thumbhash is not None
    assert one.thumbhash[:3] == thumbhash.of_pixels(Size(32, 16), small.tobytes())[:3]


def test_a_rotated_photo_has_the_hash_of_the_upright_one() -> None:
    (preview,) = hashed(encode(gradient(400, 200, "L"), "PNG", exif=exif(6)), Spec(width=20))
    assert preview.thumbhash is not None
    assert not preview.thumbhash[4] & 0x80
    assert opened(preview).size == (20, 40)
