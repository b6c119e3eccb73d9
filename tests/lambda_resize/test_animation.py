"""Animated previews."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from lambda_resize.errors import Corrupt, TimedOut, TooLarge
from lambda_resize.resize import resize
from lambda_resize.settings import Limits
from prewmanager_presets import Spec
from tests.lambda_resize.pictures import encode, furthest, opened

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
DURATIONS = [100, 200, 300]


def animation(file_format: str, mode: str = "RGB") -> bytes:
    """Return three frames of 80x40 pixels, each with its own colour and duration, shown twice."""
    frames = [Image.new(mode, (80, 40), colour) for colour in COLOURS]
    options: dict[str, Any] = {"duration": DURATIONS, "loop": 2} | ({"lossless": True} if file_format == "WEBP" else {})
    return encode(frames[0], file_format, save_all=True, append_images=frames[1:], **options)


def frames(data: bytes) -> list[tuple[int, tuple[int, int, int]]]:
    """Return duration and central colour of each frame."""
    image: Any = Image.open(io.BytesIO(data))
    seen = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        image.load()
        seen.append((image.info.get("duration"), image.convert("RGB").getpixel((image.width // 2, image.height // 2))))
    return seen


@pytest.mark.parametrize("source", ["GIF", "WEBP"])
@pytest.mark.parametrize(
    "spec",
    [
        Spec(width=20, animated=True),
        Spec(width=20, animated=True, format="webp"),
        Spec(width=20, animated=True, format="avif"),
        Spec(width=60, height=60, fit="contain", enlarge=True, animated=True),
        Spec(width=10, height=20, position="attention", animated=True),
    ],
    ids=["keep", "webp", "avif", "contain", "attention"],
)
def test_all_frames_are_kept(source: str, spec: Spec) -> None:
    preview = resize(animation(source), spec)
    assert preview.content_type == "image/webp"
    assert opened(preview).size == (spec.width, spec.height or 10)
    seen = frames(preview.data)
    assert [duration for duration, _ in seen] == DURATIONS
    for (_, found), colour in zip(seen, COLOURS, strict=True):
        assert furthest(found, colour) < 8


@pytest.mark.parametrize(
    "spec",
    [
        Spec(width=20),
        Spec(width=20, format="webp"),
        Spec(width=20, animated=True, format="jpeg"),
        Spec(width=20, format="avif"),
        Spec(width=20, animated=True, format="png"),
    ],
)
@pytest.mark.parametrize("source", ["GIF", "WEBP"])
def test_otherwise_the_first_frame_is_rendered(source: str, spec: Spec) -> None:
    """Unless the preset asks for animation and the output supports it."""
    preview = resize(animation(source), spec)
    assert len(frames(preview.data)) == 1
    assert opened(preview).size == (20, 10)


def test_animated_changes_nothing_about_a_still() -> None:
    still = encode(Image.new("RGB", (80, 40), (255, 0, 0)), "WEBP")
    assert resize(still, Spec(width=20, animated=True)) == resize(still, Spec(width=20))


def test_the_pixels_of_all_frames_count_when_read_and_when_written() -> None:
    data = animation("GIF")
    assert resize(data, Spec(width=20, animated=True), Limits(max_source_pixels=9600)).width == 20
    with pytest.raises(TooLarge, match="80x120"):
        resize(data, Spec(width=20, animated=True), Limits(max_source_pixels=9599))
    with pytest.raises(TooLarge, match="scaled"):
        resize(data, Spec(width=160, enlarge=True, animated=True), Limits(max_source_pixels=9600))


def test_a_deadline_ends_an_animation_between_two_frames() -> None:
    with pytest.raises(TimedOut):
        resize(animation("GIF"), Spec(width=20, animated=True), Limits(max_seconds=0))


@pytest.mark.fault("animation-truncated")
@pytest.mark.parametrize("part", [0.35, 0.6, 0.99])
def test_an_animation_that_ends_early_is_corrupt_except_at_best_effort(part: float) -> None:
    pictures = [Image.effect_noise((80, 40), 90).convert("RGB") for _ in range(10)]
    whole = encode(pictures[0], "GIF", save_all=True, append_images=pictures[1:])
    truncated = whole[: int(len(whole) * part)]
    with pytest.raises(Corrupt, match="ends within"):
        resize(truncated, Spec(width=20, animated=True))
    kept = resize(truncated, Spec(width=20, animated=True, best_effort=True))

    assert len(frames(kept.data)) <= 10
    assert len(frames(resize(truncated, Spec(width=20)).data)) == 1  # its first frame is whole
    assert len(frames(resize(whole, Spec(width=20, animated=True)).data)) == 10


@pytest.mark.parametrize("ending", [b"", b";;", b"; trailing"])
def test_a_whole_animation_may_lack_its_trailer_or_have_more(ending: bytes) -> None:
    data = animation("GIF").removesuffix(b";") + ending
    assert len(frames(resize(data, Spec(width=20, animated=True)).data)) == 3
