"""Work that follows an answer: who asked does not wait for it, and the process is kept until it is done.

In Lambda an internal extension does it: the sandbox goes on after the response until the runtime and all extensions
have asked for their next event (docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html). In a worker process
of the service a few threads do it, beside the next renderings.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse
from queue import SimpleQueue

Work = Callable[[], object]

_NAME = "prewmanager"
_PREFIX = "/2020-01-01/extension"
_REGISTER_S = 5
_TRIES, _PAUSE_S = 5, 0.2
_THREADS = 4  # that mostly wait for S3: one alone would keep up with three previews a second where S3 is far away
_MOST_LEFT = 8  # renderings of one process whose work waits or is done: each may hold a preview's bytes

logger = logging.getLogger(__name__)


class Left:
    """What one invocation leaves to do after its answer, in its order."""

    def __init__(self, *, has_room: bool = True) -> None:
        """`has_room`: a write, which holds its preview's bytes, may be left too."""
        self.has_room = has_room
        self.work: list[Work] = []

    def add(self, work: Work) -> None:
        """Leave this, after what is left already."""
        self.work.append(work)


class Extension:
    """An internal extension of Lambda: does the work of each invocation after its answer."""

    def __init__(self, api: str, identifier: str) -> None:
        self._api = api
        self._headers = {"Lambda-Extension-Identifier": identifier}
        # What each invocation leaves to do, in their order.
        self._left: SimpleQueue[Sequence[Work]] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="extension", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether it does what is left to it."""
        return self._thread.is_alive()

    def invocation_ended(self, work: Sequence[Work]) -> None:
        """Leave work to it, in its order; to be called at the end of each invocation, also where there is none."""
        self._left.put(work)

    def _run(self) -> None:
        while self._next_invocation():
            for each in self._left.get():
                _do(each)

    def _next_invocation(self) -> bool:
        """Wait for the next event; False where Lambda cannot be asked any more. A snapshot breaks its connection."""
        for _ in range(_TRIES):
            if _answered(HTTPConnection(self._api), "GET", "event/next", self._headers):
                return True
            time.sleep(_PAUSE_S)
        return False


def registered(environ: Mapping[str, str]) -> Extension | None:
    """Register an extension; only while the sandbox starts. None outside Lambda, and where it has no such API."""
    api = environ.get("AWS_LAMBDA_RUNTIME_API")
    if not api:
        return None
    headers = {"Lambda-Extension-Name": _NAME, "Content-Type": "application/json"}
    events = json.dumps({"events": ["INVOKE"]})
    answer = _answered(HTTPConnection(api, timeout=_REGISTER_S), "POST", "register", headers, events)
    identifier = answer.getheader("Lambda-Extension-Identifier") if answer else None
    return Extension(api, identifier) if identifier else None


def _answered(
    connection: HTTPConnection, method: str, path: str, headers: Mapping[str, str], body: str | None = None
) -> HTTPResponse | None:
    """Return Lambda's answer, which has been read, or None where there is none or it is a refusal."""
    try:
        connection.request(method, f"{_PREFIX}/{path}", body, headers)
        response = connection.getresponse()
        response.read()
    except (OSError, HTTPException) as error:
        logger.info(json.dumps({"extension": str(error)}))
        return None
    finally:
        connection.close()
    return response if response.status == HTTPStatus.OK else None


class Threads:
    """Do the work that a worker process's renderings leave, each rendering's in its order."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, "afterwards")
        self._doing: set[Future[None]] = set()

    def left(self) -> Left:
        """Return what the next rendering leaves its work in: a write only while not too much is left already."""
        return Left(has_room=len(self._doing) < _MOST_LEFT)

    def do(self, work: Sequence[Work], report: Callable[[bool], None]) -> None:
        """Do work beside the next renderings, or now where too much is left already.

        `report` gets whether the first piece succeeded, as soon as that is known.
        """
        if len(self._doing) >= _MOST_LEFT:
            _do_all(work, report)
            return
        future = self._pool.submit(_do_all, work, report)
        self._doing.add(future)
        future.add_done_callback(self._doing.discard)


def _do_all(work: Sequence[Work], report: Callable[[bool], None]) -> None:
    for place, each in enumerate(work):
        succeeded = _do(each)
        if place == 0:
            report(succeeded)


def _do(work: Work) -> bool:
    try:
        work()
    except Exception as error:  # noqa: BLE001 -- nobody waits for it: the log has it, and the cleaner comes again
        logger.warning(json.dumps({"afterwards": f"{type(error).__name__}: {error}"}, ensure_ascii=False))
        return False
    return True
