"""The log of libraries: who logs, and an error's class; no text, which may repeat a setting."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import logging
from prewmanager.telemetry.logging import configure_logging
configure_logging("info")
try:
    int("hunter2")
except ValueError:
    logging.getLogger("library").exception("hunter2")
"""


@pytest.mark.fault("secret-in-setting")
def test_of_a_librarys_error_the_log_has_class_and_place() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    event = json.loads(done.stderr)

    assert (event["logger"], event["exception"]) == ("library", "ValueError")
    assert event["frames"] == ["<string>:6 <module>"]
    assert "hunter2" not in done.stderr
