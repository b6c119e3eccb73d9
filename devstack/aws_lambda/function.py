"""A function's name, handler and limits, and the forms in which callers may give its name."""

from __future__ import annotations

import re
from dataclasses import dataclass

ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"
LATEST = "$LATEST"

# The API model's NamespacedFunctionName: a name, a partial ARN, or a whole ARN, each with or without a qualifier.
_NAME = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:)?(?:[a-z]{2}(?:-[a-z]+)+-\d:)?(?:\d{12}:)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9_.-]{1,140})(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9_-]+))?"
)


@dataclass(frozen=True)
class Function:
    """One function: `handler` is `package.module.attribute`; time-out in seconds, memory in MB."""

    name: str
    handler: str
    timeout_s: float = 30.0
    memory_mb: int = 1769
    region: str = DEFAULT_REGION

    @property
    def arn(self) -> str:
        """The Amazon Resource Name."""
        return f"arn:aws:lambda:{self.region}:{ACCOUNT}:function:{self.name}"


def split_name(text: str) -> tuple[str, str]:
    """Split a name as callers give it into plain name and qualifier (`$LATEST` if there is none).

    Raises `ValueError` if it is neither a function's name nor its ARN.
    """
    found = _NAME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is neither the name nor the ARN of a function")
    return found["name"], found["qualifier"] or LATEST


def parse_function(text: str, *, timeout_s: float, memory_mb: int, region: str = DEFAULT_REGION) -> Function:
    """Parse `NAME=package.module.attribute`, optionally followed by `@SECONDS`, the time-out.

    Raises `ValueError` for anything else.
    """
    name, equals, rest = text.partition("=")
    handler, own, seconds = rest.partition("@")
    try:
        timeout_s = float(seconds) if own else timeout_s
    except ValueError:
        handler = ""
    if not (name and equals and "." in handler):
        raise ValueError(f"{text!r} is not NAME=package.module.attribute, or that with @SECONDS")
    return Function(name, handler, timeout_s, memory_mb, region)
