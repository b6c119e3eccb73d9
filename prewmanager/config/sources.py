"""Further sources of photos, each in a bucket of its own and under host names of its own."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from prewmanager.config.names import Bucket, Hosts, SourceKeys
from prewmanager.config.presets import NAME_PATTERN
from prewmanager.previews.layout import Layout

if TYPE_CHECKING:
    from prewmanager.config.settings import Settings

SourceName = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=32)]


class SourceSettings(BaseModel):
    """One source: `bucket` is `PREW_SOURCES__<NAME>__BUCKET`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bucket: Bucket = Field(description="the bucket of this source's photos and previews, which no other source has")
    hosts: Hosts = Field(description="names that requests for this source have as `Host`, separated by spaces")
    keys: SourceKeys | None = Field(None, description="what its photos' keys begin with, as `PREW_SOURCE_KEYS`")
    presets: str = Field("", description="names of its presets, separated by spaces; unset: all")


def misfit_of_sources(settings: Settings) -> str | None:
    """Return a line that names sources which overlap or cannot work, and the fix; None where there are none such."""
    sources = settings.sources
    for name, source in sources.items():
        unknown = [each for each in source.presets.split() if each not in settings.presets]
        if unknown:
            known = ", ".join(settings.presets)
            return f"{_variable(name, 'presets')}: {unknown[0]} is no preset; the presets are {known}"
        chosen = source.presets.split() or [*settings.presets]
        missing = [
            (each, other) for each in chosen for other in settings.presets[each].companions if other not in chosen
        ]
        if missing:
            each, other = missing[0]
            return f"{_variable(name, 'presets')}: {each} has the companion {other}: name it, too"
        if Layout(settings.source_prefix, settings.preview_prefix, source.keys).overlaps:
            return (
                f"{_variable(name, 'keys')}={source.keys}: there are the previews, of PREW_PREVIEW_PREFIX: move the "
                "photos, or change that prefix"
            )
        for variable, bucket in (
            ("PREW_SOURCE_BUCKET", settings.source_bucket),
            ("PREW_PREVIEW_BUCKET", settings.preview_bucket),
        ):
            if source.bucket == bucket:
                return _shared(_variable(name, "bucket"), bucket, variable)
    return _overlap(sources)


def _overlap(sources: Mapping[str, SourceSettings]) -> str | None:
    for (one, first), (other, second) in combinations(sources.items(), 2):
        if first.bucket == second.bucket:
            return _shared(_variable(other, "bucket"), second.bucket, _variable(one, "bucket"))
        shared = set(first.hosts.split()) & set(second.hosts.split())
        if shared:
            variables = f"{_variable(other, 'hosts')} and {_variable(one, 'hosts')}"
            return f"{variables} both have {min(shared)}: a host is of one source; leave it out of one of them"
    return None


def _shared(variable: str, bucket: str, other: str) -> str:
    return (
        f"{variable}={bucket} is {other} too: their previews would be the same objects; give each a bucket of its own"
    )


def _variable(name: str, field: str) -> str:
    return f"PREW_SOURCES__{name}__{field}".upper()
