"""Which settings must fit one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prewmanager.config.errors import too_long, too_short
from prewmanager.config.names import region_of
from prewmanager.config.purges import misfit_of_purges
from prewmanager.config.sources import misfit_of_sources

if TYPE_CHECKING:
    from prewmanager.config.settings import Settings


def misfit_of(settings: Settings) -> str | None:
    """Return a line that names settings which do not fit, and the fix; None where all fit."""
    if settings.source_prefix == settings.preview_prefix:
        prefix = settings.preview_prefix
        return f"PREW_PREVIEW_PREFIX={prefix} must differ from PREW_SOURCE_PREFIX: change one"
    if settings.layout.overlaps:
        return (
            f"PREW_SOURCE_KEYS={settings.layout.photos}: there are the previews, of PREW_PREVIEW_PREFIX: move the "
            "photos, or change that prefix"
        )
    if settings.polish and settings.redis_url is None:
        return "PREW_POLISH=true needs PREW_REDIS_URL, where previews wait to be polished: set that, or unset this"
    return (
        _misfit_of_region(settings)
        or _misfit_of_companions(settings)
        or misfit_of_sources(settings)
        or misfit_of_purges(settings)
        or _misfit_of_times(settings)
    )


def _misfit_of_region(settings: Settings) -> str | None:
    region = region_of(settings.lambda_function or "")
    if region and settings.lambda_endpoint is None and region != settings.aws_region:
        return (
            f"PREW_LAMBDA_FUNCTION is in {region}, but AWS_REGION is {settings.aws_region}: set AWS_REGION={region}, "
            "or name a function in that region"
        )
    return None


def _misfit_of_companions(settings: Settings) -> str | None:
    for name, preset in settings.presets.items():
        others = settings.presets.keys() - {name}
        for place in [place for place, each in enumerate(preset.companions, 1) if each not in others]:
            return (
                f"PREW_PRESETS__{name.upper()}__COMPANIONS: name {place} is not another preset; the others are: "
                f"{', '.join(sorted(others)) or 'none'}"
            )
    return None


def _misfit_of_times(settings: Settings) -> str | None:
    if settings.lambda_timeout > settings.invoke_timeout:
        return too_long(settings, "lambda_timeout", "must not be longer than", "invoke_timeout")
    if settings.lock_ttl <= settings.invoke_timeout:
        return too_short(settings, "lock_ttl", "must be longer than", "invoke_timeout")
    if settings.lease > settings.lock_ttl:
        return too_long(settings, "lease", "must not be longer than", "lock_ttl")
    return _misfit_of_waiting(settings)


def _misfit_of_waiting(settings: Settings) -> str | None:
    takeover = 2 * settings.invoke_timeout + settings.lease
    if settings.wait_timeout < takeover:
        return (
            f"PREW_WAIT_TIMEOUT={settings.wait_timeout:g} leaves no time for one takeover: set it to {takeover:g} or "
            "more (twice PREW_INVOKE_TIMEOUT plus PREW_LEASE), or lower those"
        )
    if settings.fallback_after is not None and settings.fallback_after >= settings.wait_timeout:
        return too_long(settings, "fallback_after", "must be shorter than", "wait_timeout")
    if settings.proxy_read_timeout <= settings.wait_timeout:
        return too_short(settings, "proxy_read_timeout", "must be longer than", "wait_timeout")
    return None
