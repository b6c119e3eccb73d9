"""Photos that are decoded while they arrive: the same previews and the same errors as of photos that are there."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import pyvips
from PIL import Image

from lambda_resize import files
from lambda_resize.download import Download, Pieces
from lambda_resize.errors import Corrupt, ResizeError, StorageFailed, Throttled, TimedOut, TooLarge, Unsupported
from lambda_resize.preview import Preview
from lambda_resize.resize import resize_many
from lambda_resize.settings import Limits
from lambda_resize.sources import Photo
from prewmanager_presets import Spec
from tests.lambda_resize.hostile import rasters
from tests.lambda_resize.pictures import encode, exif, gradient, noise

SPECS = [
    Spec(width=100),
    Spec(width=90, height=90, fit="cover", position="entropy", format="png"),
    Spec(width=80, best_effort=True, format="webp"),
    Spec(width=70, format="keep", transparent="keep", animated=True),
]
LIMITS = Limits()
ENOUGH_S = 20  # for what happens at once; a test that fails waits for so long


def no_more(_start: int, _end: int) -> Pieces:
    """Have no further parts."""
    raise AssertionError


def arriving(data: bytes, piece: int = 1000, then: Callable[[], object] = lambda: None) -> Download:
    """Return a photo that comes in pieces, before the last of which `then` is called."""

    def pieces() -> Pieces:
        for start in range(0, len(data), piece):
            if start + piece >= len(data):
                then()
            yield data[start : start + piece]

    return Download(len(data), len(data), pieces(), no_more)


def outcomes(data: bytes | Download, specs: list[Spec]) -> list[object]:
    """Return each preview, or the kind of its error."""
    made = resize_many(data, specs, placeholder=True)
    return [each if isinstance(each, Preview) else type(each) for each in made]


def outcome(data: bytes | Download, spec: Spec = SPECS[0], limits: Limits = LIMITS) -> Preview | ResizeError:
    """Return the one preview, or its error."""
    (made,) = resize_many(data, [spec], limits)
    return made


def _vips(**options: object) -> bytes:
    pixels = encode(noise(), "PNG")
    return bytes(pyvips.Image.new_from_buffer(pixels, "").jpegsave_buffer(**options))


GENERATED: dict[str, Callable[[], bytes]] = {
    **{f"JPEG turned {n}": lambda n=n: encode(gradient(400, 300), "JPEG", exif=exif(n)) for n in range(1, 9)},  # type: ignore[misc]
    "JPEG": lambda: encode(noise(), "JPEG", quality=95),
    "grey JPEG": lambda: encode(noise().convert("L"), "JPEG"),
    "CMYK JPEG": lambda: encode(noise().convert("CMYK"), "JPEG"),
    "progressive JPEG": lambda: encode(noise(), "JPEG", progressive=True),
    "JPEG with restarts": lambda: _vips(restart_interval=3),
    "JPEG at full colour": lambda: _vips(subsample_mode="off"),
    "JPEG with a long comment": lambda: encode(noise(), "JPEG", comment=b"\xff\xd9 " * 20_000),
    "JPEG, another appended": lambda: encode(noise(), "JPEG") + encode(gradient(300, 200), "JPEG"),
    "PNG": lambda: encode(noise(), "PNG"),
    "grey PNG": lambda: encode(noise().convert("L"), "PNG"),
    "PNG of two colours": lambda: encode(noise().convert("1"), "PNG"),
    "PNG with a palette": lambda: encode(noise().convert("P"), "PNG"),
    "transparent PNG": lambda: encode(gradient(300, 200, "LA"), "PNG"),
    "16 bit PNG": lambda: bytes(
        pyvips.Image.gaussnoise(200, 100, sigma=9000, mean=30000).cast("ushort").pngsave_buffer()
    ),
    "interlaced PNG": lambda: bytes(
        pyvips.Image.new_from_buffer(encode(noise(), "PNG"), "").pngsave_buffer(interlace=True)
    ),
    "PNG with needless chunks": lambda: rasters.png(
        200,
        100,
        rasters.chunk(b"tEXt", b"a\0" + bytes(5000)) * 3 + rasters.chunk(b"gAMA", b"\0\0\x80\0"),
        after=rasters.chunk(b"tEXt", b"b\0" + bytes(9000)),
    ),
    "PNG, text after its end": lambda: encode(noise(), "PNG") + b"more" * 1000,
    "WebP": lambda: encode(noise(), "WEBP"),
    "GIF": lambda: encode(noise(), "GIF"),
    "TIFF": lambda: encode(noise(), "TIFF"),
    "AVIF": lambda: encode(noise(), "AVIF"),
}


@pytest.mark.parametrize("name", GENERATED)
@pytest.mark.parametrize("piece", [777, 60_000])
def test_a_photo_that_arrives_has_the_previews_of_one_that_is_there(name: str, piece: int) -> None:
    data = GENERATED[name]()
    for specs in (SPECS[:1], SPECS):
        assert outcomes(arriving(data, piece), specs) == outcomes(data, specs)


def test_real_photos_have_the_same_previews_too(real_photos: Path) -> None:
    for path in sorted(real_photos.glob("*.jpg")):
        data = path.read_bytes()
        assert outcomes(arriving(data, 30_000), SPECS[:2]) == outcomes(data, SPECS[:2]), path.name


@pytest.mark.fault("photo-damaged")
@pytest.mark.parametrize("name", ["JPEG", "progressive JPEG", "PNG", "interlaced PNG", "WebP", "TIFF", "AVIF", "GIF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
def test_a_truncated_photo_is_what_it_is_when_it_is_there(name: str, share: float) -> None:
    data = GENERATED[name]()
    cut = data[: int(len(data) * share)]
    found = outcomes(arriving(cut), SPECS)

    assert found == outcomes(cut, SPECS)
    assert found[0] is Corrupt or name == "GIF"  # which shows its first rows


@pytest.mark.parametrize("name", ["JPEG", "PNG", "PNG with needless chunks"])
def test_damaged_photos_have_the_same_outcomes(name: str) -> None:
    data = GENERATED[name]()
    for at in range(8, len(data), len(data) // 40):
        damaged = data[:at] + bytes([data[at] ^ 0xFF, 0x5A]) + data[at + 2 :]
        assert outcomes(arriving(damaged), SPECS[:1]) == outcomes(damaged, SPECS[:1]), at


@pytest.mark.parametrize(
    ("name", "waits"),
    [("JPEG", False), ("PNG", False), ("JPEG turned 6", False)]
    + [(name, True) for name in ("progressive JPEG", "interlaced PNG", "WebP", "TIFF")],
)
def test_only_what_is_decoded_in_order_is_opened_before_its_end(
    monkeypatch: pytest.MonkeyPatch, name: str, *, waits: bool
) -> None:
    opened = threading.Event()
    real = Photo.open

    def noticed(photo: Photo, **options: object) -> pyvips.Image:
        image = real(photo, **options)
        opened.set()
        return image

    monkeypatch.setattr(Photo, "open", noticed)
    before: list[bool] = []
    download = arriving(GENERATED[name](), 1000, then=lambda: before.append(opened.wait(0.2 if waits else ENOUGH_S)))

    assert isinstance(outcome(download), Preview)
    assert before == [not waits]


@pytest.mark.parametrize("error", [StorageFailed("reset"), Throttled("SlowDown")])
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WebP"])
@pytest.mark.parametrize("spec", [SPECS[0], SPECS[2]])
def test_what_s3_does_in_the_middle_is_never_the_photos_fault(error: ResizeError, name: str, spec: Spec) -> None:
    """Also where a damaged photo would be rendered as far as it goes."""

    def fails() -> None:
        raise error

    assert outcome(arriving(GENERATED[name](), then=fails), spec) is error


def test_a_panic_of_the_client_is_raised_as_it_was() -> None:
    class Panic(BaseException):
        """Like one in Rust."""

    def panics() -> None:
        raise Panic

    with pytest.raises(Panic):
        outcome(arriving(GENERATED["JPEG"](), then=panics))


@pytest.mark.fault("photo-costly")
@pytest.mark.parametrize(
    "data",
    [
        rasters.jpeg_scans(4000, 4000, 900),
        GENERATED["JPEG"]()[:-2] + b"\xff\xfe\0\2" * 11_000 + b"\xff\xd9",
        GENERATED["PNG"]()[:-12] + (b"\0\0\0\0abcd" + bytes(4)) * 110_000,
    ],
    ids=["scans", "markers", "chunks"],
)
def test_a_photo_that_costs_too_much_is_refused_while_it_arrives(data: bytes) -> None:
    """By what comes after the pixels, too, although its decoder does not get there."""
    assert isinstance(outcome(data), TooLarge)
    assert isinstance(outcome(arriving(data, 50_000)), TooLarge)


@pytest.mark.fault("photo-costly")
def test_a_decoder_gets_no_byte_that_was_not_seen_before() -> None:
    data = encode(gradient(64, 64), "JPEG")
    scans = data[:-2] + data[data.index(b"\xff\xda") : -2] * 1001 + b"\xff\xd9"
    with pytest.raises(TooLarge):
        _read_all(files.opened(arriving(scans, 20_000), LIMITS))


def _read_all(file: files.File) -> None:
    """Read a file as its decoder does that wants all of it."""
    assert isinstance(file, files.Arriving)
    at = 0
    while piece := file.read(at, 4096):
        at += len(piece)


def test_an_unsupported_photo_is_refused_by_its_head() -> None:
    download = arriving(b"%PDF-1.7 " * 10_000, then=lambda: time.sleep(ENOUGH_S))
    assert isinstance(outcome(download), Unsupported)


def test_more_bytes_than_the_limit_are_not_waited_for() -> None:
    download = arriving(GENERATED["JPEG"](), then=lambda: time.sleep(ENOUGH_S))
    assert isinstance(outcome(download, limits=Limits(max_source_bytes=5000)), TooLarge)


@pytest.mark.fault("s3-slow")
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WebP"])
def test_waiting_for_s3_is_none_of_a_photos_time(name: str) -> None:
    limits = Limits(max_seconds=1)
    download = arriving(GENERATED[name](), then=lambda: time.sleep(1.3))

    assert isinstance(outcome(download, limits=limits), Preview)
    assert download.waited_s >= 1


@pytest.mark.fault("photo-slow")
def test_a_photo_that_is_slow_itself_times_out_while_it_arrives() -> None:
    huge = Spec(width=5000, enlarge=True, format="avif", avif_effort=9)
    assert isinstance(outcome(arriving(GENERATED["JPEG"]()), huge, Limits(max_seconds=0.2)), TimedOut)


@pytest.mark.fault("s3-away")
@pytest.mark.parametrize("name", ["JPEG", "WebP"])
def test_an_s3_that_sends_nothing_more_is_a_failure_of_storage_when_the_time_is_up(name: str) -> None:
    data = GENERATED[name]()
    go_on = threading.Event()

    def pieces() -> Pieces:
        yield data[:5000]
        go_on.wait(ENOUGH_S)

    ends_at = time.monotonic() + 0.3
    download = Download(len(data), len(data), pieces(), no_more, ends_at)
    found = outcome(download, limits=Limits(max_seconds=9, ends_at=ends_at))
    go_on.set()
    assert isinstance(found, StorageFailed)


@pytest.mark.fault("s3-away")
@pytest.mark.parametrize(("own_s", "blamed"), [(9.0, StorageFailed), (0.2, TimedOut)])
def test_who_is_blamed_when_lambdas_time_is_up(own_s: float, blamed: type[ResizeError]) -> None:
    """A photo that had its own time, or S3, which left it less."""
    slow = Spec(width=5000, enlarge=True, format="avif", avif_effort=9)
    limits = Limits(max_seconds=own_s, ends_at=time.monotonic() + 0.2)
    assert isinstance(outcome(GENERATED["JPEG"](), slow, limits), blamed)


def test_parts_are_fetched_at_once_and_come_in_any_order() -> None:
    data = bytes(range(256)) * 40_000
    parts, all_there = [], threading.Barrier(3, timeout=ENOUGH_S)

    def further(start: int, end: int) -> Iterator[bytes]:
        parts.append((start, end))
        all_there.wait()
        yield from (data[at : min(at + 70_000, end)] for at in range(start, end, 70_000))

    download = Download(len(data), 2_000_000, iter([data[:2_000_000]]), further)
    assert download.head() == data[:4096]
    assert parts == []
    assert download.whole() == data
    assert [start for start, _ in sorted(parts)] == [2_000_000, *(end for _, end in sorted(parts))][:-1]
    assert max(end for _, end in parts) == len(data)


@pytest.mark.parametrize("sent", [b"short", b"more than was announced"])
def test_a_part_of_another_size_is_cut_or_a_failure(sent: bytes) -> None:
    download = Download(10, 10, iter([sent]), no_more, math.inf)
    if len(sent) < 10:
        with pytest.raises(StorageFailed, match="5 of 10 bytes"):
            download.whole()
    else:
        assert download.whole() == sent[:10]


def test_nothing_is_fetched_after_it_is_closed() -> None:
    asked, go_on, others = [], threading.Event(), set(threading.enumerate())

    def pieces() -> Iterator[bytes]:
        for number in range(10):
            asked.append(number)
            yield bytes(5000)
            go_on.wait(ENOUGH_S)

    download = Download(50_000, 50_000, pieces(), no_more)
    download.head()
    download.close()
    go_on.set()
    for thread in set(threading.enumerate()) - others:
        thread.join(ENOUGH_S)
    assert len(asked) <= 2


def test_a_tiff_is_recognised_by_the_whole_file() -> None:
    """Its directory may come last."""
    data = encode(Image.new("RGB", (300, 200)), "TIFF")
    assert isinstance(outcome(arriving(data)), Preview)
