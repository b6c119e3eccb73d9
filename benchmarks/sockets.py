"""The bytes of other processes' TCP connections, from the kernel, by `ss` of iproute2."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection
from dataclasses import dataclass

_PID = re.compile(r"pid=(\d+)")
_SENT, _RECEIVED = re.compile(r"\bbytes_sent:(\d+)"), re.compile(r"\bbytes_received:(\d+)")


@dataclass(frozen=True)
class Traffic:
    """Bytes that processes received and sent, without those of packets' headers."""

    received: int
    sent: int

    def __sub__(self, earlier: Traffic) -> Traffic:
        return Traffic(self.received - earlier.received, self.sent - earlier.sent)


def traffic(pids: Collection[int]) -> Traffic:
    """Return the bytes of the connections that are open now; those of closed ones are lost."""
    output = subprocess.run(["ss", "-tinpH", "state", "established"], capture_output=True, text=True, check=True).stdout
    received = sent = 0
    for connection in re.split(r"\n(?=\S)", output):
        if not {int(pid) for pid in _PID.findall(connection)}.isdisjoint(pids):
            received += _number(_RECEIVED, connection)
            sent += _number(_SENT, connection)
    return Traffic(received, sent)


def _number(pattern: re.Pattern[str], connection: str) -> int:
    found = pattern.search(connection)  # the kernel leaves out zeros
    return int(found[1]) if found else 0
