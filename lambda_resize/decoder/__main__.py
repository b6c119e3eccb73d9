"""`python -m lambda_resize.decoder [--processes N] [PATH]`: serves at a Unix socket with N processes.

Without a path the socket comes from systemd, as its first (file descriptor 3). A process that ends, by its photo or at
the time limit, is replaced.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from typing import NoReturn

from lambda_resize.decoder.server import bound_memory, serve

_FIRST_OF_SYSTEMD = 3  # sd_listen_fds(3): SD_LISTEN_FDS_START
_PAUSE_S = 0.05  # before a process is replaced, whatever ends them

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Serve until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(prog="python -m lambda_resize.decoder", description=__doc__)
    parser.add_argument("--processes", type=_count, default=len(os.sched_getaffinity(0)), help="default: one a core")
    parser.add_argument("path", nargs="?", help="of the socket to create; default: the socket that systemd passes")
    given = parser.parse_args(arguments)
    try:
        listener = _created(given.path) if given.path else _passed()
    except OSError as error:
        parser.error(f"no socket to serve at: {error}")
    bound_memory()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    _keep(listener, given.processes)


def _count(text: str) -> int:
    """A number of processes; systemd passes an empty text where site.env has none."""
    if not text:
        return len(os.sched_getaffinity(0))
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def _created(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()
    return listener


def _passed() -> socket.socket:
    listener = socket.socket(fileno=_FIRST_OF_SYSTEMD)
    if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise OSError("what systemd passes does not listen")
    listener.setblocking(True)
    return listener


def _start(listener: socket.socket) -> int:
    """Fork a process that serves, and return its id. libvips has no threads before the first photo."""
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            serve(listener)
        except BaseException:  # noqa: BLE001 -- it must not return into the parent's code
            traceback.print_exc()
        finally:
            os._exit(1)
    return pid


def _keep(listener: socket.socket, processes: int) -> NoReturn:
    running: set[int] = set()
    try:
        while True:
            while len(running) < processes:
                running.add(_start(listener))
            pid, status = os.wait()
            running.remove(pid)
            logger.warning(json.dumps({"decoder": "replaced", "status": os.waitstatus_to_exitcode(status)}))
            time.sleep(_PAUSE_S)
    finally:
        for pid in running:
            os.kill(pid, signal.SIGTERM)


if __name__ == "__main__":
    main()
