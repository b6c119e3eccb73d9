"""The command line, imported once: each command is a fork of one process, which saves a hundred imports.

One JSON object a line: `argv`, `env`, the files for `out` and `err`, the FIFO for the exit `code`;
of a program that is to be ended, also a FIFO for its `pid`.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import coverage

import prewmanager.commands
from prewmanager.cli import app

_OF_SERVE = ("app", "listening", "server")  # imported by `serve` alone
_ROOT = Path(__file__).resolve().parents[2]


class Order(TypedDict):
    """One command to run."""

    argv: list[str]
    env: dict[str, str]
    out: str
    err: str
    code: str
    pid: str | None


class ForkServer:
    """A process that runs commands, any number at once; `close` it."""

    def __init__(self) -> None:
        argv = [sys.executable, "-m", "tests.commands.fork_server"]
        self._process = subprocess.Popen(argv, cwd=_ROOT, stdin=subprocess.PIPE, text=True)

    def run(self, argv: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        with tempfile.TemporaryDirectory() as folder:
            order = _order(Path(folder), argv, env)
            self._send(order)
            exit_code = int(Path(order["code"]).read_text(encoding="utf-8"))
            texts = (Path(each).read_text(encoding="utf-8") for each in (order["out"], order["err"]))
            return subprocess.CompletedProcess(argv, exit_code, *texts)

    @contextlib.contextmanager
    def running(self, argv: list[str], env: dict[str, str]) -> Iterator[Path]:
        """Run a program until the block ends, which gets the file of its standard error; SIGTERM ends it."""
        with tempfile.TemporaryDirectory() as folder:
            pid = Path(folder) / "pid"
            os.mkfifo(pid)
            order = _order(Path(folder), argv, env, pid)
            self._send(order)
            number = int(pid.read_text(encoding="utf-8"))
            try:
                yield Path(order["err"])
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGTERM)
                Path(order["code"]).read_text(encoding="utf-8")

    def _send(self, order: Order) -> None:
        assert self._process.stdin is not None
        # One write, which no other thread's can interrupt.
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def _order(folder: Path, argv: list[str], env: dict[str, str], pid: Path | None = None) -> Order:
    out, err, code = (folder / name for name in ("out", "err", "code"))
    os.mkfifo(code)
    return Order(argv=argv, env=env, out=str(out), err=str(err), code=str(code), pid=None if pid is None else str(pid))


def _serve() -> None:
    for module in pkgutil.walk_packages(prewmanager.commands.__path__, "prewmanager.commands."):
        importlib.import_module(module.name)
    for name in _OF_SERVE:
        importlib.import_module(f"prewmanager.{name}")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the forks are not waited for: each writes its own exit code
    for line in sys.stdin:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _become(json.loads(line))


def _become(order: Order) -> None:
    for number, name in ((0, os.devnull), (1, order["out"]), (2, order["err"])):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT), number)
    if order["pid"] is not None:
        Path(order["pid"]).write_text(str(os.getpid()), encoding="utf-8")
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = ["prewmanager", *order["argv"]]
    code = 1
    try:
        app()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        measuring = coverage.Coverage.current()
        if measuring is not None:
            measuring.stop()
            measuring.save()
        Path(order["code"]).write_text(str(code), encoding="utf-8")
        os._exit(0)


if __name__ == "__main__":
    _serve()
