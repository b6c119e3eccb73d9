"""The resizer that invokes an AWS Lambda function, exactly once for each attempt."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import aiohttp
import orjson
from botocore.exceptions import BotoCoreError

from prewmanager.adapters.aws.lambda_client import LambdaClient, Reply, error_message
from prewmanager.errors import (
    DeadlineExceeded,
    Overloaded,
    PhotoFatal,
    PhotoTimedOut,
    PreviewFailed,
    ReplicaFailed,
    ResizerFailed,
)
from prewmanager.resizing.contract import ResizeContract, invocation_cost
from prewmanager.resizing.polish import PolishJob, PolishResult
from prewmanager.resizing.ports import CostMeter
from prewmanager.resizing.render import InvocationCost, RenderJob, RenderResult

# The function did not run: too many at once, or it is being created, updated or woken up; from AWS's Invoke API.
_LATER = frozenset(
    {
        "TooManyRequestsException",
        "ThrottlingException",
        "ResourceConflictException",
        "CodeArtifactUserPendingException",
        "SnapStartNotReadyException",
        "ResourceNotReadyException",
        "EC2ThrottledException",
        "ENILimitReachedException",
        "SubnetIPAddressLimitReachedException",
    }
)
_LATER_S = 1.0
# Lambda's error type for a process that ended during an invocation, by a crash or out of memory. Exceptions, also at
# import, are reported under their own names.
_DEAD = "Runtime.ExitError"


class LambdaResizer:
    """Invokes the resize function synchronously."""

    def __init__(self, client: LambdaClient, contract: ResizeContract, cost_meter: CostMeter) -> None:
        self._client = client
        self._contract = contract
        self._cost_meter = cost_meter
        self._can_polish = False

    async def resize(self, job: RenderJob) -> RenderResult:
        """Invoke the function once for the job. Raises the `PreviewFailed` of its outcome."""
        response = await self._response(self._contract.request(job), job.preview.preset_name)
        result = self._contract.result(response, job)
        self._can_polish = "polish" in result.can
        return result

    @property
    def can_polish(self) -> bool:
        """Whether the function has said so in its last answer: one of another version would just render."""
        return self._can_polish

    async def polish(self, job: PolishJob) -> PolishResult:
        """Invoke the function once to polish. Raises the `PreviewFailed` of its outcome."""
        response = await self._response(self._contract.polish_request(job), job.preview.preset_name)
        return self._contract.polish_result(response)

    async def _response(self, request: dict[str, Any], preset: str) -> object:
        """Invoke the function, and meter what it cost this preset."""
        reply = await self._invoke(orjson.dumps(request))
        if "X-Amz-Function-Error" in reply.headers:
            self._cost_meter.invoked(preset, InvocationCost())
            raise _function_error(reply.body)
        try:
            response = orjson.loads(reply.body)
        except ValueError as error:
            self._cost_meter.invoked(preset, InvocationCost())
            raise ResizerFailed(f"the function's response is not JSON: {reply.body[:200]!r}") from error
        self._cost_meter.invoked(preset, invocation_cost(response))
        return response

    async def ping(self) -> None:
        """Check by a dry run that the function exists and may be invoked, without running it.

        Raises `PreviewFailed`.
        """
        await self._invoke(b"", dry=True)

    async def _invoke(self, payload: bytes, *, dry: bool = False) -> Reply:
        try:
            reply = await self._client.invoke(payload, dry=dry)
        except aiohttp.ConnectionTimeoutError as error:
            raise ReplicaFailed(f"Lambda is out of reach: {error}") from error
        except TimeoutError as error:
            raise DeadlineExceeded(f"no answer from Lambda: {error}") from error
        except (aiohttp.ClientConnectorError, BotoCoreError) as error:  # refused, an unknown host, no credentials
            raise ReplicaFailed(f"Lambda is out of reach: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise ResizerFailed(f"Lambda could not be reached: {error}") from error
        if reply.refused:
            raise _refused(reply)
        return reply


def _refused(reply: Reply) -> PreviewFailed:
    reason = f"{reply.refused}: {error_message(reply.body)}"
    if reply.refused in _LATER:
        return Overloaded(f"Lambda is not ready: {reason}", _seconds(reply.headers.get("Retry-After")))
    if reply.status == HTTPStatus.FORBIDDEN:  # credentials, a clock that is off, a role: another replica's may be right
        return ReplicaFailed(f"Lambda refuses this process: {reason}")
    return ResizerFailed(f"Lambda could not be invoked: {reason}")


def _seconds(retry_after: str | None) -> float:
    try:
        return max(0.0, float(retry_after or _LATER_S))
    except ValueError:
        return _LATER_S


def _function_error(body: bytes) -> PreviewFailed:
    """Translate the error of a function that raised, died or timed out; only the message reveals a time-out."""
    text = body[:2000].decode(errors="replace")
    if "Task timed out after" in text:
        return PhotoTimedOut(text)
    return PhotoFatal(text) if _error_type(body) == _DEAD else ResizerFailed(text)


def _error_type(body: bytes) -> object:
    try:
        error = orjson.loads(body)
    except ValueError:
        return None
    return error.get("errorType") if isinstance(error, dict) else None
