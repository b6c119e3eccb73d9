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


# What AWS's services and SDK call credentials that are missing, wrong, or over.
_CREDENTIALS = (
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "IncompleteSignature",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "ExpiredToken",
    "InvalidToken",
    "TokenRefreshRequired",
    "NoCredentialsError",
    "Unable to locate credentials",
    "PartialCredentials",
    "Partial credentials",
    "CredentialRetrieval",
    "ProfileNotFound",
    "SSO",
)


def credentials_fix(detail: str) -> str | None:
    """Return how to fix credentials, or a clock, if an error's code or message says that they are what is wrong."""
    if "RequestTimeTooSkewed" in detail or "Signature expired" in detail:
        return "set this machine's clock: AWS refuses signatures that are a quarter of an hour off"
    if any(each in detail for each in _CREDENTIALS):
        return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role"
    return None


def ok(check: str, detail: str) -> Finding:
    """Build the finding of a check that passed."""
    return Finding(check, State.OK, detail)


def failed(check: str, detail: str, fix: str) -> Finding:
    """Build the finding of a check that failed."""
    return Finding(check, State.FAILED, detail, fix)


def skipped(check: str, detail: str, fix: str = "") -> Finding:
    """Build the finding of a check that was skipped; `fix` says what it needs."""
    return Finding(check, State.SKIPPED, detail, fix)
