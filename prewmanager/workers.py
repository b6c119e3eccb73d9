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
from prewmanager.errors import InvalidSettings
from prewmanager.server import run
from prewmanager.telemetry.logging import configure_logging, log_loose_tracebacks
from prewmanager.telemetry.processes import worker_deaths

_RESTART_PAUSE_S = 1.0
_LONGEST_REFUSAL = 4096  # bytes, which a pipe takes at once
_STOPS = frozenset({signal.SIGTERM, signal.SIGINT})
_WAITED_FOR = _STOPS | {signal.SIGCHLD}
_log = structlog.get_logger(__name__)


class Workers:
    """A parent that starts `count` workers, restarts those that die, and ends with the last one.

    It blocks its signals and waits for one at a time, so that none comes at a moment that is not prepared for it.
    """

    def __init__(self, settings: Settings, sock: socket.socket, count: int) -> None:
        """`sock` is listening; the workers inherit it."""
        self._settings = settings
        self._sock = sock
        self._count = count
        self._pids: set[int] = set()
        self._restarts: list[float] = []  # when those that died are to be replaced, the earliest first
        self._stopping = False
        # The parent keeps the write end open while it lives: end of file stops the workers, however the parent dies.
        self._alive_read, self._alive_write = os.pipe()
        # Where a worker says why it cannot start: its successors could not either.
        self._refused_read, self._refused_write = os.pipe()
        os.set_blocking(self._refused_read, False)
        self._refused: list[str] = []
        self._deaths = worker_deaths(registry=None)

    def run(self) -> None:
        """Run until SIGTERM or SIGINT, which the workers get as SIGTERM; a second one kills them.

        Raises `InvalidSettings` if a worker cannot start with them.
        """
        configure_logging(self._settings.log_level)
        log_loose_tracebacks()
        signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED_FOR)
        for _ in range(self._count):
            self._start()
        while self._pids or self._restarts:
            received = signal.sigtimedwait(_WAITED_FOR, self._pause_s())
            if received is not None and received.si_signo in _STOPS:
                self._stop()
            self._reap()
            self._restart()
        if self._refused:
            raise InvalidSettings(self._refused)

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
            # A terminal sends Ctrl-C to all processes; the parent handles it for them.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            # A SIGTERM that came since the fork ends the worker here.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _WAITED_FOR)
            run(self._settings, self._sock, signals=(signal.SIGTERM,), ends_with=self._alive_read)
            code = 0
        except InvalidSettings as error:
            os.write(self._refused_write, str(error).encode())
        finally:
            os._exit(code)

    def _pause_s(self) -> float:
        """Seconds until the next restart; where there is none, a minute."""
        return max(0.0, self._restarts[0] - time.monotonic()) if self._restarts else 60.0

    def _reap(self) -> None:
        """Note the workers that have ended, all at once: one signal may stand for several."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                pid, status = ended
                self._pids.discard(pid)
                self._note_refusal()
                mark_process_dead(pid)  # type: ignore[no-untyped-call]  # prometheus-client annotates only some
                if not self._stopping:
                    self._deaths.inc()
                    _log.error("worker.died", pid=pid, status=os.waitstatus_to_exitcode(status))
                    self._restarts.append(time.monotonic() + _RESTART_PAUSE_S)

    def _note_refusal(self) -> None:
        """Stop all workers once one has said that the settings are wrong."""
        with contextlib.suppress(BlockingIOError):
            refusal = os.read(self._refused_read, _LONGEST_REFUSAL)
            if not self._stopping:
                self._refused = refusal.decode().splitlines()[:1]
                self._stop()

    def _restart(self) -> None:
        while self._restarts and self._restarts[0] <= time.monotonic():
            del self._restarts[0]
            self._start()

    def _stop(self) -> None:
        number = signal.SIGKILL if self._stopping else signal.SIGTERM
        self._stopping = True
        self._restarts.clear()
        for pid in self._pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
