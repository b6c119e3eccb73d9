"""Opens photos: checks the header against the limits, and chooses the decoder's options."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyvips

from lambda_resize import amended, by_pillow, colours, containers, vips
from lambda_resize.by_pillow import Pictures
from lambda_resize.containers import avis, bounds, gif, heif, icc, jpeg_damage, png, tiff
from lambda_resize.containers.cicp import Coding
from lambda_resize.deadline import Deadline
from lambda_resize.errors import Corrupt, TooLarge, Unsupported
from lambda_resize.files import File, Whole
from lambda_resize.geometry import Size
from lambda_resize.heic import Heic
from lambda_resize.settings import Limits

if TYPE_CHECKING:
    from lambda_resize.containers.credit import Credits
    from lambda_resize.pdf import Page

MAX_BANDS = 5  # CMYK and transparency; a TIFF may declare thousands, each of which needs memory
# Pixels a side: JPEG's own limit; the largest panoramas are half as wide. libvips holds dozens of rows with four floats
# a pixel, so a PNG of 2 KB that declares 2 million by 48 pixels, far below the limit of its area, takes 3.4 GB.
MAX_SIDE = 65_535
WHOLE_FRAME = frozenset({"webp", "gif", "heif"})  # decoders that hold the whole frame, as all do if it is interlaced
MOVING = frozenset({"webp", "gif"})
FAIL_ON = {"jpeg": "warning", "tiff": "error"}  # what is an error besides libvips' own
# A JPEG that is decoded row by row counts half: 200 megapixels take 0.3 s and 60 MB, since its decoder shrinks it.
ROWS_OF_JPEG = 2
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

        A file that ends too early is an error, which TIFF's loader reports one level later than the others, and JPEG's
        as one of its warnings; those that harm no picture are repaired before, see `containers.jpeg_damage`. Options
        are those of libvips' loader, such as JPEG's `shrink`.

        Raises:
            Corrupt: The header, or for HEIC the whole file, cannot be decoded.
            Unsupported: It is a HEIC photo, and its decoder is not installed.
        """
        if self.format == "pdf":
            return self.deadline.watch(self._page_of_pdf.draw(options.get("scale", 1), self.deadline, self.limits))
        options["fail_on"] = "none" if self.best_effort else FAIL_ON.get(self.format, "truncated")
        if self.format == "jpeg" and self.best_effort:
            options["unlimited"] = True  # else the hundredth warning is an error
        if self.frames > 1 and self.format in MOVING:
            options["n"] = -1
        if self.format == "tiff":
            options["page"] = self._page.number
        try:
            image = pyvips.Image.new_from_source(self.file.source(), "", access="sequential", **options)
        except vips.FAILURES as error:
            raise vips.failure(error, f"header of {self.format}: ") from error
        if self.format == "tiff":
            image = amended.tiff(image, self._page)
        if self.file.embedded and self.file.embedded.orientation:
            image = image.copy()
            image.set_type(pyvips.GValue.gint_type, "orientation", self.file.embedded.orientation)
        return self.deadline.watch(colours.described(_with_tamed_profile(image), self.coding))

    @cached_property
    def _page_of_pdf(self) -> Page:
        from lambda_resize import pdf  # noqa: PLC0415 -- for this one format

        return pdf.opened(self.file.data, self.deadline, self.limits)

    @cached_property
    def coding(self) -> Coding:
        """What it says of its colours, besides a profile."""
        return containers.coding(self.file.data, self.format) if self.format in containers.CODED else Coding()

    @cached_property
    def credits(self) -> Credits:
        """Who made it, and how it may be used."""
        from lambda_resize import metadata  # noqa: PLC0415 -- for presets that keep this

        return metadata.credits_of(self.image)

    @cached_property
    def _page(self) -> tiff.Page:
        return tiff.page(self.file.data)

    @property
    def format(self) -> str:
        """From `files.source_format`."""
        return self.file.format

    @cached_property
    def image(self) -> pyvips.Image:
        """The photo at its full size; HEIC is already decoded, and upright."""
        if self.format in by_pillow.ALWAYS:
            size = self._pictures.size
            share = bounds.JPEG_2000S_SHARE if self.format == "jp2" else bounds.PILLOWS_SHARE
            self._check(Size(size.width, size.height * self.frames), size, whole=True, share=share)
            self.deadline.check()
            return colours.described(_with_tamed_profile(self._pictures.picture()), self.coding)
        if self.format == "pdf":  # drawn when its size is known
            return pyvips.Image.black(*self._page_of_pdf.size, bands=3).copy(interpretation="srgb")
        if self.format == "jxl":
            from lambda_resize import jxl  # noqa: PLC0415 -- for this one format

            picture = jxl.opened(self.file.data)
            self._check(picture.size, picture.size, whole=True, share=bounds.PILLOWS_SHARE)
            image = _with_tamed_profile(picture.decode(self.deadline))
            return colours.described(image, picture.header.coding or Coding())
        if self.format == "heif" and heif.is_hevc(self.file.data):
            photo = Heic(self.file.data, deep=colours.are_deep(self.coding))
            self._check(photo.size, photo.size, whole=True, share=2 if photo.bits > 8 else 1)  # noqa: PLR2004 -- a byte
            return colours.described(_with_tamed_profile(photo.decode(self.deadline)), self.coding)
        header = self.open()
        if header.bands > MAX_BANDS:
            raise Unsupported(f"{header.bands} channels")
        self._check(
            Size(header.width, header.height),
            Size(header.width, header.get_page_height()),
            whole=self.format in WHOLE_FRAME or bool(_field(header, "interlaced", 0)),
            share=2 if header.format != "uchar" or self.format == "heif" else 1,
        )
        return header

    @property
    def shown(self) -> pyvips.Image:
        """The image, and transparent where the frames of a GIF draw nothing. Raises `TimedOut`."""
        if self.format != "gif":
            return self.image
        frames = list(islice(gif.frames(self.file.data), self.frames))
        return self.deadline.watch(amended.gif(self.image, frames, self.deadline.check))

    @cached_property
    def _pictures(self) -> Pictures:
        return Pictures(self.file.data, self.format)

    @property
    def by_pillow(self) -> bool:
        """Whether its frames are decoded by Pillow, one by one."""
        return self.format in by_pillow.ALWAYS or (self.format == "png" and self.frames > 1)

    def moving(self) -> tuple[pyvips.Image, tuple[pyvips.Image, ...]]:
        """Decode all frames by Pillow. Return the first with delays, and all of them. Raises `Corrupt`, `TimedOut`."""
        frames: list[pyvips.Image] = []
        delays: list[int] = []
        try:
            for frame, delay in self._pictures.frames(self.frames):
                self.deadline.check()
                frames.append(self._described(frame))
                delays.append(delay)
        except Corrupt:
            if not self.best_effort or not frames:
                raise
        first = frames[0].copy()
        first.set_type(pyvips.GValue.array_int_type, "delay", delays)
        first.set_type(pyvips.GValue.gint_type, "loop", self._pictures.loop)
        return first, tuple(frames)

    def _described(self, image: pyvips.Image) -> pyvips.Image:
        """Return a frame of an animation with what is said of the whole: its colours and orientation."""
        image = image.copy()
        for name in (PROFILE, "orientation", colours.FIELD):
            if self.image.get_typeof(name):
                image.set_type(self.image.get_typeof(name), name, self.image.get(name))
        return image

    def in_memory(self, image: pyvips.Image) -> pyvips.Image:
        """Decode into memory, so that pixels can be read more than once and in any order. Raises `Corrupt`."""
        copied = image.copy_memory()
        self.check_pixels_are_whole()  # now: pyvips forgets warnings when it looks for a field
        return copied

    def check_pixels_are_whole(self) -> None:
        """Raise `Corrupt` if a JPEG's decoder has invented pixels; to be called when all are decoded."""
        if self.format == "jpeg" and not self.best_effort:
            vips.check_warnings("VipsJpeg")

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

    def _check(self, frames: Size, frame: Size, *, whole: bool, share: int) -> None:
        """Reject a photo that is too large, before decoding.

        Args:
            frames: All of them, one below the other.
            frame: One of them.
            whole: Whether its decoder holds all of it.
            share: What part of a frame's limit it may have: half of 16 bits a channel, and of an AVIF, which take twice
                the memory and the time.
        """
        by_rows = self.format == "jpeg" and not whole
        check_pixels("the image", frames, self.limits.max_source_pixels * (ROWS_OF_JPEG if by_rows else 1))
        if max(frame) > MAX_SIDE:
            raise TooLarge(f"the image has {frames.width}x{frames.height} pixels, the limit of a side is {MAX_SIDE}")
        if whole:
            limit = self.limits.max_frame_pixels // share
            check_pixels(f"the image, {self.format} to be decoded whole,", frame, limit)


def open_photo(file: File, deadline: Deadline, limits: Limits, *, animated: bool, best_effort: bool) -> Photo:
    """Read a photo's header.

    Raises:
        Unsupported: It is of a kind that cannot be decoded.
        Corrupt: The header cannot be read, or an animation that is to be kept ends early.
        TooLarge: More pixels than the limits allow.
    """
    vips.drop_warnings()
    if isinstance(file, Whole):
        file = _prepared(file, limits, animated=animated, best_effort=best_effort)
    photo = Photo(file, 1, best_effort, deadline, limits)
    frames = _frames(photo) if animated else 1
    return photo if frames == 1 else Photo(file, frames, best_effort, deadline, limits)


def _prepared(file: Whole, limits: Limits, *, animated: bool, best_effort: bool) -> Whole:
    """Return what is to be decoded of a file, all of which is there. Raises `Corrupt`, `TooLarge`."""
    if animated and file.format == "heif" and avis.is_moving(file.data):
        return Whole(containers.checked(file.data, "avis", limits.max_frame_pixels), "avis")
    if animated and file.format == "gif" and not best_effort and not gif.is_whole(file.data):
        raise Corrupt("gif: it ends within a frame")
    if file.format == "jpeg" and not best_effort:
        return replace(file, data=jpeg_damage.repaired(file.data))
    return file


def _frames(photo: Photo) -> int:
    """Return how many frames a photo has that may move."""
    if photo.format in MOVING:
        return _field(photo.image, "n-pages", 1)
    if photo.format == "png":
        declared = png.frames(photo.file.data)
        return declared if declared == 1 else min(declared, Pictures(photo.file.data, photo.format).count)
    return Pictures(photo.file.data, photo.format).count if photo.format == "avis" else 1


def check_pixels(what: str, size: Size, limit: int) -> None:
    """Raise `TooLarge` if an area has more than `limit` pixels."""
    if size.pixels > limit:
        raise TooLarge(f"{what} has {size.width}x{size.height} pixels, the limit is {limit} in all")


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
