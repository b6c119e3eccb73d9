"""What a purge deletes: presets' folders under the preview prefix, or under an earlier one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prewmanager.commands.arguments import Target, with_variants
from prewmanager.commands.site import sites_under
from prewmanager.config.settings import Settings
from prewmanager.errors import InvalidKey, InvalidSettings
from prewmanager.previews.layout import Layout
from prewmanager.previews.ports import Inventory

_PREFIX = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class PurgeRequest:
    """What to purge; `photo` is a whole key, `prefix` the beginning of photos' names.

    A preset's name selects its variants too, unless `exact`. `former_prefix` replaces the settings' preview prefix.
    """

    presets: tuple[str, ...]
    prefix: str
    photo: str
    orphans: bool
    exact: bool = False
    nginx_cache: Path | None = None
    former_prefix: str = ""

    @property
    def seeks_missing_photos(self) -> bool:
        """Whether previews go whose photo is gone: with --orphans alone."""
        return self.orphans and not (self.presets or self.photo or self.former_prefix)


async def settings_of(request: PurgeRequest, settings: Settings) -> Settings:
    """Return the settings of the site whose previews are purged: these, or with the former prefix.

    Raises `InvalidSettings` for a prefix that has, or may have, anything but previews that nobody needs, and
    `FlightStoreUnavailable`.
    """
    former = request.former_prefix
    if not former:
        return settings
    if not _PREFIX.fullmatch(former):
        raise InvalidSettings(["--former-prefix: must be one path segment, as PREW_PREVIEW_PREFIX is"])
    if settings.layout.photos.startswith(f"{former}/"):
        variable = "PREW_SOURCE_PREFIX" if settings.source_keys is None else "PREW_SOURCE_KEYS"
        raise InvalidSettings([f"--former-prefix {former}: {variable}: the photos are there"])
    if former == settings.preview_prefix:
        raise InvalidSettings([f"--former-prefix {former}: is PREW_PREVIEW_PREFIX: name presets, or use --orphans"])
    earlier = settings.model_copy(update={"preview_prefix": former})
    running = await sites_under(earlier)
    if running:
        used = f"--former-prefix {former}: a replica or command had it as its prefix within the last minute"
        raise InvalidSettings([f"{used}: {'; '.join(running)}"])
    return earlier


async def require_photos(settings: Settings, photos: Inventory) -> None:
    """Raise `InvalidSettings` if no photo is stored at all: all previews would seem to have lost theirs."""
    layout = settings.layout
    async for found in photos.objects(layout.photos):
        # Below the bucket's root are the previews, too.
        if layout.photos or layout.is_photo(found.key):
            return
    where = f"{settings.source_bucket}/{layout.photos}"
    raise InvalidSettings([f"--orphans: no photo is stored under {where}: correct the settings, or name presets"])


async def targets(settings: Settings, request: PurgeRequest, previews: Inventory) -> list[Target]:
    """List what to delete, always under the previews' prefix.

    Raises `InvalidSettings` for an invalid combination of options, and `StorageFailed`.
    """
    if not (request.presets or request.photo or request.orphans or request.former_prefix):
        raise InvalidSettings(["purge: name presets, or use --photo, --orphans or --former-prefix"])
    if request.photo and request.prefix:
        raise InvalidSettings(["purge: --photo names one photo; leave --prefix out"])
    name = request.prefix
    if request.photo:
        name = _name_of(settings.layout, request.photo)
    return [
        Target(preset, f"{settings.layout.previews_in(preset)}{name}", exact=bool(request.photo))
        for preset in await _presets(settings, request, previews)
    ]


def _name_of(layout: Layout, photo: str) -> str:
    try:
        return layout.name_of(photo)
    except InvalidKey as error:
        raise InvalidSettings([f"--photo {photo}: {error}"]) from None


async def _presets(settings: Settings, request: PurgeRequest, previews: Inventory) -> list[str]:
    """List names from the settings, and where it is asked for from the bucket: no other can become part of a key."""
    from_bucket = request.orphans or request.former_prefix
    stored = [name async for name in previews.folders(settings.layout.previews) if name] if from_bucket else []
    configured = [] if request.former_prefix else [*settings.variants]
    dropped = [name for name in stored if name not in configured]
    if request.presets:
        return _named(settings, request, configured, dropped)
    return [*configured, *dropped] if request.photo else dropped


def _named(settings: Settings, request: PurgeRequest, configured: Sequence[str], dropped: Sequence[str]) -> list[str]:
    """List the named presets, and unless `exact` their variants, of which the bucket may have dropped ones."""
    belongs = str.__eq__ if request.exact else _is_variant
    of_presets = {name: [each for each in dropped if belongs(each, name)] for name in request.presets}
    unknown = [name for name in request.presets if name not in configured and not of_presets[name]]
    if unknown:
        known_by = (
            "neither in the settings nor in the bucket" if request.orphans else "not in the settings; see --orphans"
        )
        where = f"not under {settings.preview_prefix}/" if request.former_prefix else known_by
        raise InvalidSettings([f"{name!r}: {where}" for name in unknown])
    variants = with_variants(settings, [name for name in request.presets if name in configured], exact=request.exact)
    return [*variants, *dict.fromkeys(each for name in request.presets for each in of_presets[name])]


def _is_variant(folder: str, preset: str) -> bool:
    """Whether a folder is a preset's, or one of its variants: `card.webp` and `card@2x.webp` are `card`'s."""
    return folder == preset or folder.startswith((f"{preset}.", f"{preset}@"))
