"""The kinds of values, the messages for invalid values, and the definition of a field."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# A SSIMULACRA2 from 40 to 90, or a quality of JPEG from 20 to 95.
LIKENESS_PATTERN = r"^([4-8][0-9]|90|q[2-8][0-9]|q9[0-5])$"
COLOUR_PATTERN = r"^#[0-9a-fA-F]{6}$"
DENSITIES = frozenset({2, 3, 4})
_METADATA = "preset field"
MAX_COMPANIONS = 16  # in one invocation of the resize function


class PresetError(ValueError):
    """A field's value is invalid; the message begins with the field's name, and `reason` is the rest."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.reason = reason


@dataclass(frozen=True)
class Number:
    """A number from `low` to `high`; a bool is not valid."""

    low: float
    high: float
    whole: bool = True


@dataclass(frozen=True)
class Word:
    """One of `words`."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class Flag:
    """True or false."""


@dataclass(frozen=True)
class Colour:
    """`#rrggbb`."""


@dataclass(frozen=True)
class Likeness:
    """A score, `75`, or that of a JPEG, `q80`, as text."""


@dataclass(frozen=True)
class Densities:
    """Some of 2, 3 and 4, in order, as a tuple."""


@dataclass(frozen=True)
class Names:
    """Names of other presets, as a tuple."""


Kind = Number | Word | Flag | Colour | Likeness | Densities | Names


def written(kind: Kind) -> str:  # noqa: PLR0911 -- one for each kind
    """Describe the values of a kind, in Markdown."""
    match kind:
        case Number(low, high):
            return f"{low:g} to {high:g}"
        case Word(words):
            return ", ".join(f"`{word}`" for word in words)
        case Flag():
            return "true, false"
        case Colour():
            return "`#rrggbb`"
        case Likeness():
            return "40 to 90, or `q20` to `q95`"
        case Densities():
            return "any of 2, 3 and 4, such as `2,3`"
        case Names():
            return f"at most {MAX_COMPANIONS} presets, such as `card,hero`"


def is_valid(kind: Kind, value: object) -> bool:  # noqa: PLR0911 -- one for each kind
    """Whether a value is of a kind."""
    match kind:
        case Number(low, high, whole):
            if isinstance(value, bool) or not isinstance(value, int | float):
                return False
            return (isinstance(value, int) or not whole) and low <= value <= high
        case Word(words):
            return value in words
        case Flag():
            return isinstance(value, bool)
        case Colour():
            return isinstance(value, str) and bool(re.fullmatch(COLOUR_PATTERN, value))
        case Likeness():
            return isinstance(value, str) and bool(re.fullmatch(LIKENESS_PATTERN, value))
        case Densities():
            return isinstance(value, tuple) and DENSITIES.issuperset(value) and value == tuple(sorted(set(value)))
        case Names():
            return isinstance(value, tuple) and len(value) <= MAX_COMPANIONS


def complaint(kind: Kind) -> str:  # noqa: PLR0911 -- the same
    """Return the message for a value that is not of a kind, without the value itself."""
    match kind:
        case Number(whole=whole):
            return f"is not a {'whole ' if whole else ''}number from {written(kind)}"
        case Word(words):
            return f"is not one of {', '.join(words)}"
        case Flag():
            return "is neither true nor false"
        case Colour():
            return "is not a colour in the form #rrggbb"
        case Likeness():
            return "is not a score from 40 to 90, nor q and a quality of JPEG from 20 to 95, as text"
        case Densities():
            return "is not a tuple of some of 2, 3 and 4, in order"
        case Names():
            return f"is not a tuple of at most {MAX_COMPANIONS} names"


@dataclass(frozen=True)
class Field:
    """The definition of one field; name, type and default are those of the dataclass.

    Attributes:
        kind: The kind of its values; None is valid too if it is the default.
        default: The value of an unset field.
        description: One sentence for the reference.
        always_counts: Whether it is part of the fingerprint even at its default, as the first fields are. Later fields
            are not, so that older presets keep their fingerprints.
        is_scaled: Whether a density multiplies it.
        format: The only output format that it affects.
        is_drawn: Whether it changes the preview itself, and so the fingerprint.
    """

    kind: Kind
    default: Any
    description: str
    always_counts: bool = False
    is_scaled: bool = False
    format: str | None = None
    is_drawn: bool = True

    def check(self, name: str, value: object) -> None:
        """Raise `PresetError` unless the value is valid."""
        is_unset = value is None and self.default is None
        if not (is_unset or is_valid(self.kind, value)):
            raise PresetError(name, f"{value!r} {complaint(self.kind)}")

    def counts(self, value: object) -> bool:
        """Whether a value is part of the fingerprint."""
        return self.is_drawn and (self.always_counts or value != self.default)


def define(kind: Kind, default: Any, description: str, **options: Any) -> Any:
    """Define a field of a dataclass; `options` are those of `Field`."""
    definition = Field(kind, default, description, **options)
    return dataclasses.field(default=default, metadata={_METADATA: definition})


def definitions(of: type[Any]) -> Mapping[str, Field]:
    """Return the definitions of a dataclass's fields, by name."""
    return {field.name: field.metadata[_METADATA] for field in dataclasses.fields(of)}
