"""The resizer as an AWS Lambda function: one invocation for one attempt, never repeated behind our back."""

from __future__ import annotations

import aiohttp
import orjson
from botocore.exceptions import BotoCoreError

from prewmanager.adapters.aws.lambda_client import LambdaClient, Reply, error_message
from prewmanager.errors import DeadlineExceeded, Overloaded, PhotoFatal, PreviewFailed, ResizerFailed
from prewmanager.flights.ports import CostMeter, InvocationCost, Made, Siblings
from prewmanager.previews.catalogue import Preview
from prewmanager.resizing.contract import ResizeContract, usage

_THROTTLED = "TooManyRequestsException"
_THROTTLED_RETRY_S = 1.0
# Lambda's own word for a process that ended in the middle of an invocation, be it by a crash or for want of memory.
# What goes wrong in an orderly way, an import at the start included, comes under the exception's name.
_DEAD = "Runtime.ExitError"


class LambdaResizer:
    """Invokes the resize function synchronously."""

    def __init__(self, calls: LambdaClient, contract: ResizeContract, cost_meter: CostMeter) -> None:
        self._calls = calls
        self._contract = contract
        self._cost_meter = cost_meter

    async def resize(self, preview: Preview, also: Siblings | None = None) -> Made:
        """Have the function make the preview, and `also` with it. Raises `PreviewFailed`, of the class that fits."""
        reply = await self._invoked(orjson.dumps(self._contract.request(preview, also)))
        if "X-Amz-Function-Error" in reply.headers:
            self._cost_meter.invoked(preview.preset_name, InvocationCost())
            raise _function_error(reply.body)
        try:
            answer = orjson.loads(reply.body)
        except ValueError as error:
            self._cost_meter.invoked(preview.preset_name, InvocationCost())
            raise ResizerFailed(f"the function answered no JSON: {reply.body[:200]!r}") from error
        self._cost_meter.invoked(preview.preset_name, usage(answer))
        return self._contract.made(answer, also)

    async def ping(self) -> None:
        """Return when the function could be invoked: a dry run asks for existence and permission, and runs nothing.

        Raises `PreviewFailed`.
        """
        await self._invoked(b"", dry=True)

    async def _invoked(self, payload: bytes, *, dry: bool = False) -> Reply:
        try:
            reply = await self._calls.invoke(payload, dry=dry)
        except TimeoutError as error:
            raise DeadlineExceeded(f"no answer from Lambda: {error}") from error
        except (aiohttp.ClientError, BotoCoreError, OSError) as error:
            raise ResizerFailed(f"Lambda could not be reached: {error}") from error
        if reply.refused:
            raise _refused(reply)
        return reply


def _refused(reply: Reply) -> PreviewFailed:
    said = f"{reply.refused}: {error_message(reply.body)}"
    if reply.refused == _THROTTLED:
        return Overloaded(f"Lambda throttles: {said}", _seconds(reply.headers.get("Retry-After")))
    return ResizerFailed(f"Lambda could not be invoked: {said}")


def _seconds(retry_after: str | None) -> float:
    try:
        return max(0.0, float(retry_after or _THROTTLED_RETRY_S))
    except ValueError:
        return _THROTTLED_RETRY_S


def _function_error(body: bytes) -> PreviewFailed:
    """What a raised, dead or timed-out function becomes; Lambda tells a time-out by its message alone."""
    text = body[:2000].decode(errors="replace")
    if "Task timed out after" in text:
        return DeadlineExceeded(text)
    return PhotoFatal(text) if _error_type(body) == _DEAD else ResizerFailed(text)


def _error_type(body: bytes) -> object:
    try:
        told = orjson.loads(body)
    except ValueError:
        return None
    return told.get("errorType") if isinstance(told, dict) else None
