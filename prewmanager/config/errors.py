"""Messages for invalid settings: one line for each, with the variable's name and the fix."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from pydantic import AliasChoices, BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from prewmanager.config.sources import SourceSettings
from prewmanager_presets import Preset, definitions

PREFIX = "PREW_"
# Variables of nginx's templates and of the local system, which may be set in the same file.
_OTHERS = ("PREW_NGINX_", "PREW_LOCAL_")
REMOVE = "remove it"
_NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")


def unknown_variables(environ: Mapping[str, str], model: type[BaseModel]) -> list[str]:
    """Return a line for each unknown `PREW_` variable, so that no misspelt setting is silently ignored."""
    known = {f"{PREFIX}{name}".upper() for name in model.model_fields}
    lines = []
    for variable in sorted(environ):
        name = variable.upper()
        if not name.startswith(PREFIX) or name.startswith(_OTHERS) or name.partition("__")[0] in known:
            continue
        # Without the prefix, which alone would make all names alike.
        front = name.partition("__")[0].removeprefix(PREFIX)
        close = difflib.get_close_matches(front, [each.removeprefix(PREFIX) for each in known], n=1)
        hint = f"did you mean {PREFIX}{close[0]}?" if close else REMOVE
        lines.append(f"{variable}: unknown setting; {hint}")
    return lines


def explain(error: ValidationError, environ: Mapping[str, str], model: type[BaseModel]) -> list[str]:
    """Return a line for each error that pydantic found."""
    return [_line(details, environ, model) for details in error.errors(include_url=False)]


def _line(details: ErrorDetails, environ: Mapping[str, str], model: type[BaseModel]) -> str:
    where = [str(part) for part in details["loc"] if part != "[key]"]
    if not where:  # the message of a check across several settings names them itself
        return _reason(details)
    field = _field(where[0], model) if len(where) == 1 else None
    meaning = f" ({field.description})" if field and field.description else ""
    return f"{_variable(where, environ)}: {_reason(details)}{meaning}"


def _field(name: str, model: type[BaseModel]) -> FieldInfo | None:
    """Return the field of this name, or of this variable, where that is AWS's or OpenTelemetry's."""
    by_variable = {
        choice: field
        for field in model.model_fields.values()
        if isinstance(field.validation_alias, AliasChoices)
        for choice in field.validation_alias.choices
    }
    return model.model_fields.get(name) or by_variable.get(name)


def _variable(where: list[str], environ: Mapping[str, str]) -> str:
    """Return the name of the variable to correct: a single field's, or that of the JSON of all presets."""
    if where[0].isupper():
        return where[0]
    set_variables = {name.upper(): name for name in environ}
    exact = f"{PREFIX}{'__'.join(where)}".upper()
    if exact in set_variables or len(where) == 1:
        return exact
    if any(name.startswith(f"{PREFIX}{where[0]}__{where[1]}__".upper()) for name in set_variables):
        return exact
    return f"{PREFIX}{where[0]}".upper() + f" (at {'.'.join(where[1:])})"


def _reason(details: ErrorDetails) -> str:
    given = details.get("input")
    kind = details["type"]
    if kind == "missing":
        return "is required and not set"
    if kind == "extra_forbidden":
        if details["loc"][0] == "sources":
            return "unknown field of a source; the fields are " + ", ".join(SourceSettings.model_fields)
        return "unknown preset field; the fields are " + ", ".join(definitions(Preset))
    if kind == "value_error":
        return str(details["ctx"]["error"])
    if details["loc"] and details["loc"][-1] == "[key]":
        kind = str(details["loc"][0]).removesuffix("s")
        return (
            f"{given!r} is not a valid {kind} name: use lower-case letters, digits and "
            "single underscores, beginning with a letter, at most 32 characters"
        )
    message = details["msg"].replace("Input should", "should")
    # Nothing but a number is repeated: any other value may be a password that is in the wrong variable.
    return f"{message}, but is {given!r}" if _NUMBER.fullmatch(str(given)) else message


def too_short(settings: BaseModel, name: str, relation: str, other: str) -> str:
    """Say that one variable must have that relation to another, and the first is to be raised."""
    return f"{_assigned(settings, name)} {relation} {_assigned(settings, other)}: raise the first or lower the second"


def too_long(settings: BaseModel, name: str, relation: str, other: str) -> str:
    """Say that one variable must have that relation to another, and the first is to be lowered."""
    return f"{_assigned(settings, name)} {relation} {_assigned(settings, other)}: lower the first or raise the second"


def _assigned(settings: BaseModel, name: str) -> str:
    return f"{PREFIX}{name.upper()}={getattr(settings, name):g}"
