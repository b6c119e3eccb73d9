"""Which variants a command is about, by what its command line names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prewmanager.config.settings import Settings
from prewmanager.errors import InvalidSettings
from prewmanager.previews.variants import variants


@dataclass(frozen=True, slots=True)
class Selection:
    """What the command line names: presets or variants, and how the names of photos begin.

    A preset's name stands for all of its variants; with `exact` for itself alone.
    """

    presets: Sequence[str]
    prefix: str
    exact: bool

    def variants(self, settings: Settings) -> list[str]:
        """Names of variants, each once; all where none was named. Raises `InvalidSettings` for one that is not set."""
        unknown = [name for name in self.presets if name not in settings.variants]
        if unknown:
            known = ", ".join(settings.variants)
            raise InvalidSettings([f"{name}: no such preset; there are {known}" for name in unknown])
        return with_variants(settings, self.presets or list(settings.presets), exact=self.exact)


def with_variants(settings: Settings, names: Sequence[str], *, exact: bool) -> list[str]:
    """Each name once, presets followed by their variants unless `exact`; a name that is not set is only itself."""
    known = {} if exact else settings.presets
    families = (variants(name, known[name]) if name in known else [name] for name in names)
    return list(dict.fromkeys(each for family in families for each in family))
