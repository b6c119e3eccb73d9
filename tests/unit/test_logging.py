"""The log: each event is one line of JSON, libraries' too, without secrets; what cannot be written is counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prewmanager.telemetry.redaction import Redaction

CONFIGURED = """
import asyncio, gc, logging, os, sys, threading, warnings
import structlog
from prewmanager.telemetry.logging import LOG, configure_logging, log_loose_tracebacks
configure_logging("info")
log_loose_tracebacks()
lost = []
LOG.report_losses(lambda: lost.append(1))
"""
EVENTS = {
    "a library's error": "try: int('x y')\nexcept ValueError: logging.getLogger('library').exception('it\\nbroke')",
    "a task's error": "async def f():\n asyncio.get_running_loop().call_soon(int, 'x y')\n await asyncio.sleep(0)\n"
    "asyncio.run(f())",
    "a thread's error": "t = threading.Thread(target=int, args=('x y',)); t.start(); t.join()",
    "an error that nobody catches": "int('x y')",
    "an error of a finalizer": "class A:\n def __del__(self): int('x y')\nA(); gc.collect()",
}


def _run(script: str, **options: Any) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", CONFIGURED + script]
    return subprocess.run(argv, text=True, check=False, **{"stderr": subprocess.PIPE, **options})


@pytest.mark.parametrize("script", EVENTS.values(), ids=EVENTS)
def test_a_traceback_is_one_line_with_time_message_and_place(script: str) -> None:
    lines = _run(script).stderr.splitlines()
    event = json.loads(lines[0])

    assert len(lines) == 1
    assert event["timestamp"].endswith("Z")
    assert event["event"]
    assert event["exception"] == "ValueError"
    assert "invalid literal for int() with base 10: 'x y'" in event["traceback"]
    assert "File " in event["traceback"]


def test_a_warning_is_one_line() -> None:
    (line,) = _run("warnings.warn('old\\nand new')").stderr.splitlines()

    assert "UserWarning: old\nand new" in json.loads(line)["event"]


def test_a_library_that_logs_wrongly_is_one_line() -> None:
    (line,) = _run("logging.getLogger('library').error('%d', 'x')").stderr.splitlines()

    assert json.loads(line)["logger"] == "library"


@pytest.mark.fault("secret-in-setting")
def test_of_a_setting_that_a_library_repeats_the_log_has_no_secret() -> None:
    script = "logging.getLogger('library').error('%s', dict(os.environ))"
    secrets = {
        "AWS_SECRET_ACCESS_KEY": "hunter2/a+b",
        "AWS_SESSION_TOKEN": "hunter3",
        "PREW_REDIS_URL": "redis://user:hunter4%2F@redis:6379/0",
        "HTTPS_PROXY": "http://me:hunter5@proxy:3128",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "api-key=hunter6",
    }
    (line,) = _run(script, env=os.environ | secrets).stderr.splitlines()

    assert "hunter" not in line
    assert "@redis:6379/0" in json.loads(line)["event"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password p@ss/w0rd refused", "password *** refused"),
        ("password p%40ss%2Fw0rd refused", "password *** refused"),
        ("to http://u:other@host:1/a?b", "to http://***@host:1/a?b"),
        ("GET /k?X-Amz-Signature=abc&x=1", "GET /k?X-Amz-Signature=***&x=1"),
        ("Authorization: AWS4 Credential=abc", "Authorization: ***"),
        ("nothing of it", "nothing of it"),
    ],
)
def test_what_is_redacted(text: str, shown: str) -> None:
    redaction = Redaction.of({"PREW_REDIS_URL": "redis://:p%40ss%2Fw0rd@redis:6379/0", "SHORT_TOKEN": "of"})

    assert redaction.applied(text) == shown


WRITES = """
log = structlog.get_logger()
for _ in range(3): log.info("event")
logging.getLogger("library").error("event")
os.write(1, str(len(lost)).encode())
"""


@pytest.mark.fault("log-unwritable")
def test_a_full_disk_costs_lines_and_nothing_else() -> None:
    with Path("/dev/full").open("wb") as full:
        done = _run(WRITES, stderr=full, stdout=subprocess.PIPE)

    assert (done.returncode, done.stdout) == (0, "4")


@pytest.mark.fault("log-unwritable")
def test_a_pipe_that_nobody_reads_any_more_costs_lines_and_nothing_else() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    done = _run(WRITES, stderr=writes, stdout=subprocess.PIPE)
    os.close(writes)

    assert (done.returncode, done.stdout) == (0, "4")


@pytest.mark.fault("log-unwritable")
def test_a_connection_never_gets_the_log_of_a_closed_standard_error() -> None:
    script = f"{WRITES}\nos.write(1, os.readlink('/proc/self/fd/2').encode())"
    shell = ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, CONFIGURED + script]
    done = subprocess.run(shell, capture_output=True, text=True, check=True)

    assert done.stdout == "0/dev/null"
