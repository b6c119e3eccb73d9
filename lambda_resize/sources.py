"""Opens photos: checks the header against the limits, and chooses the decoder's options."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyvips

from lambda_resize import vips
from lambda_resize.containers import gif, heif, icc
from lambda_resize.deadline import Deadline
from lambda_resize.errors import Corrupt, TooLarge, Unsupported
from lambda_resize.files import File, Whole
from lambda_resize.geometry import Size
from lambda_resize.heic import Heic
from lambda_resize.settings import Limits

MAX_BANDS = 5  # CMYK and transparency; a TIFF may declare thousands, each of which needs memory
# Pixels a side: JPEG's own limit; the largest panoramas are half as wide. libvips holds dozens of rows with four floats
# a pixel, so a PNG of 2 KB that declares 2 million by 48 pixels, far below the limit of its area, takes 3.4 GB.
MAX_SIDE = 65_535
WHOLE_FRAME = frozenset({"webp", "gif", "heif"})  # decoders that hold the whole frame, as all do if it is interlaced
MOVING = frozenset({"webp", "gif"})
HELD_FRAMES = 2.4  # of the largest size, of four bytes a pixel, fit into 1 GB
PROFILE = "icc-profile-data"
TRANSPOSED = frozenset({5, 6, 7, 8})  # EXIF orientations of photos stored on their side


@dataclass(frozen=True)
class Photo:
    """A photo whose header was read and checked against the limits.

    Attributes:
        file: It was checked, or is while it arrives.
        frames: How many frames are read: 1, except for an animation that stays animated.
        best_effort: Whether a damaged photo is read as far as it can be decoded.
        deadline: Watches all images that are opened.
        limits: Checked for each image that is opened, too: its size may differ from its container's.
    """

    file: File
    frames: int
    best_effort: bool
    deadline: Deadline
    limits: Limits

    def open(self, **options: Any) -> pyvips.Image:
        """Open the file; its pixels are decoded when the result is saved, and errors in them appear only then.

        A file that ends too early is an error, which TIFF's loader reports one level later than the others. The next
        level, `warning`, would reject photos that phones really produce.

        Args:
            options: Options of libvips' loader, such as JPEG's `shrink`.

        Raises:
            Corrupt: The header, or for HEIC the whole file, cannot be decoded.
            Unsupported: It is a HEIC photo, and its decoder is not installed.
        """
        fail_on = "error" if self.format == "tiff" else "truncated"
        options["fail_on"] = "none" if self.best_effort else fail_on
        if self.frames > 1:
            options["n"] = -1
        try:
            image = pyvips.Image.new_from_source(self.file.source(), "", access="sequential", **options)
        except vips.FAILURES as error:
            raise vips.failure(error, f"header of {self.format}: ") from error
        return self.deadline.watch(_with_tamed_profile(image))

    @property
    def format(self) -> str:
        """From `files.source_format`."""
        return self.file.format

    @cached_property
    def image(self) -> pyvips.Image:
        """The photo at its full size; HEIC is already decoded, upright and with 8 bits a channel."""
        if isinstance(self.file, Whole) and self.format == "heif" and heif.is_hevc(self.file.data):
            photo = Heic(self.file.data)
            self._check(photo.size, photo.size, whole=True, deep=photo.bits > 8)  # noqa: PLR2004 -- a byte
            return _with_tamed_profile(photo.decode(self.deadline))
        header = self.open()
        if header.bands > MAX_BANDS:
            raise Unsupported(f"{header.bands} channels")
        self._check(
            Size(header.width, header.height),
            Size(header.width, header.get_page_height()),
            whole=self.format in WHOLE_FRAME or bool(_field(header, "interlaced", 0)),
            deep=header.format != "uchar" or self.format == "heif",
        )
        return header

    @property
    def size(self) -> Size:
        """The size of one frame as stored, before the EXIF orientation is applied."""
        return Size(self.image.width, self.image.get_page_height())

    @property
    def transposed(self) -> bool:
        """Whether turning it upright swaps width and height."""
        return orientation(self.image) in TRANSPOSED

    @property
    def upright(self) -> Size:
        """The size after the EXIF orientation is applied."""
        return Size(*reversed(self.size)) if self.transposed else self.size

    def _check(self, frames: Size, frame: Size, *, whole: bool, deep: bool) -> None:
        """Reject a photo that is too large, before decoding.

        Args:
            frames: All of them, one below the other.
            frame: One of them.
            whole: Whether its decoder holds all of it.
            deep: Whether it has 16 bits a channel or is an AVIF, which take twice the memory and the time.
        """
        check_pixels("the image", frames, self.limits.max_source_pixels)
        if max(frame) > MAX_SIDE:
            raise TooLarge(f"the image has {frames.width}x{frames.height} pixels, the limit of a side is {MAX_SIDE}")
        if whole:
            limit = self.limits.max_frame_pixels // (2 if deep else 1)
            check_pixels(f"the image, {self.format} to be decoded whole,", frame, limit)


def open_photo(file: File, deadline: Deadline, limits: Limits, *, animated: bool, best_effort: bool) -> Photo:
    """Read a photo's header.

    Raises:
        Unsupported: It is of a kind that cannot be decoded.
        Corrupt: The header cannot be read, or an animation that is to be kept ends early.
        TooLarge: More pixels than the limits allow.
    """
    photo = Photo(file, 1, best_effort, deadline, limits)
    if not (animated and isinstance(file, Whole) and file.format in MOVING):
        return photo
    if file.format == "gif" and not best_effort and not gif.is_whole(file.data):
        raise Corrupt("gif: it ends within a frame")
    frames = _field(photo.image, "n-pages", 1)
    return photo if frames == 1 else Photo(file, frames, best_effort, deadline, limits)


def check_pixels(what: str, size: Size, limit: int) -> None:
    """Raise `TooLarge` if an area has more than `limit` pixels."""
    if size.pixels > limit:
        raise TooLarge(f"{what} has {size.width}x{size.height} pixels, the limit is {limit} in all")


def check_held(photo: Photo, scaled: Size) -> None:
    """Raise `TooLarge` for an animation that takes too much memory, which has its frames decoded and scaled."""
    held = photo.size.pixels * photo.frames + 2 * scaled.pixels  # the encoder copies them
    limit = int(HELD_FRAMES * photo.limits.max_frame_pixels)
    if held > limit:
        raise TooLarge(f"the animation holds {held} pixels, decoded and scaled, the limit is {limit}")


def orientation(image: pyvips.Image) -> int:
    """Return the EXIF orientation, 1 if upright; cameras that do not know it write 0 or 9."""
    return _field(image, "orientation", 1)


def _with_tamed_profile(image: pyvips.Image) -> pyvips.Image:
    if not image.get_typeof(PROFILE):
        return image
    profile = image.get(PROFILE)
    tamed = icc.tamed(profile)
    if tamed is None:
        image.remove(PROFILE)
    elif tamed != profile:
        image.set_type(pyvips.GValue.blob_type, PROFILE, tamed)
    return image


def _field(image: pyvips.Image, name: str, default: int) -> int:
    return int(image.get(name)) if image.get_typeof(name) else default
