"""Starts the AWS SDK, which reads variables and files of its own, and refuses some of them."""

from __future__ import annotations

from contextlib import AbstractContextManager

from botocore.exceptions import BotoCoreError

from prewmanager.adapters.opening import refusals

_WHAT = (
    "AWS_PROFILE, AWS_CONFIG_FILE, AWS_RETRY_MODE, AWS_MAX_ATTEMPTS, AWS_CA_BUNDLE, a proxy or credentials: the AWS "
    "SDK cannot start with them"
)


def sdk_refusals() -> AbstractContextManager[None]:
    """Raise `InvalidSettings` if the SDK cannot start with its variables and files."""
    return refusals(_WHAT, BotoCoreError)
