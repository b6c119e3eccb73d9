"""The edge function, with a name that leads to this machine; its times for each event of standard input."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from lambda_resize.edge import handler, rendering
from lambda_resize.edge.fetch import Network, fetch
from lambda_resize.edge.settings import EdgeSettings


def main(host: str) -> None:
    """Answer each event with a line of milliseconds, by part, until the input ends."""
    settings = EdgeSettings(allowed_hosts=(host,), schemes=("http",))
    network = Network(lambda _host, _port: ["127.0.0.1"], permits=lambda _ip: True)
    times: dict[str, float] = {}

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            start = time.perf_counter()
            result = call(*given)
            times[name] = (time.perf_counter() - start) * 1000
            return result

        return run

    vars(handler)["fitted"] = timed("render", rendering.fitted)
    image = timed("fetch", lambda url, end: fetch(url, settings, network, end))
    for line in sys.stdin:
        start = time.perf_counter()
        answer = json.dumps(handler.respond(json.loads(line), settings, image))
        total = (time.perf_counter() - start) * 1000
        print(json.dumps({**times, "total": total, "bytes": len(answer)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
