"""The image core: bytes and a spec in, bytes out. It knows nothing of S3, Lambda or the environment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyvips

from lambda_resize import animation, codecs, files, finishing, geometry, raw, scaling, thumbhash, vips, wide
from lambda_resize.containers import jpeg_damage
from lambda_resize.deadline import Deadline
from lambda_resize.download import Download
from lambda_resize.errors import Corrupt, ResizeError
from lambda_resize.files import Arriving, File
from lambda_resize.geometry import Size
from lambda_resize.preview import Preview
from lambda_resize.scaling import Decoded
from lambda_resize.settings import Limits
from lambda_resize.sources import Photo, check_pixels, open_photo
from prewmanager_presets import Spec

DEFAULT_LIMITS = Limits()

# The output format of `keep`, by the photo's; of an animation it renders the first frame.
KEPT = {"jpeg": "jpeg", "png": "png", "webp": "webp", "heif": "avif", "avis": "avif", "gif": "png", "svg": "png"}


def resize(data: bytes, spec: Spec, limits: Limits = DEFAULT_LIMITS) -> Preview:
    """Render a preview of an image: of its first frame or page, or of the animation if the spec says so.

    The result has exactly the size that `lambda_resize.geometry` computes from the header, however the decoder
    rounds.

    Raises:
        Unsupported: Not an image, or its format is not accepted.
        Corrupt: The part that is needed is damaged or missing.
        TooLarge: The image, or the scaled image, exceeds a limit.
        TimedOut: Rendering takes longer than the limits allow.
    """
    (preview,) = resize_many(data, [spec], limits)
    if isinstance(preview, ResizeError):
        raise preview
    return preview


def resize_many(
    data: bytes | Download, specs: Sequence[Spec], limits: Limits = DEFAULT_LIMITS, *, placeholder: bool = False
) -> Iterator[Preview | ResizeError]:
    """Render a preview for each spec, in order, and yield each as soon as it is ready.

    Specs that need the same pixels of the photo (all but those that differ in `animated` or `best_effort`) share one
    decoding, as large as the largest of them needs. A spec that fails yields its error; the others are not affected.

    Args:
        data: The whole photo, or one that is on its way: what its bytes are waited for is none of its time.
        specs: At least one.
        limits: For the photo, and for the time of all specs together.
        placeholder: Whether each preview gets the photo's `thumbhash`.
    """
    waited_s = (lambda: data.waited_s) if isinstance(data, Download) else (lambda: 0.0)
    with Deadline(limits.max_seconds, limits.ends_at, waited_s) as deadline:
        file = _opened(data, deadline, limits, animated=any(map(_may_move, specs)))
        batch = _Batch(file, specs, deadline, limits, placeholder=placeholder)
        for spec in specs:
            yield batch.render(spec)


def _opened(data: bytes | Download, deadline: Deadline, limits: Limits, *, animated: bool) -> File | ResizeError:
    try:
        with deadline.translated():
            return files.opened(data, limits, animated=animated)
    except ResizeError as error:
        return error


class _Batch:
    """Renders the specs of one photo; those that need the same pixels share a renderer."""

    def __init__(
        self,
        file: File | ResizeError,
        specs: Sequence[Spec],
        deadline: Deadline,
        limits: Limits,
        *,
        placeholder: bool,
    ) -> None:
        self._file = file
        self._specs = specs
        self._deadline = deadline
        self._limits = limits
        self._placeholder = placeholder
        self._renderers: dict[tuple[bool, bool], _Renderer | ResizeError] = {}

    def render(self, spec: Spec) -> Preview | ResizeError:
        """Return the preview, or its error.

        A JPEG that was decoded while it arrived may have faults that can be repaired; once it is there, that is done.
        """
        outcome = self._attempt(spec)
        if not isinstance(self._file, Arriving) or self._file.format != "jpeg":
            return outcome
        if isinstance(outcome, ResizeError) and not isinstance(outcome, Corrupt):
            return outcome
        try:
            with self._deadline.translated():
                self._file = self._file.whole()
        except ResizeError as error:
            return error
        if isinstance(outcome, Preview) and (spec.best_effort or not jpeg_damage.is_faulty(self._file.data)):
            return outcome
        self._renderers.clear()
        return self._attempt(spec)

    def _attempt(self, spec: Spec) -> Preview | ResizeError:
        kind = _kind(spec)
        if kind not in self._renderers:
            self._renderers[kind] = self._renderer([other for other in self._specs if _kind(other) == kind])
        renderer = self._renderers[kind]
        return renderer if isinstance(renderer, ResizeError) else renderer.attempt(spec)

    def _renderer(self, specs: Sequence[Spec]) -> _Renderer | ResizeError:
        file = self._file
        if isinstance(file, ResizeError):
            return file
        moving, best_effort = _kind(specs[0])
        try:
            with self._deadline.translated(), file.translated(), vips.decoding():
                photo = open_photo(file, self._deadline, self._limits, animated=moving, best_effort=best_effort)
                return _Renderer(photo, specs, placeholder=self._placeholder)
        except ResizeError as error:
            return error


class _Renderer:
    """Renders previews of one photo: a single preview directly from the decoder, several from memory."""

    def __init__(self, photo: Photo, specs: Sequence[Spec], *, placeholder: bool) -> None:
        self._photo = photo
        scaled = [geometry.plan(photo.upright, spec).scaled for spec in specs]
        self._largest = Size(max(size.width for size in scaled), max(size.height for size in scaled))
        self._decoded: Decoded | None = None
        self._shared = len(specs) > 1 or placeholder or photo.frames > 1
        self._thumbhash = self._placeholder() if placeholder else None

    def attempt(self, spec: Spec) -> Preview | ResizeError:
        """Return the preview, or its error."""
        try:
            with self._photo.deadline.translated(), self._photo.file.translated(), vips.decoding():
                preview = self._render(spec)
                self._photo.file.finish()
                return preview
        except ResizeError as error:
            return error

    def _render(self, spec: Spec) -> Preview:
        photo, sizes = self._photo, geometry.plan(self._photo.upright, spec)
        raw.check(photo, spec)
        every_frame = Size(sizes.scaled.width, sizes.scaled.height * photo.frames)
        check_pixels("the scaled image", every_frame, photo.limits.max_source_pixels)
        if photo.frames > 1:
            animation.check_held(photo, every_frame)
            image, target = animation.render_frames(photo, self._pixels(), sizes, spec), "webp"
        else:
            image = self._scaled(sizes.scaled, may_be_wide=spec.colours == "wide")
            if finishing.reads_twice(image, spec):
                image = photo.in_memory(image)
            target = _target_format(photo, spec, image)
            image = finishing.finish(image, target, sizes, spec)
        has_credits = spec.metadata == "copyright" and bool(photo.credits)
        image = _with_credits(image, photo) if has_credits else image
        image = photo.in_memory(image) if spec.max_bytes or spec.target else image
        kept = ["icc"] * wide.is_described(image) + ["exif", "xmp"] * has_credits
        encoded = _encoded(photo.deadline, image, target, spec, ":".join(kept) or "none")
        photo.check_pixels_are_whole()
        content_type = codecs.ENCODERS[target].content_type
        return Preview(encoded, content_type, image.width, sizes.result.height, self._thumbhash)

    def _pixels(self) -> Decoded:
        """Decode the photo as large as the largest preview needs; only once if several previews share it."""
        if self._decoded is None:
            decoded = scaling.decode(self._photo, self._largest)
            if self._shared:
                decoded = decoded.in_memory()
                self._photo.check_pixels_are_whole()
            self._decoded = decoded
        return self._decoded

    def _scaled(self, size: Size, *, may_be_wide: bool) -> pyvips.Image:
        decoded = self._pixels()
        return scaling.scale(self._photo, decoded, decoded.image, size, may_be_wide=may_be_wide)

    def _placeholder(self) -> bytes:
        size = geometry.plan(self._photo.upright, thumbhash.SPEC).scaled
        decoded = self._pixels()
        image = scaling.scale(self._photo, decoded, decoded.frame(0), size).colourspace("srgb")
        rgba = image if image.hasalpha() else image.addalpha()
        return thumbhash.of_pixels(size, bytes(rgba.write_to_memory()))


def _with_credits(image: pyvips.Image, photo: Photo) -> pyvips.Image:
    from lambda_resize import metadata  # noqa: PLC0415 -- for presets that keep this

    return metadata.described(image, photo.credits)


def _encoded(deadline: Deadline, image: pyvips.Image, target: str, spec: Spec, kept: str) -> bytes:
    image = deadline.watch(image)
    if spec.target is None:
        return codecs.encode_within(image, target, spec, kept=kept)
    from lambda_resize import likeness  # noqa: PLC0415 -- for presets that search a quality

    return likeness.encode(image, target, spec, lambda: deadline.left_s, kept=kept)


def _target_format(photo: Photo, spec: Spec, image: pyvips.Image) -> str:
    target: str = spec.format
    if target == "keep":
        target = KEPT.get(photo.format) or ("png" if image.hasalpha() else "jpeg")
    if spec.transparent == "keep" and not codecs.ENCODERS[target].alpha and finishing.is_transparent(image):
        return "png"
    return target


def _may_move(spec: Spec) -> bool:
    """Whether animations stay animated: as WebP, which clients that show AVIF show too."""
    return spec.animated and spec.format in {"keep", "webp", "avif"}


def _kind(spec: Spec) -> tuple[bool, bool]:
    """What specs have in common that need the same pixels: whether they may move, and whether damage is shown."""
    return _may_move(spec), spec.best_effort
