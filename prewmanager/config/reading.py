"""Reads the settings from the environment, and says what it does not know there."""

from __future__ import annotations

import os

from pydantic import TypeAdapter, ValidationError
from pydantic_settings import EnvSettingsSource, SettingsError

from prewmanager.config.environment import at_root, malformed, meaningless
from prewmanager.config.errors import REMOVE, explain, unknown_variables
from prewmanager.config.names import ROOT
from prewmanager.config.presets import unknown_fields
from prewmanager.config.settings import Settings
from prewmanager.errors import InvalidSettings


def read_settings() -> Settings:
    """Read and validate the environment's settings, and unset what means nothing there, which the AWS SDK reads too.

    Where photos are at the bucket's root, its own spelling replaces an empty value, which would count as unset.

    Raises `InvalidSettings`, with all errors. What is unknown is one, unless PREW_STRICT is false.
    """
    for name in meaningless(os.environ):
        del os.environ[name]
    for name in at_root(os.environ):
        os.environ[name] = ROOT
    unknown = unknown_variables(os.environ, Settings) if _is_strict() else []
    lines = [*malformed(os.environ), *unknown]
    if not lines:
        try:
            return Settings()
        except ValidationError as error:
            lines = explain(error, os.environ, Settings)
        except SettingsError as error:
            variable = "PREW_SOURCES" if '"sources"' in str(error) else "PREW_PRESETS"
            lines = [f"{variable}: is not valid JSON: {error.__cause__}"]
    raise InvalidSettings(lines)


def ignored_settings() -> list[str]:
    """Return a line for each variable and preset field that `read_settings` has ignored; none while PREW_STRICT holds.

    Valid settings were read before.
    """
    if _is_strict():
        return []
    presets = EnvSettingsSource(Settings)().get("presets")
    fields = [f"preset {preset}, field {field}: unknown" for preset, field in unknown_fields(presets)]
    lines = [*unknown_variables(os.environ, Settings), *fields]
    return [f"{line.removesuffix(f'; {REMOVE}')}; ignored" for line in lines]


def _is_strict() -> bool:
    """Whether PREW_STRICT holds; a value that is neither true nor false is an error of its own."""
    given = next((value for name, value in os.environ.items() if name.upper() == "PREW_STRICT"), "")
    try:
        return TypeAdapter(bool).validate_python(given or "true")
    except ValidationError:
        return True
