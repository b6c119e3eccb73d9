"""The image core: bytes and a spec in, bytes out. Nothing here knows S3, Lambda or the environment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyvips

from lambda_resize import animation, codecs, finishing, geometry, scaling, thumbhash, vips
from lambda_resize.deadline import Deadline
from lambda_resize.errors import ResizeError
from lambda_resize.geometry import Size
from lambda_resize.scaling import Decoded
from lambda_resize.settings import Limits
from lambda_resize.sources import Photo, check_pixels, open_photo
from lambda_resize.spec import Spec

DEFAULT_LIMITS = Limits()

# `keep` for the formats that browsers show; an animation becomes its first frame.
KEPT = {"jpeg": "jpeg", "png": "png", "webp": "webp", "heif": "avif", "gif": "png", "svg": "png"}


@dataclass(frozen=True)
class Preview:
    """A preview: an encoded image without metadata, in sRGB or greyscale, 8 bits a channel, upright.

    Attributes:
        data: The encoded image.
        content_type: Its media type.
        width: Pixels.
        height: Pixels, of one frame.
        thumbhash: Of the whole photo, see `lambda_resize.thumbhash`; None unless the spec asks for it.
    """

    data: bytes
    content_type: str
    width: int
    height: int
    thumbhash: bytes | None = None


def resize(data: bytes, spec: Spec, limits: Limits = DEFAULT_LIMITS) -> Preview:
    """Make a preview of an image: of its first frame or page, or of an animation where the spec says so.

    The result has exactly the size that `lambda_resize.geometry` computes from the header, whatever the decoder
    rounds on its way.

    Raises:
        Unsupported: Not an image, or of a format that is not accepted.
        Corrupt: Damaged, or it ends too early, in the part that is needed.
        TooLarge: The image, or what it would be scaled to, is beyond the limits.
        TimedOut: It takes longer than the limits allow.
    """
    (preview,) = resize_many(data, [spec], limits)
    if isinstance(preview, ResizeError):
        raise preview
    return preview


def resize_many(
    data: bytes, specs: Sequence[Spec], limits: Limits = DEFAULT_LIMITS, *, placeholder: bool = False
) -> Iterator[Preview | ResizeError]:
    """Make a preview for each spec, in their order, and give it out as soon as it is made.

    Specs that need the same pixels of the photo (all but those that differ in `animated` or `best_effort`) share one
    decoding, as large as the largest of them needs. A spec that cannot be met gives its error and leaves the others.

    Args:
        data: The whole original.
        specs: At least one.
        limits: For the photo and for all of the work together.
        placeholder: Whether each preview gets the photo's `thumbhash`.
    """
    with Deadline(limits.max_seconds) as deadline:
        makers: dict[tuple[bool, bool], _Maker | ResizeError] = {}
        for spec in specs:
            kind = (spec.may_move, spec.best_effort)
            if kind not in makers:
                alike = [other for other in specs if (other.may_move, other.best_effort) == kind]
                makers[kind] = _maker(data, alike, deadline, limits, placeholder=placeholder)
            maker = makers[kind]
            yield maker if isinstance(maker, ResizeError) else maker.attempt(spec)


def _maker(
    data: bytes, specs: Sequence[Spec], deadline: Deadline, limits: Limits, *, placeholder: bool
) -> _Maker | ResizeError:
    try:
        with deadline.told(), vips.decoding():
            first = specs[0]
            photo = open_photo(data, deadline, limits, animated=first.may_move, best_effort=first.best_effort)
            return _Maker(photo, specs, placeholder=placeholder)
    except ResizeError as error:
        return error


class _Maker:
    """Makes previews of one photo: straight from the decoder if it is one preview, else from memory."""

    def __init__(self, photo: Photo, specs: Sequence[Spec], *, placeholder: bool) -> None:
        self._photo = photo
        scaled = [geometry.plan(photo.upright, spec).scaled for spec in specs]
        self._largest = Size(max(size.width for size in scaled), max(size.height for size in scaled))
        self._decoded: Decoded | None = None
        self._shared = len(specs) > 1 or placeholder or photo.frames > 1
        self._thumbhash = self._placeholder() if placeholder else None

    def attempt(self, spec: Spec) -> Preview | ResizeError:
        """The preview, or what is in its way."""
        try:
            with self._photo.deadline.told(), vips.decoding():
                return self._make(spec)
        except ResizeError as error:
            return error

    def _make(self, spec: Spec) -> Preview:
        photo, sizes = self._photo, geometry.plan(self._photo.upright, spec)
        every_frame = Size(sizes.scaled.width, sizes.scaled.height * photo.frames)
        check_pixels("scaled, it", every_frame, photo.limits.max_source_pixels)
        if photo.frames > 1:
            image, target = animation.moving(photo, self._pixels(), sizes, spec), "webp"
        else:
            image = self._scaled(sizes.scaled)
            if spec.transparent == "keep" and image.hasalpha():
                image = image.copy_memory()  # it is looked at before it is saved
            target = _target_format(photo, spec, image)
            image = finishing.finish(image, target, sizes, spec)
        encoded = codecs.encode(photo.deadline.watch(image), target, spec)
        content_type = codecs.ENCODERS[target].content_type
        return Preview(encoded, content_type, image.width, sizes.result.height, self._thumbhash)

    def _pixels(self) -> Decoded:
        """As large as the largest preview needs; decoded once, where more than one is made of it."""
        if self._decoded is None:
            self._decoded = scaling.decode(self._photo, self._largest)
            if self._shared:
                self._decoded = self._decoded.in_memory()
        return self._decoded

    def _scaled(self, size: Size) -> pyvips.Image:
        decoded = self._pixels()
        return scaling.scale(decoded, decoded.image, size, transposed=self._photo.transposed)

    def _placeholder(self) -> bytes:
        size = geometry.plan(self._photo.upright, thumbhash.SPEC).scaled
        decoded = self._pixels()
        image = scaling.scale(decoded, decoded.frame(0), size, transposed=self._photo.transposed).colourspace("srgb")
        rgba = image if image.hasalpha() else image.addalpha()
        return thumbhash.of_pixels(size, bytes(rgba.write_to_memory()))


def _target_format(photo: Photo, spec: Spec, image: pyvips.Image) -> str:
    target: str = spec.format
    if target == "keep":
        target = KEPT.get(photo.format) or ("png" if image.hasalpha() else "jpeg")
    if spec.transparent == "keep" and not codecs.ENCODERS[target].alpha and finishing.is_transparent(image):
        return "png"
    return target
