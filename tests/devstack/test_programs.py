"""Programs of the operating system: started, awaited, ended with all their children."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.__main__ import check_port
from devstack.local_settings import LocalSettingsError
from devstack.programs import LOOPBACK, Program, ProgramError, find, free_ports

ROOT = Path(__file__).resolve().parents[2]
ENDS_WITHIN_S = 20


def test_files_that_a_program_leaves_behind_are_deleted(tmp_path: Path) -> None:
    left, never = tmp_path / "left.sock", tmp_path / "never.sock"
    left.touch()
    Program("leaves", ["sleep", "60"], tmp_path / "log", leaves=[left, never]).stop()

    assert not left.exists()


def test_its_children_end_with_it(tmp_path: Path) -> None:
    script = "trap '' TERM; sleep 600 & echo $! > child; exec 3<>fifo; echo x >&3; wait"
    os.mkfifo(tmp_path / "fifo")
    program = Program("parent", ["sh", "-c", script], tmp_path / "log", cwd=tmp_path)
    with (tmp_path / "fifo").open("rb") as started:
        started.read(2)
    program.stop(within_s=0.1)
    child = Path("/proc", (tmp_path / "child").read_text().strip(), "status")
    program_gone = program.process.returncode == -signal.SIGKILL
    while child.exists() and "State:\tZ" not in child.read_text():
        os.sched_yield()

    assert program_gone


def test_a_program_that_ends_early_is_reported_with_exit_code_and_log(tmp_path: Path) -> None:
    program = Program("short", ["sh", "-c", "echo no config; exit 4"], tmp_path / "log")
    with pytest.raises(ProgramError, match=r"short ended with 4:\nno config"):
        program.wait_ready(lambda: False)
    with pytest.raises(ProgramError, match="short failed with 4"):
        program.wait_done()


def test_waiting_for_a_program_times_out(tmp_path: Path) -> None:
    program = Program("slow", ["sleep", "60"], tmp_path / "log")
    try:
        with pytest.raises(ProgramError, match="slow did not answer within 0 s"):
            program.wait_ready(lambda: False, within_s=0)
    finally:
        program.kill()


def test_a_program_that_is_not_installed_is_named() -> None:
    with pytest.raises(ProgramError, match="no-such-program is not installed: run `make install`"):
        find("no-such-program")


def test_free_ports_are_different() -> None:
    assert len(set(free_ports(20))) == 20


def test_a_port_in_use_is_refused_with_the_variables_name() -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LocalSettingsError, match=f"port {port} .*PREW_LOCAL_PORT"):
            check_port(port)
    check_port(port)


def test_a_program_ignores_no_signal_that_its_starter_ignores(tmp_path: Path) -> None:
    """A shell's background job inherits SIGINT as ignored, a program under nohup SIGHUP."""
    numbers = (signal.SIGINT, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        program = Program("status", ["grep", "SigIgn", "/proc/self/status"], tmp_path / "log")
        program.wait_done()
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    ignored = int(program.tail().split()[1], 16)

    assert [number for number in numbers if ignored & 1 << (number - 1)] == []


@contextlib.contextmanager
def _make(folder: Path, program: str, *before: str) -> Iterator[Program]:
    """Runs make with this Python program as its recipe, which has printed a line; killed at the end."""
    (folder / "program.py").write_text(program)
    (folder / "Makefile").write_text(f"up:\n\t@{sys.executable} program.py\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    make = Program("make", [*before, "make", "--no-print-directory", "up"], folder / "log", environment, cwd=folder)
    try:
        make.wait_ready(lambda: make.tail() != "")
        yield make
    finally:
        make.kill()


def test_sigint_to_make_alone_ends_its_child(tmp_path: Path) -> None:
    program = (
        "import os\n"
        "from devstack.make_signals import make_was_interrupted, started_by_make\n"
        "print(started_by_make(), make_was_interrupted(), flush=True)\n"
        "while not make_was_interrupted(): os.sched_yield()\n"
        "print('told', flush=True)\n"
    )
    with _make(tmp_path, program) as make:
        os.kill(make.pid, signal.SIGINT)
        make.process.wait(ENDS_WITHIN_S)

        assert make.tail().splitlines()[:2] == ["True False", "told"]


@pytest.mark.parametrize("to_make", [True, False], ids=["SIGTERM to make", "SIGINT to all"])
def test_make_in_the_background_ends_its_child(tmp_path: Path, *, to_make: bool) -> None:
    """Such a make ignores SIGINT, its child does not; SIGTERM is passed on."""
    program = (
        "import signal\n"
        "from devstack.__main__ import StopRequested, stop_on_signals\n"
        "stop_on_signals()\n"
        "try:\n"
        "    print('runs', flush=True)\n"
        "    signal.pause()\n"
        "except StopRequested:\n"
        "    print('told', flush=True)\n"
    )
    with _make(tmp_path, program, "sh", "-c", 'trap "" INT HUP; exec "$@"', "sh") as make:
        if to_make:
            os.kill(make.pid, signal.SIGTERM)
        else:
            make.signal(signal.SIGINT)
        make.process.wait(ENDS_WITHIN_S)

        assert make.tail().splitlines()[:2] == ["runs", "told"]
