"""Hostile photos: small files whose structure makes a decoder work for minutes, or takes gigabytes."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial

import pytest
from PIL import Image, ImageCms

from lambda_resize import containers, files
from lambda_resize.containers import avis, icc, png, svg
from lambda_resize.errors import Corrupt, TooLarge, Unsupported
from lambda_resize.resize import resize
from prewmanager_presets import Spec
from tests.lambda_resize import pdfs
from tests.lambda_resize.hostile import credits as described
from tests.lambda_resize.hostile import drawings, heifs, jxls, profiles, rarer, rasters, trial
from tests.lambda_resize.pictures import encode, noise

MEGABYTES = 1000
SECONDS = 16  # the limit, and a second
FRAME = 100_000_000

Attack = Callable[[], bytes]
COSTLY: dict[str, Attack] = {
    "interlaced PNG of 16 bits": lambda: rasters.png(9899, 9899, bits=16, colours=6, interlaced=True),
    "JPEG of 5,000 scans": lambda: rasters.jpeg_scans(9900, 9900, 5000),
    "JPEG of 900 scans": lambda: rasters.jpeg_scans(9900, 9900, 900),
    "JPEG of hidden scans": lambda: rasters.jpeg_hidden_scans(4000, 4000, 2000),
    "JPEG of 300,000 markers": lambda: rasters.jpeg_markers(300_000),
    "WebP of 50,000 frames": lambda: rasters.webp_frames(50_000),
    "GIF of a million frames": lambda: rasters.gif_frames(1_000_000),
    "GIF of 900 uncovered canvases": lambda: rasters.gif_frames(900, 2_000),
    "GIF of hidden frames": lambda: rasters.gif_hidden_frames(100_000),
    "TIFF of 65,000 pages": lambda: rasters.tiff_directories(65_000),
    "TIFF with pages that share an array": lambda: rasters.tiff_directories(1900, [(324, 4, 50_000, 8)]),
    "TIFF of large planes": lambda: rasters.tiff_planes(12_200),
    "TIFF of large tiles": lambda: rasters.tiff_tiles(40_000, 3_700, 3_504),
    "AVIF in one piece": lambda: heifs.heif([heifs.Part(b"av01", (8000, 7000))]),
    "AVIF of deep colours in one piece": lambda: heifs.heif([heifs.deep(8000, 5000)]),
    "AVIF grid of large tiles": lambda: heifs.small_grid_of_large_tiles(1024, 12),
    "HEIC grid of large tiles": lambda: heifs.small_grid_of_large_tiles(1024, 12, kind=b"hvc1"),
    "HEIC of 16 million units": lambda: heifs.many_units(16_000_000, 1),
    "HEIC of 4 million units": lambda: heifs.many_units(4_000_000, 4),
    "AVIF with a large alpha": lambda: heifs.large_alpha(2048),
    "AVIF with items that share their bytes": lambda: heifs.shared_items(240, 1_000_000),
    "AVIF item of many frames": lambda: heifs.many_frames(1024, 200),
    "AVIF item of many frames inside its description": lambda: heifs.frames_inside(200),
    "AVIF with frames in its configuration": lambda: heifs.frames_in_configuration(200),
    "AVIF of a million places": lambda: heifs.many_places(1_000_000),
    "HEIC of 200 megapixels": lambda: heifs.tiled(16_320, 12_240, 512),
    "JPEG of 400 megapixels": lambda: rasters.jpeg_header(20_000, 20_000),
    "JPEG 2000 of 50 megapixels": lambda: rasters.jpeg_2000(7_000, 7_000),
    "BMP of 50 megapixels": lambda: rasters.bmp(7_000, 7_000),
    "PSD of 50 megapixels": lambda: rasters.psd(7_000, 7_000),
    "ICO of 50 megapixels": lambda: rasters.ico(rasters.png(7_000, 7_000, colours=6)),
    "APNG of 1,000 frames": lambda: rasters.apng(1_000, 2_000),
    "JPEG XL of 30 megapixels": lambda: jxls.declared(6_000, 5_000),
    "JPEG XL of a billion rows": lambda: jxls.declared(1, 1 << 30),
    "RAW file of a million JPEGs": lambda: b"IIRO" + b"\xff\xd8\xff" * 1_000_000,
    "AVIF made of itself": lambda: heifs.made_of_itself(20),
}
# Their headers say what decoding would cost: no decoder is begun.
DECLARED: dict[str, Attack] = {
    "BMP of rows that end early": lambda: rarer.bmp_of_runs(5_000, 5_000, b"\1\1\0\0" * 5_000),
    "BMP of runs of nothing": lambda: rarer.bmp_of_runs(4, 4, b"\0\0" * 7_000_000),
    "BMP of runs of 4 bits": lambda: rarer.bmp_of_runs(5_000, 5_000, b"\xff\1" * 98_039, bits=4),
    "ICO of 170 megapixels": lambda: rarer.ico(rasters.png_header(13_000, 13_000)),
    "ICO with a BMP of runs": lambda: rarer.ico(rarer.dib(5_000, 10_000, b"\1\1\0\0" * 5_000)),
    "ICO of 65,535 pictures": lambda: rarer.ico(rasters.png(8, 8), times=65_535),
    "PSD of a million resources": lambda: rarer.psd_resources(1_000_000),
    "PSD of 20 million rows": lambda: rarer.psd(1, 20_000_000),
    "JPEG 2000 of small blocks": lambda: rarer.code_stream((3_500, 3_500), channels=4, block=(4, 4)),
    "JPEG 2000 of small precincts": lambda: rarer.code_stream((3_500, 3_500), precincts=[0, *[0x11] * 5]),
    "JPEG 2000 of 65,535 layers": lambda: rarer.code_stream((3_500, 3_500), layers=65_535, resolutions=33),
    "JPEG 2000 whose order changes": lambda: rarer.code_stream(
        (3_500, 3_500), precincts=rarer.EVERY_WAY * 3, progression=2, changes=31
    ),
    "JPEG 2000 of 65,535 tiles": lambda: rarer.code_stream((255, 257), (1, 1)),
    "JPEG 2000 of 40,000 parts": lambda: rarer.code_stream((64, 64), parts=40_000),
    "JPEG 2000 of a million markers": lambda: rarer.code_stream((64, 64), extra=b"\xff\x64\0\4\0\0" * 1_000_000),
    "JPEG 2000 of a million boxes": lambda: rarer.jp2(
        rarer.code_stream((64, 64)), (64, 64), extra=b"\0\0\0\x08free" * 1_000_000
    ),
    "JPEG 2000 of a million boxes inside": lambda: rarer.jp2(
        rarer.code_stream((64, 64)), (64, 64), inside=heifs.box(b"res ", b"\0\0\0\x08free" * 1_000_000)
    ),
    "JPEG 2000 larger than its boxes say": lambda: rarer.jp2(rarer.code_stream((30_000, 30_000)), (64, 64)),
    "AVIF of moving frames that share their bytes": lambda: rarer.shared_samples(10_000, 20_000),
    "AVIF of moving frames of many units": lambda: rarer.shared_samples(20, 20_000),
}
# Decoders that take most of the memory for each pixel.
LARGEST: dict[str, Attack] = {
    "animation": lambda: rasters.webp_frames(35, 2_000),
    "AVIF": lambda: heifs.plain(7_040),
    "JPEG of 300 megapixels": lambda: rasters.jpeg_header(17_000, 17_000),
    "animation of a PNG": lambda: rasters.apng(43, 2_000),
    "animation of an AVIF": lambda: heifs.moving(3_000, 10),
    "AVIF of two moving frames": lambda: heifs.moving(3_600, 2),
    "JPEG 2000": lambda: rasters.jpeg_2000(3_500, 3_500),
}
# What one part says about cost, and another denies: which of them the decoder believes is not known here.
UNCLEAR: dict[str, Attack] = {
    name: partial(heifs.contradiction, name)
    for name in ("pitm", "iinf", "iloc", "iprp", "iref", "ispe", "av1C", "irot")
} | {"without its size": lambda: heifs.without_size(2048)}
DRAWINGS: dict[str, Attack] = {
    "use in use": lambda: drawings.nested_use(5),
    "use of itself": lambda: drawings.svg('<g id="a"><use xlink:href="#a"/><use xlink:href="#a"/></g>'),
    "filter whose work grows with its radius": lambda: drawings.morphology(2904),
    "filters": lambda: drawings.filters(100),
    "filters without elements of their own": lambda: drawings.svg(drawings.blurred("filter='{}'") * 10),
    "filters of a style": lambda: drawings.svg(drawings.blurred("style='filter/**/:{}'") * 10),
    "filters in an escape": lambda: drawings.svg("<rect style='f\\69lter:blur(9px)'/>"),
    "filters of a style sheet": drawings.styled_filters,
    "filters of a style sheet in pieces": lambda: drawings.svg(
        "<style>rect{fil<!-- -->ter:blur(9px)}</style>" + "<rect/>"
    ),
    "filters of a style sheet elsewhere": lambda: b'<?xml-stylesheet href="data:text/css,"?>' + drawings.svg("<rect/>"),
    "masks": lambda: drawings.masked(5, 6),
    "layers": lambda: drawings.svg("<rect opacity='.5'/>" * 6_000),
    "patterns of a style sheet": lambda: drawings.styled("fill", "pattern", 9),
    "clipping paths of a style sheet": lambda: drawings.styled("clip-path", "clipPath", 9),
    "markers": lambda: drawings.markers(1_000, 300),
    "text": lambda: drawings.svg("<text>" + "W" * 200_000 + "</text>"),
    "points": lambda: drawings.svg(f"<path stroke='red' d='M0 0{'L9 390L390 9' * 30_000}'/>"),
    "large picture inside": lambda: drawings.with_picture("png", rasters.png(6000, 6000, colours=0)),
    "document elsewhere": lambda: drawings.svg("<i:include xmlns:i='x' href='data:image/svg+xml,'/>"),
    "deep": lambda: drawings.svg("<g>" * 1000 + "</g>" * 1000),
    "entities": drawings.entities,
    "references": lambda: drawings.svg(f'<rect fill="{"#a " * 3_000_000}"/>'),
    "compressed": lambda: zlib.compress(drawings.svg(" " * 20_000_000), 9, 31),
}
# What draws for longer than a page may, or needs more memory.
PAGES: dict[str, tuple[Attack, set[str]]] = {
    "pages that draw forms in forms": (lambda: pdfs.forms(9, 30), {"timeout", "too_large"}),
    "pages that draw a picture of 100 megapixels": (lambda: pdfs.picture(10_000), {"timeout", "preview"}),
}
# Their preview is rendered all the same, and at little cost.
TAMED: dict[str, Attack] = {
    "PNG with 800 MB of text": lambda: rasters.png_text(100),
    "PNG with text after its pixels": lambda: rasters.png(64, 64, after=rasters.text(100)),
    "PNG with many profiles": lambda: rasters.png(64, 64, rasters.profile_chunk(bytes(7_900_000)) * 100),
    "ICO with 80 MB of text": lambda: rarer.ico(rasters.png_text(10)),
    "moving AVIF with EXIF of 5 million numbers": lambda: rarer.moving(64, 2, exif=rarer.exif_of_numbers(5_000_000)),
    "profile of 20,000 elements": lambda: rasters.png_profile(profiles.floating(20_000)),
    "profile of 20,000 elements in a JPEG": lambda: rasters.with_profile("JPEG", profiles.floating(20_000)),
    "profile of 20,000 elements in a WebP": lambda: rasters.with_profile("WEBP", profiles.floating(20_000)),
    "profile of 20,000 elements in a TIFF": lambda: rasters.with_profile("TIFF", profiles.floating(20_000)),
    "profile of 20,000 elements in an AVIF": lambda: rasters.with_profile("AVIF", profiles.floating(20_000)),
}
# Descriptions, for presets that keep credits.
CREDITS: dict[str, Attack] = {
    "EXIF whose credits share a text": lambda: described.exif_of_one_text(3_000, 1_000_000),
    "XMP whose credits have a million lines": lambda: described.xmp_of_lines(990_000),
    "XMP whose credits have a long namespace": lambda: described.xmp_of_a_long_namespace(500_000, 80_000),
    "XMP whose credits are a default": lambda: described.xmp_of_a_default(500_000, 100_000),
    "IPTC of three million credits": lambda: described.iptc_of_empty_datasets(3_000_000),
}


@pytest.mark.fault("photo-costly")
@pytest.mark.parametrize("name", COSTLY)
def test_a_photo_that_would_cost_too_much_is_refused(name: str) -> None:
    found = trial.render(COSTLY[name](), animated=True)
    assert found.kind == "too_large"
    assert found.megabytes < MEGABYTES
    assert found.seconds < SECONDS


@pytest.mark.fault("photo-costly")
@pytest.mark.parametrize("name", DECLARED)
def test_a_photo_whose_headers_declare_too_much_is_refused_before_it_is_decoded(name: str) -> None:
    data = DECLARED[name]()
    is_moving = avis.is_moving(data)
    with pytest.raises(TooLarge):
        containers.checked(data, "avis" if is_moving else files.source_format(data), FRAME)


@pytest.mark.fault("photo-ambiguous")
def test_moving_frames_count_as_they_are_not_as_their_boxes_say() -> None:
    lying = rarer.moving(512, 2, declared=64)
    assert containers.checked(lying, "avis", 4 * 512 * 512) is lying
    with pytest.raises(TooLarge, match="pictures"):
        containers.checked(lying, "avis", 4 * 512 * 512 - 1)


@pytest.mark.fault("photo-costly")
def test_pictures_that_a_sample_has_besides_its_own_count() -> None:
    """Its decoder keeps all of them to the end."""
    picture, (configuration, *_) = heifs.coded(512, 512)
    twice = rarer.sequence(picture * 2, 40, (512, 512), configuration=configuration)
    assert containers.checked(twice, "avis", 4 * 40 * 512 * 512) is twice
    with pytest.raises(TooLarge, match="keeps"):
        containers.checked(twice, "avis", 4 * 40 * 512 * 512 - 4)


@pytest.mark.fault("photo-ambiguous")
def test_a_jpeg_2000_with_a_marker_that_is_none_is_corrupt() -> None:
    """Its decoder skips what it does not know, and may find others there than are found here."""
    with pytest.raises(Corrupt):
        containers.checked(rarer.code_stream((64, 64), extra=b"\xff\x30\0\4\0\0"), "jp2", FRAME)
    with pytest.raises(Unsupported):
        containers.checked(rarer.code_stream((64, 64), channels=60), "jp2", FRAME)


@pytest.mark.fault("drawing-costly")
@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_that_would_cost_too_much_is_refused(name: str) -> None:
    found = trial.render(DRAWINGS[name](), svg=True)
    assert found.kind == "too_large"
    assert found.megabytes < MEGABYTES


@pytest.mark.fault("photo-costly")
@pytest.mark.parametrize("name", PAGES)
def test_pages_that_would_cost_too_much_end_within_the_limits(name: str) -> None:
    make, kinds = PAGES[name]
    found = trial.render(make(), pdf=True, seconds=3)
    assert found.kind in kinds
    assert found.megabytes < MEGABYTES
    assert found.seconds < SECONDS


@pytest.mark.fault("photo-costly")
@pytest.mark.parametrize("name", LARGEST)
def test_a_photo_of_the_largest_size_stays_below_a_gigabyte(name: str) -> None:
    found = trial.render(LARGEST[name](), animated=True)
    assert found.kind == "preview"
    assert found.megabytes < MEGABYTES
    assert found.seconds < SECONDS


@pytest.mark.fault("photo-ambiguous")
@pytest.mark.parametrize("name", UNCLEAR)
def test_a_photo_that_contradicts_itself_about_its_cost_is_refused(name: str) -> None:
    found = trial.render(UNCLEAR[name]())
    assert found.kind == "corrupt"
    assert found.megabytes < 200
    assert found.seconds < SECONDS


@pytest.mark.fault("photo-padded")
@pytest.mark.parametrize("name", TAMED)
def test_what_no_preview_needs_is_not_read(name: str) -> None:
    found = trial.render(TAMED[name](), animated=True)
    assert found.kind == "preview"
    assert found.megabytes < 200
    assert found.seconds < SECONDS


@pytest.mark.fault("photo-padded")
@pytest.mark.parametrize("name", CREDITS)
def test_credits_cost_no_more_than_the_description_they_are_in(name: str) -> None:
    found = trial.render(CREDITS[name](), has_credits=True, seconds=3)
    assert found.kind == "preview"
    assert found.megabytes < 200
    assert found.seconds < SECONDS


@pytest.mark.fault("photo-damaged")
def test_an_avif_that_names_a_property_in_no_alphabet_is_corrupt_and_the_next_photo_is_rendered() -> None:
    """Libheif quotes the kind, which is no text."""
    plain = heifs.plain(64)
    with pytest.raises(Corrupt):
        resize(plain.replace(b"pixi", b"\xff\xfe\xfd\xff"), Spec(width=20))
    with pytest.raises(Unsupported, match="not a JPEG"):
        resize(b"nonsense", Spec(width=20))
    assert resize(plain, Spec(width=20)).width == 20


@pytest.mark.fault("photo-damaged")
def test_a_heic_without_its_configuration_is_corrupt() -> None:
    data, _ = heifs.coded(64, 64, kind=b"hvc1")
    with pytest.raises(Corrupt):
        resize(heifs.heif([heifs.Part(b"hvc1", (64, 64), data)], b"heic"), Spec(width=20))


@pytest.mark.fault("photo-ambiguous")
@pytest.mark.parametrize(
    ("lying", "chroma", "counted", "refused"),
    [
        (heifs.lying_colours, 420, 1, 0.9),
        (heifs.lying_colours, 422, 1, 0.9),
        (heifs.lying_colours, 444, 2, 0.9),
        (heifs.lying_colours_of_avif, 420, 2, 0.8),
        (heifs.lying_colours_of_avif, 422, 3, 0.8),
        (heifs.lying_colours_of_avif, 444, 3, 0.8),
    ],
)
def test_the_colours_of_a_heic_or_avif_count_as_they_are_not_as_it_says(
    lying: Callable[[int, int], bytes], chroma: int, counted: int, refused: float
) -> None:
    data, pixels = lying(256, chroma), 256 * 256
    assert containers.checked(data, "heif", counted * pixels) is data
    with pytest.raises(TooLarge):
        containers.checked(data, "heif", int(counted * pixels * refused))


@pytest.mark.fault("photo-ambiguous")
@pytest.mark.parametrize("before", [b"", heifs.large_alpha(64)])
def test_a_heif_with_a_description_that_is_not_followed_is_unsupported(before: bytes) -> None:
    """Its decoder follows it, and a file may have the other one, too."""
    data = (before or heifs.box(b"ftyp", b"mif3")) + heifs.box(b"mini", bytes(40))
    with pytest.raises(Unsupported):
        containers.checked(data, "heif", FRAME)


def test_the_layers_of_a_psd_are_not_read() -> None:
    damaged = rarer.psd(8, 8, layers=struct.pack(">Ih", 9, 30_000))
    assert resize(damaged, Spec(width=20)).width == 8


def test_text_is_dropped_and_colours_stay() -> None:
    kept = b"".join(rasters.chunk(name, bytes(4)) for name in (b"gAMA", b"sRGB"))
    data = rasters.png(8, 8, rasters.text(2) + kept, after=rasters.text(1))
    assert png.checked(data, FRAME) == rasters.png(8, 8, kept)


def test_a_file_without_text_is_not_copied() -> None:
    data = rasters.png(8, 8)
    assert png.checked(data, FRAME) is data


def test_damage_is_left_to_the_decoder() -> None:
    """Each beginning of a file passes, or is refused, but nothing else; a HEIF may end before it says a size."""
    files = [encode(noise(), name) for name in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "AVIF")]
    files += [heifs.small_grid_of_large_tiles(64, 2, kind=b"hvc1"), rasters.webp_frames(3), rasters.gif_frames(3)]
    names = ["png", "jpeg", "gif", "webp", "tiff", "heif", "heif", "webp", "gif"]
    for name, data in zip(names, files, strict=True):
        for length in [*range(12, 700, 7), *range(700, len(data), 997)]:
            with suppress(Corrupt) if name == "heif" else nullcontext():
                assert containers.checked(data[:length], name, FRAME) == data[:length]


@pytest.mark.parametrize("scans", [1, 10, 50])
def test_progressive_photos_of_the_largest_size_are_accepted(scans: int) -> None:
    data = rasters.jpeg_scans(9_990, 9_990, scans - 1)
    assert containers.checked(data, "jpeg", FRAME) is data


def test_scans_of_appended_pictures_do_not_count() -> None:
    data = rasters.saved("JPEG") + rasters.jpeg_scans(9900, 9900, 5000)
    assert containers.checked(data, "jpeg", FRAME) is data


def test_a_grid_of_tiles_of_the_largest_size_is_accepted() -> None:
    tile = heifs.Part(b"hvc1", (512, 512))
    count = 19 * 20
    whole = heifs.Part(
        b"grid", (19 * 512, 20 * 512), heifs.grid(20, 19, (19 * 512, 20 * 512)), made_of=range(2, 2 + count)
    )
    alpha = heifs.Part(b"hvc1", (19 * 512, 20 * 512), belongs_to=1)
    data = heifs.heif([whole, *[tile] * count, alpha], b"heic")
    assert containers.checked(data, "heif", FRAME) is data


def test_large_strips_that_are_read_row_by_row_and_small_tiles_are_accepted() -> None:
    """Many programs write one strip, and tiles of 256 to 1024 pixels a side."""
    whole = rasters.tiff_planes(12_200)
    assert containers.checked(
        whole.replace(struct.pack("<HHII", 284, 3, 1, 2), struct.pack("<HHII", 284, 3, 1, 1)), "tiff", FRAME
    )
    assert containers.checked(rasters.tiff_tiles(12_200, 12_200, 1024), "tiff", FRAME)
    assert containers.checked(rasters.tiff_planes(7_000), "tiff", FRAME)


def test_a_big_tiff_is_walked_too() -> None:
    page = struct.pack("<QHHQQQ", 1, 256, 3, 1, 8, 0)
    head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16)
    looping = head + struct.pack("<QHHQQQ", 1, 256, 3, 1, 8, 16)
    assert containers.checked(head + page, "tiff", FRAME)
    assert containers.checked(looping, "tiff", FRAME)
    pages = b"".join(struct.pack("<QHHQQQ", 1, 256, 3, 1, 8, 16 + 36 * (n + 1)) for n in range(3000))
    with pytest.raises(TooLarge, match="TIFF directories"):
        containers.checked(head + pages, "tiff", FRAME)


def test_a_profile_without_transforms_in_floating_point_is_used_as_it_is() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert icc.tamed(profile) == profile


def test_a_huge_profile_is_not_used() -> None:
    assert icc.tamed(bytes(icc.MAX_BYTES + 1)) is None
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "TIFF", icc_profile=bytes(icc.MAX_BYTES + 1))
    assert resize(buffer.getvalue(), Spec(width=20)).width == 20


PLAIN = {
    "a shape": "<rect/>",
    "nothing repeated": '<use href="#none"/>',
    "styles": "<style>.a { fill: url(#g) } .b { clip-path: url(#c) }</style>"
    "<linearGradient id='g'><stop/></linearGradient>"
    "<clipPath id='c'><rect/></clipPath>" + "<path class='a b' d='M0 0L9 9'/>" * 3000,
    "opacity": "<path opacity='.5' d='M0 0L9 9'/>" * 3000,
    "comments without an end": f"<rect style='{'/*' * 1_000_000}'/>",
    "a shadow": "<filter id='f'><feGaussianBlur/><feOffset/></filter>" + "<g filter='url(#f)'/>" * 9,
    "text": "<text>words</text>" * 1000,
    "markers": "<marker id='m'><path d='M0 0'/></marker>" + "<path marker-end='url(#m)' d='M0 0L9 9'/>" * 1000,
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_drawings_are_accepted(name: str) -> None:
    data = drawings.svg(PLAIN[name])
    assert svg.checked(data, FRAME) is data
    assert svg.checked(zlib.compress(data, 9, 31), FRAME)


@pytest.mark.parametrize("content", [rasters.png(600, 400), rasters.saved("JPEG"), rasters.saved("GIF")])
def test_drawings_with_small_pictures_inside_are_accepted(content: bytes) -> None:
    data = drawings.with_picture("png", content)
    assert svg.checked(data, FRAME) is data


@pytest.mark.parametrize("data", [b"\x1f\x8bnonsense", drawings.svg("<rect"), drawings.in_encoding("EUC-JP")])
def test_a_drawing_that_cannot_be_checked_is_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt):
        svg.checked(data, FRAME)


@pytest.mark.parametrize("content", [drawings.nested_use(5), b"nonsense", b"RIFF\0\0\0\0WEBPVP8X"])
def test_a_drawing_with_a_picture_inside_of_an_unknown_size_is_unsupported(content: bytes) -> None:
    with pytest.raises(Unsupported):
        svg.checked(drawings.with_picture("svg+xml", content), FRAME)
