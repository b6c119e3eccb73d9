"""What a photo's structure may cost; a photo beyond any of these is refused before a decoder reads it."""

from __future__ import annotations

from lambda_resize.errors import TooLarge

# Parts that the walk over a container counts, each at least ten times what the richest real photos have.
MAX_PARTS = {
    "PNG chunks": 100_000,  # 64 MB of IDAT, 8 KB each, are 8,192
    "JPEG markers": 10_000,  # libjpeg walks the list of all saved ones for each new one
    "JPEG scans": 1_000,
    "WebP chunks": 5_000,  # libwebp walks the list of all for each new one
    "GIF frames": 10_000,
    "GIF blocks": 1_000_000,  # of 255 bytes, so 255 MB
    "HEIF items": 1_000,  # libheif's own limit; 200 megapixels in tiles of 512 are 763
    "HEIF references": 10_000,
    "HEIF boxes": 10_000,
    "AV1 units": 10_000,
    "AV1 units of samples": 50_000,  # 10,000 samples, mostly of a frame or two
    "HEVC units": 10_000,  # libheif keeps each
    "TIFF directories": 2_000,
    "TIFF entries": 100_000,
    "JPEG 2000 boxes": 1_000,
    "JPEG 2000 markers": 20_000,  # of 12 megapixels, tiles of 64 pixels a side are 3,051
    "JPEG 2000 tiles": 10_000,
    "JPEG 2000 blocks": 500_000,  # of 12 megapixels, those of 64 pixels a side are 3,051 a channel
    "JPEG 2000 steps": 10_000_000,  # places x channels x resolutions x layers where its decoder looks for a packet
    "ICO pictures": 1_000,
    "PSD rows": 30_000,  # the format's limit
    "PSD resources": 10_000,
    "SVG elements": 100_000,  # with those that `use` repeats, and what counts as several, see below
    "SVG references": 10_000,
    "SVG levels": 256,  # libxml2's own limit
}
# What counts as that many elements of SVG, since it works on all pixels: a step of a filter, a mask, another layer.
FILTER_ELEMENTS, MASK_ELEMENTS, LAYER_ELEMENTS = 2_000, 500, 20
CROSSINGS_OF_AN_ELEMENT = 20_000  # of a path's lines, each of which may cross each other
PIXELS_OF_AN_ELEMENT = 250  # of a picture inside a drawing; all together have 25 megapixels at most
# JPEG scans x pixels, as a multiple of the limit of a frame. Encoders write 4 to 20 scans, and the limit of a frame is
# for the largest.
SCANS_OF_A_FRAME = 50
# Pixels of all pictures that a frame is made of, likewise: tiles and blocks stand out over its edge.
TILES_OF_A_FRAME = 1.1
# Parts of the limit of a frame: Pillow's decoders and the copies between them take up to 28 bytes a pixel, JPEG 2000's
# up to 0.7 µs, and that of BMP's run lengths, which is Python, up to 0.9 µs for a code or a pixel.
PILLOWS_SHARE, JPEG_2000S_SHARE, RUN_LENGTHS_SHARE = 4, 8, 16
# A part of a file that several others point at is read for each; of real files, nothing is.
MAX_SHARING = 4
SLACK_BYTES = 1_000_000


def check_parts(what: str, count: int) -> None:
    """Raise `TooLarge` if there are more than `MAX_PARTS[what]`."""
    if count > MAX_PARTS[what]:
        raise TooLarge(f"more than {MAX_PARTS[what]} {what}")


def check_shared(what: str, read: int, size: int) -> None:
    """Raise `TooLarge` if a container of `size` bytes makes its reader read far more than it has."""
    if read > MAX_SHARING * size + SLACK_BYTES:
        raise TooLarge(f"{what} refer to {read} bytes of {size}")


def check_work(what: str, pixels: int, limit: int) -> None:
    """Raise `TooLarge` if decoding takes more than `limit` pixels, each counted as often as it is decoded."""
    if pixels > limit:
        raise TooLarge(f"{what}: {pixels} pixels are to be decoded, the limit is {limit}")
