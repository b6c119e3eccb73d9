"""Wrong settings, in the words of whoever set them: one line each, with the variable's name and the cure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from prewmanager_presets import Preset, definitions

PREFIX = "PREW_"
# Read by nginx's templates and by the local system; they may stand in the same file.
_OTHERS = ("PREW_NGINX_", "PREW_LOCAL_")


def unknown_variables(environ: Mapping[str, str], model: type[BaseModel]) -> list[str]:
    """A line for each variable that looks like ours and is none: a misspelt setting must not be a silent default."""
    known = {f"{PREFIX}{name}".upper() for name in model.model_fields}
    lines = []
    for variable in sorted(environ):
        name = variable.upper()
        if not name.startswith(PREFIX) or name.startswith(_OTHERS) or name.partition("__")[0] in known:
            continue
        close = difflib.get_close_matches(name.partition("__")[0], known, n=1)
        hint = f"did you mean {close[0]}?" if close else "remove it"
        lines.append(f"{variable}: there is no such setting; {hint}")
    return lines


def explain(error: ValidationError, environ: Mapping[str, str], model: type[BaseModel]) -> list[str]:
    """A line for each thing that pydantic found wrong."""
    return [_line(details, environ, model) for details in error.errors(include_url=False)]


def _line(details: ErrorDetails, environ: Mapping[str, str], model: type[BaseModel]) -> str:
    where = [str(part) for part in details["loc"] if part != "[key]"]
    if not where:  # a check of several settings together names them itself
        return _reason(details)
    field = model.model_fields.get(where[0]) if len(where) == 1 else None
    meaning = f" (it is {field.description})" if field and field.description else ""
    return f"{_variable(where, environ)}: {_reason(details)}{meaning}"


def _variable(where: list[str], environ: Mapping[str, str]) -> str:
    """The variable that was set, or that should be: a single field's, or the JSON of all presets."""
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
        return "there is no such field of a preset; it has " + ", ".join(definitions(Preset))
    if kind == "value_error":
        return str(details["ctx"]["error"])
    if details["loc"] and details["loc"][-1] == "[key]":
        return (
            f"{given!r} is no name for a preset: use small letters, digits and single underscores, "
            "a letter first, at most 32 characters"
        )
    message = details["msg"].replace("Input should", "should")
    return f"{message}, and is {given!r}" if isinstance(given, str | int | float) else message
