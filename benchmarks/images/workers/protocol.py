"""The workers' side: reads requests from standard input, writes times to standard output and previews to files."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Resize = Callable[[bytes, dict[str, Any]], bytes]


def serve(resize: Resize) -> None:
    """Answer each line with a line until the input ends; the time is that of `resize`, without file access.

    If another program does the work, the answer also has its peak of memory.
    """
    for line in sys.stdin:
        request = json.loads(line)
        data = Path(request["source"]).read_bytes()
        start = time.perf_counter()
        preview = resize(data, request)
        milliseconds = (time.perf_counter() - start) * 1000
        Path(request["result"]).write_bytes(preview)
        kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        print(json.dumps({"ms": milliseconds, "child_peak_mb": kib * 1024 / 1e6}), flush=True)
