"""Parses presets from variables and JSON into the core's `Preset`, through a pydantic model of its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, WrapValidator, create_model
from pydantic import Field as ModelField
from pydantic_settings import NoDecode

from prewmanager_presets import MAX_COMPANIONS, Field, Preset, PresetError, definitions
from prewmanager_presets.kinds import (
    COLOUR_PATTERN,
    DENSITIES,
    LIKENESS_PATTERN,
    Colour,
    Densities,
    Flag,
    Likeness,
    Names,
    Number,
    Word,
)

if TYPE_CHECKING:
    from pydantic import ValidatorFunctionWrapHandler

# A double underscore separates the parts of a variable's name (PREW_PRESETS__CARD__WIDTH), so no name may contain one.
NAME_PATTERN = r"^[a-z](_?[a-z0-9])*_?$"


def _densities(value: object) -> object:
    """Parse `2,3` from a variable, `[2, 3]` or `2` from JSON."""
    listed = value.split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
    named = {str(each).strip() for each in listed}
    if not named <= set(map(str, DENSITIES)):
        raise ValueError("should be one or more of 2, 3 and 4, such as 2,3")
    return tuple(sorted(map(int, named)))


def _names(value: object) -> object:
    """Parse `card,hero` from a variable, a list from JSON."""
    listed = value.split(",") if isinstance(value, str) else value
    if not isinstance(listed, list | tuple):
        raise ValueError("should be presets' names, such as card,hero")  # noqa: TRY004 -- pydantic's
    names = tuple(dict.fromkeys(str(each).strip() for each in listed))
    if len(names) > MAX_COMPANIONS:
        raise ValueError(f"names {len(names)} presets; the limit is {MAX_COMPANIONS}")
    return names


def _annotation(field: Field) -> Any:
    """Return the type that pydantic parses a field into."""
    match field.kind:
        case Number(low, high, whole):
            annotation: Any = Annotated[int if whole else float, ModelField(ge=low, le=high)]
        case Word(words):
            annotation = Literal[words]
        case Flag():
            annotation = bool
        case Colour():
            annotation = Annotated[str, StringConstraints(pattern=COLOUR_PATTERN, to_lower=True)]
        case Likeness():
            annotation = Annotated[str, ModelField(pattern=LIKENESS_PATTERN, coerce_numbers_to_str=True)]
        case Densities():
            annotation = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_densities)]
        case Names():
            annotation = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]
    return annotation | None if field.default is None else annotation


_FIELDS: dict[str, Any] = {name: (_annotation(field), field.default) for name, field in definitions(Preset).items()}
_Model = create_model("Preset", __config__=ConfigDict(frozen=True, extra="forbid"), **_FIELDS)


def _core(value: object, parse: ValidatorFunctionWrapHandler) -> Preset:
    """Parse a value into a `Preset`; return one that is a `Preset` already."""
    if isinstance(value, Preset):
        return value
    parsed: BaseModel = parse(value)
    try:
        return Preset(**parsed.model_dump())
    except PresetError as error:
        raise ValueError(error.reason) from error


def unknown_fields(presets: object) -> list[tuple[str, str]]:
    """List preset and field of each field that no preset has, in presets as they come from variables and JSON."""
    given = presets.items() if isinstance(presets, Mapping) else ()
    return [
        (name, field)
        for name, fields in given
        if isinstance(fields, Mapping)
        for field in sorted(fields.keys() - _FIELDS)
    ]


def without_unknown_fields(presets: object) -> object:
    """Return presets as they come from variables and JSON, without those fields."""
    if not isinstance(presets, Mapping):
        return presets
    unknown = unknown_fields(presets)
    return {
        name: {field: value for field, value in fields.items() if (name, field) not in unknown}
        if isinstance(fields, Mapping)
        else fields
        for name, fields in presets.items()
    }


PresetName = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=32)]
if TYPE_CHECKING:
    ParsedPreset = Preset
else:
    ParsedPreset = Annotated[_Model, WrapValidator(_core)]
