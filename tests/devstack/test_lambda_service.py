"""The Lambda emulator, called by boto3, with functions in real Lambda runtime clients."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from devstack.lambda_server import Lambda, lambda_client

LIMIT_BYTES = 6_291_556
Invoke = Callable[[str, object], dict[str, Any]]
InvokeOn = Callable[[Lambda], Invoke]
RunService = Callable[..., AbstractContextManager[Lambda]]


def test_an_answer_is_the_functions_payload_with_status_version_and_request_id(invoke: Invoke) -> None:
    answer = invoke("echo", {"key": "фото", "n": [1, None]})

    assert answer["Payload"]["event"] == {"key": "фото", "n": [1, None]}
    assert (answer["StatusCode"], answer["ExecutedVersion"], answer.get("FunctionError")) == (200, "$LATEST", None)
    assert answer["Payload"]["request_id"] == answer["ResponseMetadata"]["RequestId"]


def test_a_function_sees_lambdas_environment(invoke: Invoke, service: Lambda) -> None:
    seen = invoke("echo", {})["Payload"]

    expected = {
        "AWS_LAMBDA_FUNCTION_NAME": "echo",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_REGION": "us-east-1",
        "LAMBDA_TASK_ROOT": seen["folder"],
        "_HANDLER": "local_functions.echo",
        "COLOUR": "green",
    }
    assert expected == {name: seen["environment"][name] for name in expected}
    assert seen["arn"].endswith(":function:echo")
    assert 0 < seen["remaining_ms"] <= 30_000
    assert str(service.port) not in seen["environment"]["AWS_LAMBDA_RUNTIME_API"]


def test_a_second_call_reuses_the_warm_sandbox(invoke: Invoke, service: Lambda) -> None:
    first = invoke("echo", {})["Payload"]
    cold_starts = service.stats()["cold_starts"]
    second = invoke("echo", {})["Payload"]

    assert (first["pid"], first["calls"] + 1) == (second["pid"], second["calls"])
    assert cold_starts == service.stats()["cold_starts"]
    assert service.stats()["recent"][-1]["init_ms"] == 0


@pytest.mark.parametrize(
    "name", ["echo:$LATEST", "arn:aws:lambda:us-east-1:000000000000:function:echo", "000000000000:function:echo"]
)
def test_name_partial_arn_and_arn_denote_one_function(invoke: Invoke, name: str) -> None:
    assert invoke(name, {})["Payload"]["environment"]["AWS_LAMBDA_FUNCTION_NAME"] == "echo"


def test_no_payload_is_an_empty_event(service: Lambda) -> None:
    answer = lambda_client(service).invoke(FunctionName="echo")

    assert json.loads(answer["Payload"].read())["event"] == {}


def test_a_dry_run_is_204_and_invokes_nothing(service: Lambda) -> None:
    before = service.stats()["invocations"]
    answer = lambda_client(service).invoke(FunctionName="echo", InvocationType="DryRun")

    assert (204, before) == (answer["StatusCode"], service.stats()["invocations"])


def test_an_exception_is_a_function_error_and_the_sandbox_goes_on(invoke: Invoke, service: Lambda) -> None:
    answer = invoke("fail", {})
    pids = service.stats()["sandboxes"]
    invoke("fail", {})

    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert (answer["Payload"]["errorType"], answer["Payload"]["errorMessage"]) == ("ValueError", "no picture")
    assert pids == service.stats()["sandboxes"]


@pytest.mark.parametrize(
    ("code", "how"), [(3, "Runtime exited with error: exit status 3"), (0, "Runtime exited without providing a reason")]
)
def test_a_process_that_exits_is_an_error_and_is_replaced(invoke: Invoke, service: Lambda, code: int, how: str) -> None:
    answer = invoke("leave", {"code": code})
    cold_starts = service.stats()["cold_starts"]
    invoke("leave", {"code": code})

    assert (answer["FunctionError"], answer["Payload"]["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert answer["Payload"]["errorMessage"].endswith(how)
    assert cold_starts + 1 == service.stats()["cold_starts"]


def test_a_warm_sandbox_that_was_killed_is_replaced(invoke: Invoke, service: Lambda) -> None:
    pid = invoke("echo", {})["Payload"]["pid"]
    os.kill(pid, signal.SIGKILL)
    service.program.wait_ready(lambda: pid not in service.stats()["sandboxes"])

    assert pid != invoke("echo", {})["Payload"]["pid"]


def test_each_call_of_a_function_that_cannot_be_loaded_gets_the_error(invoke: Invoke) -> None:
    for _ in range(2):
        answer = invoke("nowhere", {})

        assert (answer["FunctionError"], answer["Payload"]["errorType"]) == ("Unhandled", "Runtime.ImportModuleError")
        assert "no_such_module" in answer["Payload"]["errorMessage"]


def test_an_answer_may_be_as_large_as_the_limit(invoke: Invoke) -> None:
    answer = invoke("answer", {"bytes": LIMIT_BYTES})

    assert (answer.get("FunctionError"), len(answer["Payload"])) == (None, LIMIT_BYTES - 2)


@pytest.mark.parametrize("size", [LIMIT_BYTES + 1, 7_000_000])
def test_one_byte_above_the_limit_is_a_function_error(invoke: Invoke, size: int) -> None:
    answer = invoke("answer", {"bytes": size})

    assert (answer["FunctionError"], answer["Payload"]["errorType"]) == ("Unhandled", "Function.ResponseSizeTooLarge")
    assert invoke("answer", {"bytes": 10})["Payload"] == "xxxxxxxx"


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        ({"FunctionName": "nobody"}, 404, "ResourceNotFoundException"),
        ({"FunctionName": "echo", "Qualifier": "7"}, 404, "ResourceNotFoundException"),
        ({"FunctionName": "echo:live"}, 404, "ResourceNotFoundException"),
        ({"FunctionName": "echo", "Payload": b"{'single': 1}"}, 400, "InvalidRequestContentException"),
        ({"FunctionName": "echo", "Payload": b"\xff"}, 400, "InvalidRequestContentException"),
        ({"FunctionName": "echo", "Payload": b"1" * (LIMIT_BYTES + 1)}, 413, "RequestTooLargeException"),
        (
            {"FunctionName": "echo", "InvocationType": "Event", "Payload": b'"%s"' % (b"x" * 1_048_575)},
            413,
            "RequestTooLargeException",
        ),
        ({"FunctionName": "echo:7", "InvocationType": "Event"}, 404, "ResourceNotFoundException"),
        ({"FunctionName": "what is this"}, 400, "InvalidParameterValueException"),
    ],
)
def test_an_invalid_call_gets_awss_status_and_error_type_and_invokes_nothing(
    service: Lambda, arguments: dict[str, Any], status: int, code: str
) -> None:
    before = service.stats()["invocations"]
    with pytest.raises(ClientError) as caught:
        lambda_client(service).invoke(**arguments)

    assert (status, code) == (
        caught.value.response["ResponseMetadata"]["HTTPStatusCode"],
        caught.value.response["Error"]["Code"],
    )
    assert before == service.stats()["invocations"]


def test_a_time_out_ends_the_sandbox_and_the_next_gets_another(run_service: RunService, invoke_on: InvokeOn) -> None:
    with run_service("--timeout=0.5") as service:
        answer = invoke_on(service)("hang", {})
        stats = service.stats()
        request_id = answer["ResponseMetadata"]["RequestId"]
        expected = f"RequestId: {request_id} Error: Task timed out after 0.50 seconds"

        assert (answer["FunctionError"], answer["Payload"]["errorType"]) == ("Unhandled", "Sandbox.Timedout")
        assert expected == answer["Payload"]["errorMessage"]
        assert (stats["sandboxes"], stats["timeouts"], stats["errors"]) == ([], 1, 1)
        assert invoke_on(service)("echo", {})["StatusCode"] == 200


def test_a_failed_asynchronous_event_is_retried_twice(run_service: RunService) -> None:
    with run_service("--retry-pause=0") as service:
        client = lambda_client(service)
        answer = client.invoke(FunctionName="fail", InvocationType="Event", Payload=b"{}")
        client.invoke(FunctionName="echo", InvocationType="Event", Payload=b"{}")
        service.program.wait_ready(lambda: service.stats()["invocations"] == 4 and not service.stats()["in_flight"])
        recent = [(each["function"], each["status"]) for each in service.stats()["recent"]]

        assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
        assert sorted(recent) == [("echo", "ok"), ("fail", "error"), ("fail", "error"), ("fail", "error")]


def test_a_throttled_asynchronous_event_waits_and_uses_up_no_retry(
    run_service: RunService, closed_gate: Callable[[], AbstractContextManager[dict[str, str]]]
) -> None:
    with run_service("--concurrency=1", "--retry-pause=0.1") as service:
        with closed_gate() as event:
            answering = threading.Thread(
                target=lambda_client(service).invoke, kwargs={"FunctionName": "gated", "Payload": json.dumps(event)}
            )
            answering.start()
            service.program.wait_ready(lambda: service.stats()["in_flight"] == 1)
            lambda_client(service).invoke(FunctionName="gated", InvocationType="Event", Payload=json.dumps(event))
            service.program.wait_ready(lambda: service.stats()["throttled"] >= 1)
        answering.join()
        service.program.wait_ready(lambda: [each["status"] for each in service.stats()["recent"]] == ["ok", "ok"])


def test_sandboxes_end_with_a_service_that_is_killed(run_service: RunService, invoke_on: InvokeOn) -> None:
    with run_service() as service:
        process = Path("/proc", str(invoke_on(service)("echo", {})["Payload"]["pid"]))
        os.kill(service.program.pid, signal.SIGKILL)
        service.program.process.wait()
        _wait_for(lambda: not _runs(process))


def _runs(process: Path) -> bool:
    try:
        return "State:\tZ" not in (process / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _wait_for(holds: Callable[[], bool]) -> None:
    while not holds():
        os.sched_yield()
