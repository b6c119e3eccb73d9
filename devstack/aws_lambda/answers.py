"""What the Invoke API answers: a payload, a function's error, or an error of the service itself.

ServiceError                      the invocation did not happen; status and error type as in the API's model
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

# The service's own messages give this number for "6 MB", in both directions.
PAYLOAD_LIMIT_BYTES = 6_291_556
JSON_TYPE = "application/json"

Status = Literal["ok", "error", "timeout"]


@dataclass(frozen=True)
class Outcome:
    """How an invocation ended: HTTP 200 in each case, `status` tells them apart."""

    payload: bytes
    status: Status = "ok"


def failed(error_type: str, message: str, status: Status = "error") -> Outcome:
    """An outcome that the service writes on behalf of a function that could not answer."""
    return Outcome(json.dumps({"errorType": error_type, "errorMessage": message}).encode(), status)


def timed_out(request_id: str, after_s: float) -> Outcome:
    """The function took longer than its time-out."""
    text = f"RequestId: {request_id} Error: Task timed out after {after_s:.2f} seconds"
    return failed("Sandbox.Timedout", text, "timeout")


def exited(request_id: str, returncode: int) -> Outcome:
    """The sandbox's process ended during the invocation; a negative `returncode` is a signal's number."""
    if returncode == 0:
        how = "Runtime exited without providing a reason"
    elif returncode > 0:
        how = f"Runtime exited with error: exit status {returncode}"
    else:
        how = f"Runtime exited with error: signal: {-returncode}"
    return failed("Runtime.ExitError", f"RequestId: {request_id} Error: {how}")


def response_too_large() -> Outcome:
    """The function answered more than a synchronous answer can carry."""
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
        """The JSON body that SDKs turn into their exception."""
        return {"Type": "User", "message": self.message}


class ResourceNotFound(ServiceError):
    """No function of that name (or no such version) is here."""

    def __init__(self, arn: str) -> None:
        super().__init__(f"Function not found: {arn}", 404, "ResourceNotFoundException")


class TooManyRequests(ServiceError):
    """As many invocations as allowed are running."""

    def __init__(self) -> None:
        super().__init__("Rate Exceeded.", 429, "TooManyRequestsException", {"Retry-After": "1"})

    def body(self) -> dict[str, str]:
        """The body with the reason that this service has for throttling."""
        return {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", **super().body()}


class RequestTooLarge(ServiceError):
    """The event is above the limit of its kind of invocation."""

    def __init__(self, limit_bytes: int = PAYLOAD_LIMIT_BYTES) -> None:
        text = f"Request must be smaller than {limit_bytes} bytes for the InvokeFunction operation"
        super().__init__(text, 413, "RequestTooLargeException")


class InvalidRequestContent(ServiceError):
    """The event is no JSON."""

    def __init__(self, why: str) -> None:
        text = f"Could not parse request body into json: {why}"
        super().__init__(text, 400, "InvalidRequestContentException")


class InvalidParameterValue(ServiceError):
    """A header or the name says something that is wrong or not emulated here."""

    def __init__(self, why: str) -> None:
        super().__init__(why, 400, "InvalidParameterValueException")
