"""The worker's side: sends a photo to a decoder and gets its previews, whatever the decoder does."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from lambda_resize.decoder.messages import MAX_PREVIEW_BYTES, Job, failure_of, preview_of
from lambda_resize.decoder.wire import GREETING, ClosedError, NonsenseError, Wire
from lambda_resize.errors import Crashed, DecoderFailed, ResizeError, TimedOut, TooLarge
from lambda_resize.preview import Preview

# The decoder's kernel ends it at its limit plus `server.GRACE_S`; one that undoes that is waited for no longer.
WAITS_S = 0.8


def rendered(path: str, data: bytes, job: Job) -> Iterator[Preview | ResizeError]:
    """Have the decoder at a socket render a photo; yield each spec's preview, or its error, as soon as it is there.

    The errors are those that a photo may cause, `Crashed` if it ends the decoder's process, and `DecoderFailed`.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        conversation = _Conversation(connection, job)
        conversation.begin(path, data)
        for _ in job.specs:
            yield conversation.outcome()


class _Conversation:
    """What is said about one photo; after a failure of the connection there is nothing more to come."""

    def __init__(self, connection: socket.socket, job: Job) -> None:
        self._job = job
        self._connection = connection
        self._failure: ResizeError | None = None
        self._left = MAX_PREVIEW_BYTES
        self._began = time.monotonic()
        self._wire = Wire(connection, self._began + job.limits.max_seconds)

    def begin(self, path: str, data: bytes) -> None:
        """Send the photo, once a process of the decoder is free for it."""
        try:
            self._greeted(path)
            self._began = time.monotonic()
            self._wire = Wire(self._connection, self._began + self._job.limits.max_seconds + WAITS_S)
            with self._translated():
                self._wire.send(self._job.header(len(data)), data)
        except ResizeError as error:
            self._failure = error

    def outcome(self) -> Preview | ResizeError:
        """Return the next spec's preview, or why there is none."""
        if self._failure is None:
            try:
                with self._translated():
                    return self._next()
            except ResizeError as error:
                self._failure = error
        return self._failure

    def _greeted(self, path: str) -> None:
        try:
            self._connection.settimeout(self._job.limits.max_seconds)
            self._connection.connect(path)
            greeting = self._wire.receive(len(GREETING))
        except TimeoutError as error:
            raise DecoderFailed(f"all processes of the decoder at {path} are busy") from error
        except (OSError, ClosedError) as error:
            raise DecoderFailed(f"no decoder serves at {path}: {error}") from error
        if greeting != GREETING:
            raise DecoderFailed(f"the decoder at {path} is of another version")

    def _next(self) -> Preview | ResizeError:
        header = self._wire.receive_header()
        failure = failure_of(header)
        if failure is not None:
            return failure
        preview, size = preview_of(header, self._job)
        if size > self._left:
            raise TooLarge(f"the previews have more than {MAX_PREVIEW_BYTES} bytes")
        self._left -= size
        return replace(preview, data=self._wire.receive(size))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        limit_s = self._job.limits.max_seconds
        try:
            yield
        except TimeoutError as error:
            raise TimedOut(f"the decoder has not answered within {limit_s:g} seconds, and does not end") from error
        except NonsenseError as error:
            raise DecoderFailed(f"the decoder sends {error}") from error
        except (ClosedError, OSError) as error:
            if time.monotonic() - self._began >= limit_s:
                raise TimedOut(f"the decoder was ended after {limit_s:g} seconds") from error
            raise Crashed("the photo ended the decoder's process") from error
