"""The settings of one of the further sources, in the form of the main one's: nothing else needs to know of several."""

from __future__ import annotations

from prewmanager.config.reading import read_settings
from prewmanager.config.settings import Settings
from prewmanager.errors import InvalidSettings


class SettingsOfSource(Settings):
    """The settings of a source, which no environment has as such: `settings_of` builds them."""

    source_name: str
    quota: str

    @property
    def source(self) -> str:
        """The source's name."""
        return self.source_name

    @property
    def quota_name(self) -> str:
        """What separates the service's rate limit in Redis from others: that of all of its sources."""
        return self.quota


def settings_of(settings: Settings, source: str) -> SettingsOfSource:
    """Return the settings of one of `settings.sources`, without the others. Raises `KeyError`."""
    known = settings.sources[source]
    chosen = known.presets.split() or settings.presets
    changed = {
        "source_bucket": known.bucket,
        "preview_bucket": None,
        "source_keys": known.keys,
        "presets": {name: preset for name, preset in settings.presets.items() if name in chosen},
        "contact_sheet": False,
        "sources": {},
        "source_name": source,
        "quota": settings.quota_name,
    }
    fields = {name: getattr(settings, name) for name in Settings.model_fields}
    return SettingsOfSource.model_construct(settings.model_fields_set, **{**fields, **changed})


def read_settings_of(source: str) -> Settings:
    """Read and validate the environment's settings, and return those of this source, of the main one if it is empty.

    Raises `InvalidSettings`, also for a source that is not configured.
    """
    settings = read_settings()
    if not source:
        return settings
    if source not in settings.sources:
        known = f"the sources are {', '.join(settings.sources)}" if settings.sources else "there is only the main one"
        raise InvalidSettings([f"--source {source}: {known}; see PREW_SOURCES"])
    return settings_of(settings, source)


def hosts_of_sources(settings: Settings) -> dict[str, str]:
    """Return the source that each of the sources' hosts stands for, by name."""
    return {host: name for name, source in settings.sources.items() for host in source.hosts.split()}
