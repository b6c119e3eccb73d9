"""What one check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """`SKIPPED` where there was nothing to look at."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was seen, and how to mend it where it failed."""

    check: str
    state: State
    said: str
    fix: str = ""


def ok(check: str, said: str) -> Finding:
    """All is well."""
    return Finding(check, State.OK, said)


def failed(check: str, said: str, fix: str) -> Finding:
    """Something is wrong, and this mends it."""
    return Finding(check, State.FAILED, said, fix)


def skipped(check: str, said: str, fix: str = "") -> Finding:
    """There was nothing to look at; `fix` says what there would have to be."""
    return Finding(check, State.SKIPPED, said, fix)
