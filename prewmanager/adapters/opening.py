"""Starts what another's library configures by its own variables and files, which it checks only then."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from prewmanager.errors import InvalidSettings

OPENTELEMETRY = "OTEL_…: OpenTelemetry cannot start with its variables"


@contextlib.contextmanager
def refusals(what: str, *errors: type[Exception]) -> Iterator[None]:
    """Raise `InvalidSettings` for these errors of the block; `what` begins with the variables to check.

    It names the error's class alone: the library's own message may repeat a value.
    """
    refused: tuple[type[Exception], ...] = (ValueError, OSError, *errors)
    try:
        yield
    except refused as error:
        raise InvalidSettings([f"{what} ({type(error).__name__})"]) from None
