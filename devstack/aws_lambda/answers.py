"""Answers of the Invoke API: a payload, a function's error, or an error of the service itself.

ServiceError                      no invocation took place; status and error type as in the API's model
├── ResourceNotFound        404
├── TooManyRequests         429   with Retry-After
├── RequestTooLarge         413
├── InvalidRequestContent   400
└── InvalidParameterValue   400
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Literal

# The number in Lambda's own messages about its "6 MB" limit, for requests and responses.
PAYLOAD_LIMIT_BYTES = 6_291_556
JSON_TYPE = "application/json"

Status = Literal["ok", "error", "timeout"]


@dataclass(frozen=True)
class Outcome:
    """How an invocation ended. All are HTTP 200; `status` distinguishes them."""

    payload: bytes
    status: Status = "ok"


def failed(error_type: str, message: str, status: Status = "error") -> Outcome:
    """Return the outcome that the service reports for a function that did not answer."""
    return Outcome(json.dumps({"errorType": error_type, "errorMessage": message}).encode(), status)


def timed_out(request_id: str, after_s: float) -> Outcome:
    """Return the outcome of a function that exceeded its time-out."""
    text = f"RequestId: {request_id} Error: Task timed out after {after_s:.2f} seconds"
    return failed("Sandbox.Timedout", text, "timeout")


def exited(request_id: str, returncode: int) -> Outcome:
    """Return the outcome of a process that ended during its invocation; a negative `returncode` is a signal number."""
    if returncode == 0:
        how = "Runtime exited without providing a reason"
    elif returncode > 0:
        how = f"Runtime exited with error: exit status {returncode}"
    else:
        how = f"Runtime exited with error: signal: {-returncode}"
    return failed("Runtime.ExitError", f"RequestId: {request_id} Error: {how}")


def response_too_large() -> Outcome:
    """Return the outcome of a function whose response exceeds the payload limit."""
    text = f"Response payload size exceeded maximum allowed payload size ({PAYLOAD_LIMIT_BYTES} bytes)."
    return failed("Function.ResponseSizeTooLarge", text)


@dataclass
class ServiceError(Exception):
    """The invocation was refused; `message` is for the caller."""

    message: str
    status: int = 500
    error_type: str = "ServiceException"
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, str]:
        """The JSON body, from which SDKs build their exceptions."""
        return {"Type": "User", "message": self.message}


class ResourceNotFound(ServiceError):
    """There is no function of this name, or no such version."""

    def __init__(self, arn: str) -> None:
        super().__init__(f"Function not found: {arn}", 404, "ResourceNotFoundException")


class TooManyRequests(ServiceError):
    """The concurrency limit is reached."""

    def __init__(self) -> None:
        super().__init__("Rate Exceeded.", 429, "TooManyRequestsException", {"Retry-After": "1"})

    def body(self) -> dict[str, str]:
        """The JSON body, with the reason for throttling."""
        return {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", **super().body()}


class RequestTooLarge(ServiceError):
    """The event exceeds the limit, which differs between synchronous and asynchronous invocations."""

    def __init__(self, limit_bytes: int = PAYLOAD_LIMIT_BYTES) -> None:
        text = f"Request must be smaller than {limit_bytes} bytes for the InvokeFunction operation"
        super().__init__(text, 413, "RequestTooLargeException")


class InvalidRequestContent(ServiceError):
    """The event is not JSON."""

    def __init__(self, why: str) -> None:
        text = f"Could not parse request body into json: {why}"
        super().__init__(text, 400, "InvalidRequestContentException")


class InvalidParameterValue(ServiceError):
    """A header or the function's name is invalid, or requests what is not emulated."""

    def __init__(self, why: str) -> None:
        super().__init__(why, 400, "InvalidParameterValueException")
