"""PDF: its first page, where it is allowed."""

from __future__ import annotations

import io
import mmap
import sys
from collections.abc import Iterator

import pytest
from PIL import Image

from lambda_resize import files
from lambda_resize import pdf as drawing
from lambda_resize.errors import Corrupt, TimedOut, TooLarge, Unsupported
from lambda_resize.resize import resize
from lambda_resize.settings import Limits
from prewmanager_presets import Spec
from tests.lambda_resize.pdfs import pdf
from tests.lambda_resize.pictures import colour, furthest, opened

HALF = pdf(b"1 0 0 rg 0 0 297.5 842 re f")  # A4, its left half red
SMALL = Spec(width=200)


@pytest.fixture(autouse=True)
def _allowed() -> Iterator[None]:
    files.allow_pdf(allowed=True)
    yield
    files.allow_pdf(allowed=False)


def test_it_is_unsupported_unless_it_is_allowed() -> None:
    files.allow_pdf(allowed=False)
    with pytest.raises(Unsupported, match="not a JPEG"):
        resize(HALF, SMALL)


@pytest.mark.parametrize(("target", "kept"), [("keep", "image/jpeg"), ("png", "image/png")])
def test_its_page_is_drawn_at_the_preview_s_size(target: str, kept: str) -> None:
    preview = resize(HALF, Spec(width=200, format=target))
    image = opened(preview).convert("RGB")
    assert preview.content_type == kept
    assert image.size == (200, 283)
    assert furthest(colour(image, 95, 100), (255, 0, 0)) < 15
    assert min(colour(image, 104, 100)) > 240


def test_it_counts_as_200_dots_an_inch() -> None:
    assert resize(HALF, Spec(width=5000)).width == 1652
    assert resize(HALF, Spec(width=1800, enlarge=True)).width == 1800


def test_it_is_turned_as_it_says() -> None:
    image = opened(resize(pdf(b"1 0 0 rg 0 0 297.5 842 re f", more="/Rotate 90"), SMALL)).convert("RGB")
    assert image.size == (200, 141)
    assert colour(image, 100, 20)[1] < 20
    assert colour(image, 100, 120)[1] > 240


def test_a_large_page_is_drawn_as_large_as_the_limit_allows() -> None:
    poster = pdf(b"", "0 0 14400 7200")
    assert resize(poster, Spec(width=10_000), Limits(max_frame_pixels=4 * 80_000)).width in {399, 400}
    with pytest.raises(TooLarge, match="to be drawn"):
        resize(poster, Spec(width=500, enlarge=True), Limits(max_frame_pixels=4 * 80_000))


@pytest.mark.parametrize("data", [HALF[:200], b"%PDF-1.7 nonsense"])
@pytest.mark.fault("photo-damaged")
def test_a_damaged_file_is_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt):
        resize(data, SMALL)


def test_a_file_without_a_page_is_corrupt() -> None:
    with pytest.raises(Corrupt):
        drawing.measured(HALF.replace(b"/Kids[3 0 R]/Count 1", b"/Kids[     ]/Count 0"), mmap.mmap(-1, 8))


def test_a_file_with_a_password_is_unsupported() -> None:
    key = b"<</Filter/Standard/V 1/R 2/P -4/O(" + b"x" * 32 + b")/U(" + b"y" * 32 + b")>>"
    with pytest.raises(Unsupported, match="assword"):
        resize(HALF.replace(b"/Root 1 0 R", b"/Root 1 0 R/ID[(abc)(abc)]/Encrypt " + key), SMALL)


@pytest.mark.fault("photo-costly")
def test_a_page_that_draws_for_ever_ends_at_the_time_limit() -> None:
    slow = pdf(b"0 0 500 500 re f " * 300_000)
    with pytest.raises(TimedOut):
        resize(slow, Spec(width=1_600), Limits(max_seconds=0.5))


def test_the_other_process_writes_pixels_and_says_what_they_are() -> None:
    pixels = mmap.mmap(-1, 600 * 850 * 3)
    found = drawing.drawn(HALF, 0.5, pixels)
    assert (found.width, found.height, found.bands) == (298, 421, 3)
    image = Image.frombytes("RGB", (298, 421), pixels[: 298 * 421 * 3])
    assert image.getpixel((10, 10)) == (255, 0, 0)
    numbers = mmap.mmap(-1, 8)
    drawing.measured(HALF, numbers)
    assert drawing._SIZE.unpack(numbers[:8]) == (595, 842)


def test_without_pypdfium2_it_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(Unsupported, match="pypdfium2"):
        resize(HALF, SMALL)


def test_a_picture_of_it_is_the_same_from_pillow_s_writer() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (100, 50), (10, 200, 30)).save(buffer, "PDF", resolution=72)
    assert colour(opened(resize(buffer.getvalue(), SMALL)), 50, 30)[1] > 190
