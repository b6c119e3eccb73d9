"""The checks of `doctor`, a module for each part of the system, and the finding that a check returns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check ended; `SKIPPED`: there was nothing to check, or the service does not depend on it."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check: what was observed, and how to fix it."""

    check: str
    state: State
    detail: str
    fix: str = ""


def ok(check: str, detail: str) -> Finding:
    """Build the finding of a check that passed."""
    return Finding(check, State.OK, detail)


def failed(check: str, detail: str, fix: str) -> Finding:
    """Build the finding of a check that failed."""
    return Finding(check, State.FAILED, detail, fix)


def skipped(check: str, detail: str, fix: str = "") -> Finding:
    """Build the finding of a check that was skipped; `fix` says what it needs."""
    return Finding(check, State.SKIPPED, detail, fix)
