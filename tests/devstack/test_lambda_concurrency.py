"""Concurrent invocations in the Lambda emulator: held at a gate, counted, released."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from devstack.lambda_server import Lambda
from devstack.programs import LOOPBACK

Invoke = Callable[[str, object], dict[str, Any]]
InvokeOn = Callable[[Lambda], Invoke]
Gate = Callable[[], AbstractContextManager[dict[str, str]]]
RunService = Callable[..., AbstractContextManager[Lambda]]


def _wait_for_in_flight(service: Lambda, count: int) -> None:
    service.program.wait_ready(lambda: service.stats()["in_flight"] == count)


def test_as_many_as_allowed_run_at_once_in_own_processes(service: Lambda, invoke: Invoke, closed_gate: Gate) -> None:
    with ThreadPoolExecutor(3) as threads:
        with closed_gate() as event:
            running = [threads.submit(invoke, "gated", event) for _ in range(3)]
            _wait_for_in_flight(service, 3)
        pids = {call.result()["Payload"] for call in running}

    assert len(pids) == 3
    assert service.stats()["max_in_flight"] == 3


def test_one_more_is_429_with_retry_after_and_others_go_on(service: Lambda, invoke: Invoke, closed_gate: Gate) -> None:
    before = service.stats()["throttled"]
    with ThreadPoolExecutor(3) as threads:
        with closed_gate() as event:
            running = [threads.submit(invoke, "gated", event) for _ in range(3)]
            _wait_for_in_flight(service, 3)
            with pytest.raises(ClientError) as caught:
                invoke("gated", event)
        answers = [call.result() for call in running]

    refused = caught.value.response
    assert (
        refused["ResponseMetadata"]["HTTPStatusCode"],
        refused["Error"]["Code"],
    ) == (429, "TooManyRequestsException")
    assert refused["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"
    assert dict(refused)["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert all("FunctionError" not in answer for answer in answers)
    assert before + 1 == service.stats()["throttled"]


def test_concurrency_is_limited_per_function(service: Lambda, invoke: Invoke, closed_gate: Gate) -> None:
    with ThreadPoolExecutor(3) as threads:
        with closed_gate() as event:
            running = [threads.submit(invoke, "gated", event) for _ in range(3)]
            _wait_for_in_flight(service, 3)

            assert invoke("echo", {})["StatusCode"] == 200
        for call in running:
            call.result()


def test_a_queued_call_reuses_the_sandbox(run_service: RunService, invoke_on: InvokeOn, closed_gate: Gate) -> None:
    with run_service("--concurrency=1", "--queue-wait=50") as service, ThreadPoolExecutor(2) as threads:
        with closed_gate() as event:
            calls = [threads.submit(invoke_on(service), "gated", event) for _ in range(2)]
            _wait_for_in_flight(service, 1)
        pids = {call.result()["Payload"] for call in calls}
        stats = service.stats()

    assert (len(pids), stats["max_in_flight"], stats["invocations"], stats["throttled"]) == (1, 1, 2, 0)


def test_too_long_a_wait_is_throttled(run_service: RunService, invoke_on: InvokeOn, closed_gate: Gate) -> None:
    with run_service("--concurrency=1", "--queue-wait=0.1") as service, ThreadPoolExecutor(1) as threads:
        with closed_gate() as event:
            running = threads.submit(invoke_on(service), "gated", event)
            _wait_for_in_flight(service, 1)
            with pytest.raises(ClientError, match="TooManyRequestsException"):
                invoke_on(service)("gated", event)

        assert running.result()["StatusCode"] == 200


def test_an_invocation_outlives_a_caller_that_disconnects(service: Lambda, closed_gate: Gate) -> None:
    with closed_gate() as event:
        body = f'{{"gate": "{event["gate"]}"}}'.encode()
        head = (
            f"POST /2015-03-31/functions/gated/invocations HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection((LOOPBACK, service.port)) as caller:
            caller.sendall(head.encode() + body)
            _wait_for_in_flight(service, 1)
        before = service.stats()
    _wait_for_in_flight(service, 0)
    after = service.stats()

    assert before["in_flight"] == 1
    assert (len(before["recent"]) + 1, "ok") == (len(after["recent"]), after["recent"][-1]["status"])
    assert before["errors"] == after["errors"]


def test_an_extension_works_after_the_answer_and_keeps_its_sandbox_until_then(
    service: Lambda, invoke: Invoke, closed_gate: Gate, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    with ThreadPoolExecutor(1) as threads:
        with closed_gate() as event:
            first = invoke("leaves_work", {**event, "done": str(done)})["Payload"]
            # Its sandbox is not free, though the answer is here.
            waiting = threads.submit(invoke, "leaves_work", {})
            assert not done.exists()
        service.program.wait_ready(done.exists)
        second = waiting.result()["Payload"]

    assert first == second
    assert done.read_text() == "done"
