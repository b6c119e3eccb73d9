"""How a worker and a decoder exchange messages: each is a header of JSON after its length, and bytes after it."""

from __future__ import annotations

import json
import math
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GREETING = b"prewmanager decoder 1\n"  # the protocol's version
MAX_HEADER_BYTES = 64 * 1024

_LENGTH = struct.Struct(">I")


class NonsenseError(Exception):
    """What was received is no message of the protocol."""


class ClosedError(Exception):
    """The other side has closed the connection within a message."""


@dataclass(frozen=True)
class Wire:
    """One side of a connection; all its methods raise `OSError`.

    Attributes:
        ends_at: When they give up, with `TimeoutError`, on the clock of `time.monotonic`.
    """

    connection: socket.socket
    ends_at: float = math.inf

    def send(self, header: Mapping[str, object], data: bytes = b"") -> None:
        """Send a message."""
        text = json.dumps(header).encode()
        self._set_timeout()
        self.connection.sendall(_LENGTH.pack(len(text)) + text)
        self.connection.sendall(data)

    def receive_header(self) -> dict[str, Any]:
        """Return the next message's header.

        Raises:
            NonsenseError: It is too long, or no object of JSON.
            ClosedError: There is none.
        """
        (length,) = _LENGTH.unpack(self.receive(_LENGTH.size))
        if length > MAX_HEADER_BYTES:
            raise NonsenseError(f"a header of {length} bytes")
        try:
            header = json.loads(self.receive(length))
        except (ValueError, RecursionError) as error:
            raise NonsenseError("a header that is not JSON") from error
        if not isinstance(header, dict):
            raise NonsenseError("a header that is no object")
        return header

    def receive(self, size: int) -> bytes:
        """Return the next bytes. Raises `ClosedError` if there are fewer."""
        received = bytearray(size)
        view, at = memoryview(received), 0
        while at < size:
            self._set_timeout()
            count = self.connection.recv_into(view[at:])
            if count == 0:
                raise ClosedError
            at += count
        return bytes(received)

    def receive_at_once(self, size: int) -> bytes:
        """Do the same without copying them, which takes as long as sending a photo; not bounded by `ends_at`."""
        received = self.connection.recv(size, socket.MSG_WAITALL)
        if len(received) < size:
            raise ClosedError
        return received

    def _set_timeout(self) -> None:
        if self.ends_at == math.inf:
            return
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.connection.settimeout(left)
