"""`python -m devstack`, which is `make up`: the whole system on this machine, until SIGINT or SIGTERM.

Exit codes: 0 when it was asked to end, 1 when a part could not be started or ended by itself, 2 when something has to
be set differently.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from devstack.local_settings import LocalSettings, LocalSettingsError, make_env_file, read_local_settings
from devstack.local_system import LocalSystem
from devstack.make_signals import end_with_make, make_was_interrupted, started_by_make
from devstack.programs import LOOPBACK, ProgramError
from devstack.state import AlreadyRunning, StackFile, only_one

ROOT = Path(__file__).resolve().parents[1]
_CHECK_EVERY_S = 0.2


class StopRequested(BaseException):
    """SIGINT or SIGTERM came; like `KeyboardInterrupt` no error, and passes through whatever waits."""


def main() -> int:
    """Run it all; returns the exit code."""
    stop_on_signals()
    if started_by_make():
        end_with_make()
    console = Console()
    try:
        if make_env_file(ROOT):
            console.print("made .env from .env.example: the presets are there, to be edited", highlight=False)
        settings = read_local_settings(ROOT / ".env", os.environ)
        folder = ROOT / ".local"
        folder.mkdir(exist_ok=True)
        with only_one(folder):
            check_port(settings.port)
            run(settings, StackFile(folder), console)
    except StopRequested:
        console.print("all ended")
        return 0
    except (LocalSettingsError, AlreadyRunning) as error:
        print(error, file=sys.stderr)
        return 2
    except ProgramError as error:
        print(error, file=sys.stderr)
        return 1


def stop_on_signals() -> None:
    """Have the first SIGINT or SIGTERM raise `StopRequested`; further ones change nothing.

    Both are set explicitly: a shell's background job inherits SIGINT as ignored.
    """

    def stop(*_: object) -> NoReturn:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise StopRequested

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


def run(settings: LocalSettings, stack_file: StackFile, console: Console) -> NoReturn:
    """Start everything, say where it answers, and look after it until `StopRequested` or `ProgramError`."""
    with LocalSystem(ROOT, settings, console) as system:
        try:
            system.start()
            stack_file.write(system.endpoints | {"pids": system.pids})
            console.print(f"ready http://{LOOPBACK}:{settings.port}/", highlight=False)
            supervise(system, stack_file, console)
        finally:
            stack_file.remove()


def supervise(system: LocalSystem, stack_file: StackFile, console: Console) -> NoReturn:
    """Start again what ended, where that does no harm; raises `ProgramError` where it would."""
    with_make = started_by_make()
    while not (with_make and make_was_interrupted()):
        time.sleep(_CHECK_EVERY_S)
        for watched in system.watched:
            happened = watched.check()
            if happened:
                console.print(happened, markup=False, highlight=False, soft_wrap=True)
                stack_file.write(system.endpoints | {"pids": system.pids})
    raise StopRequested


def check_port(port: int) -> None:
    """Raise `LocalSettingsError` when nginx could not listen on this loopback port."""
    with socket.socket() as sock:
        # As nginx does: connections of an nginx before, which linger for a minute, do not count.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((LOOPBACK, port))
        except OSError as error:
            raise LocalSettingsError(
                f"port {port} cannot be used ({error.strerror}): set PREW_LOCAL_PORT to another"
            ) from error


if __name__ == "__main__":
    sys.exit(main())
