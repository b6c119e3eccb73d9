"""Starts the AWS SDK, which reads variables and files of its own, and refuses some of them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError

from prewmanager.adapters.opening import refusals

_WHAT = (
    "AWS_PROFILE, AWS_CONFIG_FILE, AWS_RETRY_MODE, AWS_MAX_ATTEMPTS, AWS_CA_BUNDLE, a proxy or credentials: the AWS "
    "SDK cannot start with them"
)


def sdk_refusals() -> contextlib.AbstractContextManager[None]:
    """Raise `InvalidSettings` if the SDK cannot start with its variables and files."""
    return refusals(_WHAT, BotoCoreError)


@contextlib.asynccontextmanager
async def sdk_client(service: str, *, region: str, endpoint_url: str | None, config: AioConfig) -> AsyncIterator[Any]:
    """Open an aiobotocore client, which closes when the block ends. Raises `InvalidSettings`."""
    async with contextlib.AsyncExitStack() as stack:
        with sdk_refusals():
            opening = aioboto3.Session().client(service, region_name=region, endpoint_url=endpoint_url, config=config)
            client = await stack.enter_async_context(opening)
        yield client
