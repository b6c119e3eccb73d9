"""Starts real programs on loopback ports, waits until they answer, and ends them with all their children.

Used by the local system (`make up`) and the tests' fixtures.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

LOOPBACK = "127.0.0.1"
READY_WITHIN_S = 30.0
STOPS_WITHIN_S = 10.0
_POLL_S = 0.02
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True)


class ProgramError(Exception):
    """A program could not be found, did not become ready in time, or ended early."""


def free_ports(count: int) -> list[int]:
    """Return `count` different TCP ports that are free on loopback now."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind((LOOPBACK, 0))
        return [int(sock.getsockname()[1]) for sock in sockets]


def find(executable: str) -> str:
    """Return an executable's absolute path: from this virtual environment, PATH, or the sbin folders.

    Raises `ProgramError` with the executable's name if there is none.
    """
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]
    found = shutil.which(executable, path=os.pathsep.join(places))
    if found is None:
        raise ProgramError(f"{executable} is not installed: run `make install`")
    return found


def answers(port: int) -> bool:
    """Return whether a server accepts TCP connections on this loopback port."""
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex((LOOPBACK, port)) == 0


def is_ok(url: str) -> bool:
    """Return whether this `http://` address answers 200."""
    try:
        with urlopen(url, timeout=5) as response:  # noqa: S310 -- of this machine
            return bool(response.status == 200)  # noqa: PLR2004 -- OK
    except (URLError, ConnectionError, TimeoutError):
        return False


def die_with_parent(number: signal.Signals = signal.SIGTERM) -> None:
    """Make the kernel send this signal to the calling process when its parent ends.

    A supervisor that gets SIGKILL cannot clean up, so the kernel ends its children.
    """
    _LIBC.prctl(_PR_SET_PDEATHSIG, number)


def ignore_no_signal() -> None:
    """Reset the calling process's ignored termination signals to their defaults.

    A shell's background job inherits SIGINT as ignored, a program under nohup SIGHUP; so would their children, and many
    programs keep it that way.
    """
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _begin() -> None:
    ignore_no_signal()
    die_with_parent()


class Program:
    """A running program in its own process group, its output in `log`."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        *,
        leaves: Sequence[Path] = (),
    ) -> None:
        """Start `argv` at once.

        `env` is the program's complete environment (None: inherited). `leaves` are files that it leaves behind when it
        ends, and which are then deleted. Raises `ProgramError` if the program cannot be run.
        """
        self.name = name
        self.log = log
        self._leaves = leaves
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            try:
                self.process = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    env=None if env is None else dict(env),
                    cwd=cwd,
                    start_new_session=True,
                    preexec_fn=_begin,  # noqa: PLW1509 -- a few system calls; the parent forks before it has threads
                )
            except OSError as error:
                raise ProgramError(f"{name} could not be started: {error}") from error

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its process group."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether the program itself is still running."""
        return self.process.poll() is None

    def wait_ready(self, ready: Callable[[], bool], within_s: float = READY_WITHIN_S) -> None:
        """Return as soon as `ready()` holds. Raises `ProgramError` with the end of the log if it never does."""
        deadline = time.monotonic() + within_s
        while not ready():
            if not self.alive:
                raise ProgramError(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise ProgramError(f"{self.name} did not answer within {within_s:.0f} s:\n{self.tail()}")
            time.sleep(_POLL_S)

    def wait_done(self) -> None:
        """Return when it has ended by itself. Raises `ProgramError` with the end of the log if it failed."""
        if self.process.wait() != 0:
            raise ProgramError(f"{self.name} failed with {self.process.returncode}:\n{self.tail()}")

    def tail(self, lines: int = 20) -> str:
        """The last lines of its output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole process group; does nothing if that has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def stop(self, within_s: float = STOPS_WITHIN_S) -> None:
        """Send SIGTERM, and SIGKILL after `within_s`; return when the whole group has ended."""
        if self.alive:
            self.signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(within_s)
        self.kill()

    def kill(self) -> None:
        """Send SIGKILL to the whole group; return when the program has ended."""
        self.signal(signal.SIGKILL)
        self.process.wait()
        for path in self._leaves:
            path.unlink(missing_ok=True)
