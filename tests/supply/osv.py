"""A substitute for OSV's queries: answers by advisories of the test's own."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from tests.support.serving import QuietHandler, serving_http

# What the audit asks first, to see whether the service knows anything.
ALWAYS_VULNERABLE = "jinja2==2.4.1"


@dataclass
class Osv:
    """The service while it runs: its address, and the versions that it was asked for."""

    url: str
    asked: list[str] = field(default_factory=list)


@contextlib.contextmanager
def running(
    fixed_in: Mapping[str, str], status: HTTPStatus = HTTPStatus.OK, body: bytes | None = None
) -> Iterator[Osv]:
    """Answer that each `name==version` of `fixed_in` is vulnerable; or always with this status, or this body."""

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            pin = f"{query['package']['name']}=={query['version']}"
            osv.asked.append(pin)
            answer = json.dumps({"vulns": [advisory(pin, fixed_in[pin])]} if pin in fixed_in else {}).encode()
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answer if body is None else body)

    with serving_http(Handler) as server:
        osv = Osv(f"{server.url}/v1/query")
        yield osv


def advisory(pin: str, fixed: str) -> dict[str, object]:
    """Return an advisory in OSV's format."""
    name = pin.partition("==")[0]
    versions = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}
    return {
        "schema_version": "1.7.0",
        "id": f"GHSA-test-{name}",
        "aliases": ["CVE-2018-18074"],
        "summary": "Sends what it should keep",
        "affected": [{"package": {"name": name, "ecosystem": "PyPI"}, "ranges": [versions]}],
    }
