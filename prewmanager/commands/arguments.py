"""What the command line passes to the commands; light to import, so that `--help` is fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prewmanager.config.settings import Settings
from prewmanager.errors import InvalidSettings
from prewmanager.previews.variants import variants

# AWS's list prices for x86 in us-east-1 (https://aws.amazon.com/lambda/pricing/), before any free tier or discount.
LIST_GB_SECOND_USD = 0.0000166667
LIST_REQUEST_USD = 0.20 / 1_000_000
ONE_CPU_MB = 1769  # memory at which Lambda gives a function one whole CPU


@dataclass(frozen=True, slots=True)
class Selection:
    """The presets or variants that a command works on, and how the names of their photos begin.

    A preset's name selects all of its variants; with `exact` only the variant of that name.
    """

    presets: Sequence[str]
    prefix: str
    exact: bool

    def variants(self, settings: Settings) -> list[str]:
        """List the selected variants, each once; all of them if no preset is named.

        Raises `InvalidSettings` for an unknown name.
        """
        unknown = [name for name in self.presets if name not in settings.variants]
        if unknown:
            known = ", ".join(settings.variants)
            raise InvalidSettings([f"{name}: unknown preset; configured are {known}" for name in unknown])
        return with_variants(settings, self.presets or list(settings.presets), exact=self.exact)


def with_variants(settings: Settings, names: Sequence[str], *, exact: bool) -> list[str]:
    """List each name once, presets followed by their variants unless `exact`; unknown names are kept."""
    known = {} if exact else settings.presets
    families = (variants(name, known[name]) if name in known else [name] for name in names)
    return list(dict.fromkeys(each for family in families for each in family))


@dataclass(frozen=True, slots=True)
class Target:
    """Previews of one preset: those whose key begins with `start`, or with `exact` the one with this key."""

    preset: str
    start: str
    exact: bool

    def has(self, key: str) -> bool:
        """Whether the preview with this key is one of them."""
        return key == self.start if self.exact else key.startswith(self.start)


@dataclass(frozen=True, slots=True)
class CostAssumptions:
    """What one resize costs: `seconds` of a function with `memory_mb`, at this price of a GB-second in US dollars."""

    seconds: float
    memory_mb: int
    gb_second_usd: float
