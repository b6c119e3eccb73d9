"""The command line, imported once: each command is a fork, so that a hundred of them do not import it all anew.

One JSON object a line. In: `argv`, `env`, and the files that take `out` and `err`. Out: the exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
from pathlib import Path

import coverage

import prewmanager.commands
from prewmanager.cli import app

_ROOT = Path(__file__).resolve().parents[2]


class ReadyMade:
    """A process that runs commands, one after another; `close` it."""

    def __init__(self) -> None:
        argv = [sys.executable, "-m", "tests.commands.ready_made"]
        self._process = subprocess.Popen(argv, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, argv: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
            order = {"argv": argv, "env": env, "out": out.name, "err": err.name}
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            code = json.loads(self._process.stdout.readline())
            texts = (Path(each.name).read_text(encoding="utf-8") for each in (out, err))
            return subprocess.CompletedProcess(argv, code, *texts)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def _serve() -> None:
    for module in pkgutil.walk_packages(prewmanager.commands.__path__, "prewmanager.commands."):
        importlib.import_module(module.name)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(order)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 -- the protocol's answer


def _become(order: dict[str, object]) -> None:
    for number, name in ((0, os.devnull), (1, str(order["out"])), (2, str(order["err"]))):
        os.dup2(os.open(name, os.O_RDWR), number)
    os.environ.clear()
    os.environ.update(order["env"])  # type: ignore[call-overload]
    sys.argv = ["prewmanager", *order["argv"]]  # type: ignore[misc]
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
        os._exit(code)


if __name__ == "__main__":
    _serve()
