"""The workers' side: requests come from standard input, times go to standard output, previews into files."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Resize = Callable[[bytes, dict[str, Any]], bytes]


def serve(resize: Resize) -> None:
    """Answer one line for each line until there are no more; only `resize` is timed, not the files."""
    for line in sys.stdin:
        request = json.loads(line)
        data = Path(request["source"]).read_bytes()
        start = time.perf_counter()
        preview = resize(data, request)
        milliseconds = (time.perf_counter() - start) * 1000
        Path(request["result"]).write_bytes(preview)
        print(json.dumps({"ms": milliseconds}), flush=True)
