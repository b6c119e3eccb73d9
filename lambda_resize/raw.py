"""RAW: whether the JPEG in a camera's file is as large as a preview of the whole picture would be."""

from __future__ import annotations

from lambda_resize import geometry
from lambda_resize.errors import Unsupported
from lambda_resize.geometry import Size
from lambda_resize.sources import Photo
from prewmanager_presets import Spec

_FULL = 0.9  # of the sensor's sides: a camera's JPEG leaves out its edges, and corrects the lens


def check(photo: Photo, spec: Spec) -> None:
    """Raise `Unsupported` if a photo stands for a larger one, and has fewer pixels than a preview of that one."""
    whole, has = _whole(photo), photo.upright
    wanted = geometry.plan(whole, spec).scaled
    if whole != has and (wanted.width > has.width or wanted.height > has.height):
        raise Unsupported(f"raw: of {whole.width}x{whole.height} pixels its largest JPEG has {has.width}x{has.height}")


def _whole(photo: Photo) -> Size:
    """Return the upright size of the picture that a photo stands for: of a RAW file's JPEG, the sensor's."""
    embedded = photo.file.embedded
    if not embedded or (photo.size.width >= embedded.width * _FULL and photo.size.height >= embedded.height * _FULL):
        return photo.upright
    return Size(embedded.height, embedded.width) if photo.transposed else Size(embedded.width, embedded.height)
