"""`python -m benchmarks.trace_picture`: traces one miss through the whole system, and draws it for the documents."""

from __future__ import annotations

import asyncio
from urllib.request import Request, urlopen

from benchmarks import photos
from benchmarks.parts import ROOT, running_parts
from benchmarks.plots import waterfall
from benchmarks.systems import path_of
from devstack.programs import LOOPBACK
from tests.support.otlp_collector import Collector, Received, parents

PICTURE = ROOT / "docs" / "images" / "trace.svg"
_REQUEST_ID = "00000000000000000000000000007ace"
_WARM_UP = 5
_NS_IN_MS = 10**6
_ORDER = ("nginx GET", "nginx s3", "GET preview", "flight", "redis acquire", "s3 find", "resize", "redis complete")


async def traced() -> dict[str, Received]:
    """Return a miss's spans by name: all parts warm, one client, a photo of six megapixels in `card`."""
    collector = Collector()
    async with collector.running() as url:
        await asyncio.to_thread(_ask, url)
    return collector.trace(_REQUEST_ID)


def _ask(collector_url: str) -> None:
    with running_parts() as parts:
        redis, s3 = parts.redis(), parts.s3()
        function, _ = parts.function(s3)
        service = parts.service(redis, s3, function.url, OTEL_EXPORTER_OTLP_ENDPOINT=collector_url)
        nginx = parts.nginx_before(s3, [service])
        names = [f"trace-{number}.jpg" for number in range(_WARM_UP + 1)]
        photos.store(s3, photos.jpeg(), names)
        for number, name in enumerate(names):
            headers = {"X-Request-Id": _REQUEST_ID if number == _WARM_UP else f"warming-up-{number}"}
            with urlopen(Request(f"http://{LOOPBACK}:{nginx.port}{path_of(name)}", headers=headers)) as response:
                response.read()
        service.program.stop()  # sends the remaining spans


def main() -> None:
    """Trace one miss, print its tree, and draw it."""
    spans = asyncio.run(traced())
    above = parents(spans.values())
    began = min(span.began_ns for span in spans.values())
    rows = []
    for name in _ORDER:
        span = spans[name]
        start, took = (span.began_ns - began) / _NS_IN_MS, (span.ended_ns - span.began_ns) / _NS_IN_MS
        rows.append((name, start, took))
        print(f"{name:<14} {above[name] or '-':<14} {start:7.1f} ms {took:7.1f} ms")
    waterfall(PICTURE, "One miss: spans of its trace", "milliseconds since the request came to nginx", rows)
    print(PICTURE.relative_to(ROOT))


if __name__ == "__main__":
    main()
