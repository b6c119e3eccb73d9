"""Real programs that end while the local system runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack.programs import Program, ProgramError
from devstack.watch import RESTARTS, WITHIN_S, Watched


def _running(folder: Path) -> Program:
    return Program("replica", ["sleep", "60"], folder / "running.log")


def _ended(folder: Path) -> Program:
    program = Program("replica", ["sh", "-c", "echo the reason; exit 3"], folder / "ended.log")
    program.process.wait()
    return program


def test_a_running_program_is_left_alone(tmp_path: Path) -> None:
    watched = Watched(_running(tmp_path))
    event = watched.check()
    watched.stop()

    assert event is None
    assert not watched.program.alive


def test_an_ended_program_is_restarted_with_its_exit_code_and_log_reported(tmp_path: Path) -> None:
    replacement = _running(tmp_path)
    watched = Watched(_ended(tmp_path), lambda: replacement)
    event = watched.check()
    watched.stop()

    assert event is not None
    assert event.startswith("replica ended with 3")
    assert "the reason" in event
    assert watched.program is replacement
    assert not replacement.alive


def test_the_end_of_a_program_without_restart_is_an_error_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match=r"(?s)replica ended with 3.*the reason"):
        Watched(_ended(tmp_path)).check()


def test_too_many_restarts_within_a_minute_are_an_error(tmp_path: Path) -> None:
    watched = Watched(_ended(tmp_path), lambda: _ended(tmp_path))
    for second in range(RESTARTS):
        watched.check(now=float(second))
    with pytest.raises(ProgramError, match="ended"):
        watched.check(now=WITHIN_S - 1)

    assert watched.check(now=WITHIN_S)
