"""Programs that end while the local system runs; real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack.programs import Program, ProgramError
from devstack.watch import RESTARTS, WITHIN_S, Watched


def _ended(folder: Path, code: int = 3) -> Program:
    program = Program("replica", ["sh", "-c", f"echo the reason; exit {code}"], folder / "replica.log")
    program.process.wait()
    return program


def test_a_program_that_runs_is_left_alone(tmp_path: Path) -> None:
    """Nothing happens and nothing is ended."""
    watched = Watched(Program("sleeper", ["sleep", "60"], tmp_path / "log"))
    ended = watched.check()
    watched.stop()

    assert ended is None
    assert not watched.program.alive


def test_one_that_may_be_started_again_is(tmp_path: Path) -> None:
    """Which one, its exit code and the end of its log are ended; the new one is watched from then on."""
    again = Program("replica", ["sleep", "60"], tmp_path / "again.log")
    watched = Watched(_ended(tmp_path), lambda: again)
    ended = watched.check()
    watched.stop()

    assert ended is not None
    assert ended.startswith("replica ended with 3")
    assert "the reason" in ended
    assert watched.program is again
    assert not again.alive


def test_one_that_must_not_is_the_end(tmp_path: Path) -> None:
    """Without a way to start it again, its end is an error that shows its log."""
    with pytest.raises(ProgramError, match=r"(?s)replica ended with 3.*the reason"):
        Watched(_ended(tmp_path)).check()


def test_one_that_keeps_ending_is_given_up(tmp_path: Path) -> None:
    """After so many restarts within a minute the next end counts; spread over more time it does not."""
    watched = Watched(_ended(tmp_path), lambda: _ended(tmp_path))
    for second in range(RESTARTS):
        watched.check(now=float(second))
    with pytest.raises(ProgramError, match="ended"):
        watched.check(now=WITHIN_S - 1)

    assert watched.check(now=WITHIN_S)
