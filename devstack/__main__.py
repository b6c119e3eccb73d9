"""`python -m devstack`, which is `make up`: the whole system on this machine, until SIGINT or SIGTERM.

Exit codes: 0 after a requested stop, 1 when a part fails to start or ends by itself, 2 for an invalid setting.
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
    """SIGINT or SIGTERM was received; a `BaseException`, so that no error handler swallows it."""


def main() -> int:
    """Run the local system and return the exit code."""
    stop_on_signals()
    if started_by_make():
        end_with_make()
    console = Console()
    try:
        if make_env_file(ROOT):
            console.print("created .env from .env.example: edit the presets there", highlight=False)
        settings = read_local_settings(ROOT / ".env", os.environ)
        folder = ROOT / ".local"
        folder.mkdir(exist_ok=True)
        with only_one(folder):
            check_port(settings.port)
            run(settings, StackFile(folder), console)
    except StopRequested:
        console.print("all programs ended")
        return 0
    except (LocalSettingsError, AlreadyRunning) as error:
        print(error, file=sys.stderr)
        return 2
    except ProgramError as error:
        print(error, file=sys.stderr)
        return 1


def stop_on_signals() -> None:
    """Make the first SIGINT or SIGTERM raise `StopRequested`; further ones are ignored.

    Both are set explicitly: a shell's background job inherits SIGINT as ignored.
    """

    def stop(*_: object) -> NoReturn:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise StopRequested

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


def run(settings: LocalSettings, stack_file: StackFile, console: Console) -> NoReturn:
    """Start everything, print the addresses, and supervise until `StopRequested` or `ProgramError`."""
    with LocalSystem(ROOT, settings, console) as system:
        try:
            system.start()
            stack_file.write(system.endpoints | {"pids": system.pids})
            console.print(f"ready http://{LOOPBACK}:{settings.port}/", highlight=False)
            supervise(system, stack_file, console)
        finally:
            stack_file.remove()


def supervise(system: LocalSystem, stack_file: StackFile, console: Console) -> NoReturn:
    """Restart programs that end. Raises `ProgramError` if one must not be restarted."""
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
        # As nginx does: connections of an earlier nginx stay in TIME_WAIT for a minute, and must not count.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((LOOPBACK, port))
        except OSError as error:
            raise LocalSettingsError(
                f"port {port} cannot be used ({error.strerror}): set PREW_LOCAL_PORT to another"
            ) from error


if __name__ == "__main__":
    sys.exit(main())
