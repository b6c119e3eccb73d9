"""A thumbor server over loopback, whose answer is timed from the request to its last byte."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

from benchmarks.images.workers.protocol import serve


def _resize(_: bytes, request: dict[str, Any]) -> bytes:
    filters = f"format({request['format']})"
    if request.get("quality"):
        filters += f":quality({request['quality']})"
    name = quote(Path(request["source"]).name)
    address = f"http://127.0.0.1:{os.environ['THUMBOR_PORT']}/unsafe/{request['width']}x0/filters:{filters}/{name}"
    with urlopen(address) as response:
        return bytes(response.read())


if __name__ == "__main__":
    serve(_resize)
