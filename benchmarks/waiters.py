"""Many clients in one process: each has one connection, sends one request and waits for the answer.

It has its own event loop, since asyncio's cost per waiter is as large as the lag to measure.
"""

from __future__ import annotations

import select
import socket
import time
from collections import Counter
from collections.abc import Sequence
from typing import Self

from benchmarks.processes import everything_read
from devstack.programs import LOOPBACK

_HELD_WITHIN_S = 30.0
_PAUSE_S = 0.05
_LINGER_NONE = b"\1\0\0\0\0\0\0\0"  # struct linger {1, 0}: close without the minute of TIME_WAIT
_HEAD_END = b"\r\n\r\n"


class _Client:
    """One connection, and how much of its answer is missing."""

    __slots__ = ("expected", "head", "received", "socket", "status")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((LOOPBACK, port))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        self.socket.setblocking(False)
        self.begin()

    def begin(self) -> None:
        """Reset for the next answer."""
        self.head, self.expected, self.received, self.status = b"", -1, 0, 0

    def receive(self, data: memoryview) -> bool:
        """Count a piece of the answer; return whether it was the last one."""
        self.received += len(data)
        if self.expected < 0:
            self.head += bytes(data)
            end = self.head.find(_HEAD_END)
            if end < 0:
                return False
            fields = self.head[:end].lower().split(b"\r\n")
            length = next(int(each.split(b":")[1]) for each in fields if each.startswith(b"content-length:"))
            self.expected, self.status = end + len(_HEAD_END) + length, int(fields[0].split()[1])
        return self.received >= self.expected


class Waiters:
    """`count` clients, spread evenly over `ports`; leaving the block closes their connections."""

    def __init__(self, ports: Sequence[int], count: int) -> None:
        self._ports = ports
        self._clients = [_Client(ports[number % len(ports)]) for number in range(count)]
        self._by_number = {client.socket.fileno(): client for client in self._clients}
        self._epoll = select.epoll()
        for number in self._by_number:
            self._epoll.register(number, select.EPOLLIN)
        self.statuses: Counter[int] = Counter()
        self.until_held()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._epoll.close()
        for client in self._clients:
            client.socket.close()

    def ask(self, path: str) -> None:
        """Send the request of each client."""
        request = f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\n\r\n".encode()
        for client in self._clients:
            client.begin()
            client.socket.send(request)

    def until_held(self) -> None:
        """Return when the servers have accepted all connections and read all requests."""
        deadline = time.monotonic() + _HELD_WITHIN_S
        while not everything_read(self._ports):
            if time.monotonic() > deadline:
                raise TimeoutError("requests were not read in time")
            time.sleep(_PAUSE_S)

    def collect(self, within_s: float = 120) -> list[float]:
        """Wait for all answers; return the time (`time.monotonic`) of each one's last byte.

        Afterwards, `statuses` counts their statuses. Raises `TimeoutError`, or `ConnectionError` if one was cut off.
        """
        self.statuses.clear()
        ended: list[float] = []
        buffer = memoryview(bytearray(256 * 1024))
        deadline = time.monotonic() + within_s
        while len(ended) < len(self._clients):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self._clients) - len(ended)} answers are missing")
            for number, _ in self._epoll.poll(1):
                client = self._by_number[number]
                size = client.socket.recv_into(buffer)
                if size == 0:
                    raise ConnectionError("a connection was closed before its answer")
                if client.receive(buffer[:size]):
                    ended.append(time.monotonic())
                    self.statuses[client.status] += 1
        return ended
