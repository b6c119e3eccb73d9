"""The resizer as an AWS Lambda function: one invocation for one attempt, never repeated behind our back."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError

from prewmanager.adapters.resize_contract import ResizeContract
from prewmanager.errors import NotInTime, Overloaded, PreviewFailed, ResizerFailed
from prewmanager.ports import Made
from prewmanager.preview import Preview

_THROTTLED_RETRY_S = 1.0


class LambdaResizer:
    """Invokes the resize function synchronously."""

    def __init__(self, client: Any, function: str, contract: ResizeContract) -> None:
        """`client` is an aiobotocore Lambda client, such as `lambda_client` gives."""
        self._client = client
        self._function = function
        self._contract = contract

    async def resize(self, preview: Preview) -> Made:
        """Have the function make the preview. Raises `PreviewFailed`, of the class that fits."""
        payload = json.dumps(self._contract.request(preview)).encode()
        try:
            response = await self._client.invoke(FunctionName=self._function, Payload=payload)
            async with response["Payload"] as stream:
                body = await stream.read()
        except (BotoCoreError, ClientError, OSError) as error:
            raise _translated(error) from error
        if response.get("FunctionError"):
            raise _function_error(body)
        try:
            answer = json.loads(body)
        except ValueError as error:
            raise ResizerFailed(f"the function answered no JSON: {body[:200]!r}") from error
        return self._contract.made(answer)

    async def ping(self) -> None:
        """Return when the function could be invoked: a dry run asks for existence and permission, and runs nothing."""
        await self._client.invoke(FunctionName=self._function, InvocationType="DryRun")


@contextlib.asynccontextmanager
async def lambda_client(
    *, region: str, endpoint_url: str | None, connect_s: float, read_s: float, max_connections: int
) -> AsyncIterator[Any]:
    """An aiobotocore Lambda client that sends each call exactly once.

    The SDK's default would repeat a call up to four times after a time-out, while the first still runs; its pool of
    ten connections would hold back the eleventh outside of any time-out.
    """
    config = AioConfig(
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=max_connections,
        connect_timeout=connect_s,
        read_timeout=read_s,
    )
    opening = aioboto3.Session().client("lambda", region_name=region, endpoint_url=endpoint_url, config=config)
    client = await opening.__aenter__()
    # The session holds 8 MB of descriptions of all of AWS, which the client needs no more.
    del opening
    try:
        yield client
    finally:
        await client.close()


def _translated(error: Exception) -> PreviewFailed:
    if isinstance(error, ReadTimeoutError | ConnectTimeoutError):
        return NotInTime(f"no answer from Lambda: {error}")
    if isinstance(error, ClientError) and error.response["Error"]["Code"] == "TooManyRequestsException":
        headers = error.response["ResponseMetadata"].get("HTTPHeaders", {})
        return Overloaded(f"Lambda throttles: {error}", _seconds(headers.get("retry-after")))
    return ResizerFailed(f"Lambda could not be invoked: {error}")


def _seconds(retry_after: str | None) -> float:
    try:
        return max(0.0, float(retry_after or _THROTTLED_RETRY_S))
    except ValueError:
        return _THROTTLED_RETRY_S


def _function_error(body: bytes) -> PreviewFailed:
    """What a raised, dead or timed-out function becomes; Lambda tells a time-out by its message alone."""
    text = body[:2000].decode(errors="replace")
    return NotInTime(text) if "Task timed out after" in text else ResizerFailed(text)
