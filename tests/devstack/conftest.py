"""The Lambda emulator with functions that misbehave in one way each."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack.lambda_server import Lambda, lambda_client, start_lambda

FUNCTIONS = Path(__file__).parent / "functions"
NAMES = ("echo", "fail", "leave", "answer", "hang", "gated", "leaves_work")

Invoke = Callable[[str, object], dict[str, Any]]


@contextlib.contextmanager
def _run(folder: Path, *options: str) -> Iterator[Lambda]:
    functions = {name: f"local_functions.{name}" for name in NAMES} | {"nowhere": "no_such_module.handler"}
    env = {**os.environ, "COLOUR": "green"}
    service = start_lambda(folder, functions, f"--task-root={FUNCTIONS}", *options, env=env)
    try:
        yield service
    finally:
        service.program.stop()


@pytest.fixture(scope="module", name="service")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambda]:
    """A service that runs up to three invocations at once."""
    with _run(tmp_path_factory.mktemp("lambda"), "--concurrency=3", "--memory=512") as service:
        yield service


@pytest.fixture(name="run_service")
def _run_service(tmp_path: Path) -> Callable[..., contextlib.AbstractContextManager[Lambda]]:
    """Runs a separate service with these command-line options."""
    return functools.partial(_run, tmp_path)


def _invoke(service: Lambda, name: str, event: object) -> dict[str, Any]:
    answer: dict[str, Any] = lambda_client(service).invoke(FunctionName=name, Payload=json.dumps(event))
    return answer | {"Payload": json.loads(answer["Payload"].read())}


@pytest.fixture(name="invoke_on")
def _invoke_on() -> Callable[[Lambda], Invoke]:
    """Invokes: returns boto3's answer for (name, event), with the payload parsed."""
    return lambda service: functools.partial(_invoke, service)


@pytest.fixture(name="invoke")
def _invoke_here(service: Lambda) -> Invoke:
    """Invokes likewise, on the shared service."""
    return functools.partial(_invoke, service)


@pytest.fixture(name="closed_gate")
def _closed_gate(tmp_path: Path) -> Callable[[], contextlib.AbstractContextManager[dict[str, str]]]:
    """An event for `gated`, whose gate is closed inside the block."""

    @contextlib.contextmanager
    def closed() -> Iterator[dict[str, str]]:
        path = tmp_path / "gate"
        with path.open("wb") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            yield {"gate": str(path)}

    return closed
