"""An S3-compatible store that refuses the AWS SDK's checksums and demands Content-MD5, as some do."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.serving import QuietHandler, serving_http


class _StrictStore(QuietHandler):
    def do_PUT(self) -> None:
        self._answer(demands_md5=False)

    def do_POST(self) -> None:
        self._answer(demands_md5=True)

    def _answer(self, *, demands_md5: bool) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        is_refused = any(name.lower().startswith(("x-amz-checksum-", "x-amz-sdk-checksum-")) for name in self.headers)
        if is_refused or (demands_md5 and self.headers.get("Content-MD5") != digest):
            answer = b"<Error><Code>InvalidRequest</Code><Message>Checksums</Message></Error>"
            self.send_response(400)
        else:
            answer = b"<DeleteResult/>" if demands_md5 else b""
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"')
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


@contextmanager
def strict_store() -> Iterator[str]:
    """Run the store and yield its URL."""
    with serving_http(_StrictStore) as server:
        yield server.url
