"""A DNS server for one test: it answers each name with the address that the test has set, for one second."""

from __future__ import annotations

import contextlib
import socketserver
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from devstack.programs import LOOPBACK
from tests.support.serving import serving

_HEADER = struct.Struct("!6H")
_ANSWER_FLAGS, _NO_SUCH_NAME, _TTL_S, _A, _IN = 0x8580, 0x8583, 1, 1, 1


@dataclass
class Names:
    """Addresses by name; `asked` counts the questions for each."""

    port: int = 0
    addresses: dict[str, str] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def answer(self, query: bytes) -> bytes:
        """Return the answer to a query with one question (RFC 1035, 4.1)."""
        identifier = query[:2]
        labels, at = list[str](), _HEADER.size
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[_HEADER.size : at + 5]
        name = ".".join(labels).lower()
        self.asked[name] += 1
        address = self.addresses.get(name)
        is_a = struct.unpack("!H", question[-4:-2])[0] == _A
        records = b""
        if address is not None and is_a:
            records = struct.pack("!3HIH", 0xC00C, _A, _IN, _TTL_S, 4) + IPv4Address(address).packed
        flags = _NO_SUCH_NAME if address is None else _ANSWER_FLAGS
        header = identifier + struct.pack("!5H", flags, 1, int(bool(records)), 0, 0)
        return header + question + records


@contextlib.contextmanager
def serving_names() -> Iterator[Names]:
    """Serve inside the block, on a free UDP port of loopback."""
    names = Names()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            query, sock = self.request
            sock.sendto(names.answer(query), self.client_address)

    with serving(socketserver.ThreadingUDPServer((LOOPBACK, 0), Handler)) as server:
        names.port = server.server_address[1]
        yield names
