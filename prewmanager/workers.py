"""Several processes of the service on one port: all accept from one socket, so that a restart loses no connection."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time

import structlog
from prometheus_client.multiprocess import mark_process_dead

from prewmanager.config.settings import Settings
from prewmanager.server import run
from prewmanager.telemetry.logging import configure_logging

_RESTART_PAUSE_S = 1.0
_log = structlog.get_logger(__name__)


class Workers:
    """A parent that starts `count` workers, restarts those that die, and ends with the last one."""

    def __init__(self, settings: Settings, sock: socket.socket, count: int) -> None:
        """`sock` is listening; the workers inherit it."""
        self._settings = settings
        self._sock = sock
        self._count = count
        self._pids: set[int] = set()
        self._stopping = False
        # The parent keeps the write end open while it lives: end of file stops the workers, however the parent dies.
        self._alive_read, self._alive_write = os.pipe()

    def run(self) -> None:
        """Run until SIGTERM or SIGINT, which the workers get as SIGTERM; a second one kills them."""
        configure_logging(self._settings.log_level)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for _ in range(self._count):
            self._start()
        while self._pids:
            pid, status = os.wait()
            self._pids.discard(pid)
            mark_process_dead(pid)  # type: ignore[no-untyped-call]  # prometheus-client annotates only some
            if not self._stopping:
                _log.error("worker.died", pid=pid, status=os.waitstatus_to_exitcode(status))
                time.sleep(_RESTART_PAUSE_S)
                self._start()

    def _start(self) -> None:
        pid = os.fork()
        if pid == 0:
            self._work()
        self._pids.add(pid)

    def _work(self) -> None:
        """Run one worker, and exit without returning to the parent's code."""
        code = 1
        try:
            os.close(self._alive_write)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            # A terminal sends Ctrl-C to all processes; the parent handles it for them.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            run(self._settings, self._sock, signals=(signal.SIGTERM,), ends_with=self._alive_read)
            code = 0
        finally:
            os._exit(code)

    def _stop(self, *_: object) -> None:
        number = signal.SIGKILL if self._stopping else signal.SIGTERM
        self._stopping = True
        for pid in self._pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
