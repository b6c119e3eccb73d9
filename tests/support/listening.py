"""The TCP ports at which processes listen, from /proc (proc_pid_net(5))."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

_LISTENS = "0A"
_WORD = 4  # bytes; the kernel prints an address's words in its own order


def listeners(pids: Iterable[int]) -> dict[int, IPv4Address | IPv6Address]:
    """Return the ports at which these processes listen, each with its address."""
    inodes = {inode for pid in pids for inode in _sockets(pid)}
    found = {}
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == _LISTENS and inode in inodes:
                address, _, port = local.partition(":")
                found[int(port, 16)] = _address(bytes.fromhex(address))
    return found


def _sockets(pid: int) -> set[str]:
    links = []
    with contextlib.suppress(FileNotFoundError):  # it has ended
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                links.append(str(each.readlink()))
    return {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:")}


def _address(printed: bytes) -> IPv4Address | IPv6Address:
    packed = b"".join(printed[at : at + _WORD][::-1] for at in range(0, len(printed), _WORD))
    return IPv4Address(packed) if len(packed) == _WORD else IPv6Address(packed)
