"""Traces: one tree for a miss, links for requests that join, and a collector that receives them or is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext

from prewmanager import request_context
from prewmanager.adapters.otel.requests import TIMES_HEADER, ProxyTimes
from prewmanager.adapters.otel.tracing import OtelTracing, otel_tracing
from prewmanager.errors import PhotoMissing
from prewmanager.previews.outcome import Made
from prewmanager.resizing.render import RenderJob, RenderResult
from prewmanager.telemetry.tracing import Tracing
from tests.support.fakes import until
from tests.support.otlp_collector import TREE_OF_A_MISS, Collector
from tests.support.replica import WebReplica

ID = "5f0c1d9a2b3e4f60718293a4b5c6d7e8"
OTHER_ID = "0af7651916cd43dd8448eb211c80319c"
CLIENTS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def _context(span: ReadableSpan) -> SpanContext:
    context = span.get_span_context()
    assert context is not None
    return context


class TracedReplica(WebReplica):
    """A traced replica, its ended spans, and the trace fields of its function's event."""

    def __init__(self, tracing: Tracing | None = None) -> None:
        self.exporter = InMemorySpanExporter()
        super().__init__(tracing or OtelTracing(SimpleSpanProcessor(self.exporter)))
        self.sent: list[dict[str, str]] = []
        resize = self.resizer.resize

        async def recorded(job: RenderJob) -> RenderResult:
            self.sent.append(request_context.context_fields())
            return await resize(job)

        self.resizer.resize = recorded  # type: ignore[method-assign]  # a fake of our own

    def spans(self, request_id: str = ID) -> dict[str, ReadableSpan]:
        """Return the ended spans of the request's trace, by name."""
        ended = self.exporter.get_finished_spans()
        return {span.name: span for span in ended if f"{_context(span).trace_id:032x}" == request_id}


@pytest.fixture(name="site")
async def _site() -> AsyncIterator[TracedReplica]:
    async with TracedReplica().running() as site:
        yield site


def proxied(request_id: str = ID) -> dict[str, str]:
    """Headers of a request by nginx: received 40 ms ago, 30 ms of which S3 took."""
    return {"X-Request-Id": request_id, TIMES_HEADER: f"{time.time():.3f} 0.040 0.030 : "}


def parents(spans: Mapping[str, ReadableSpan]) -> dict[str, str]:
    """Return the tree: each span's parent, by name."""
    names = {_context(span).span_id: name for name, span in spans.items()}
    return {name: names.get(span.parent.span_id, "?") if span.parent else "" for name, span in spans.items()}


async def test_a_miss_is_one_tree(site: TracedReplica) -> None:
    site.resizer.gate.set()
    status = (await site.get("/prew/card/a.jpg", proxied())).status
    await until(lambda: "flight" in site.spans())
    spans = site.spans()

    assert status == 200
    assert parents(spans) == TREE_OF_A_MISS
    assert {span.resource.attributes["service.name"] for name, span in spans.items() if "nginx" in name} == {"nginx"}
    assert spans["flight"].resource.attributes["service.name"] == "prewmanager"
    assert (spans["GET preview"].attributes or {})["prewmanager.source"] == "made"
    assert (spans["redis acquire"].attributes or {})["prewmanager.lease"] == "acquired"


async def test_the_event_has_the_traceparent_of_the_span_that_invokes_the_function(site: TracedReplica) -> None:
    site.resizer.gate.set()
    await site.get("/prew/card/a.jpg", proxied())
    await until(lambda: "flight" in site.spans())
    invoked = _context(site.spans()["resize"])

    assert site.sent == [{"request_id": ID, "traceparent": f"00-{ID}-{invoked.span_id:016x}-01"}]


async def test_a_joining_request_is_linked_to_the_flight(site: TracedReplica) -> None:
    began = asyncio.create_task(site.get("/prew/card/a.jpg", proxied()))
    await site.resizer.entered.wait()
    joins = asyncio.create_task(site.get("/prew/card/a.jpg", proxied(OTHER_ID)))
    await until(lambda: "prewmanager_waiting 2.0" in site.metrics.text())
    site.resizer.gate.set()
    await asyncio.gather(began, joins)
    await until(lambda: "flight" in site.spans())

    flight = _context(site.spans()["flight"])
    joined = site.spans(OTHER_ID)
    assert joined.keys() == {"nginx GET", "nginx s3", "GET preview"}
    assert [each.context.span_id for each in joined["GET preview"].links] == [flight.span_id]
    assert list(site.spans()["GET preview"].links) == []


async def test_a_clients_trace_goes_on(site: TracedReplica) -> None:
    site.resizer.gate.set()
    await site.get("/prew/card/a.jpg", proxied() | {"traceparent": CLIENTS})
    trace_id, parent_id = CLIENTS.split("-")[1:3]
    await until(lambda: "flight" in site.spans(trace_id))
    root = site.spans(trace_id)["nginx GET"]

    assert root.parent is not None
    assert f"{root.parent.span_id:016x}" == parent_id
    assert site.spans() == {}


async def test_an_unsampled_trace_stays_unsampled(site: TracedReplica) -> None:
    site.resizer.gate.set()
    await site.get("/prew/card/a.jpg", proxied() | {"traceparent": CLIENTS.removesuffix("1") + "0"})

    assert site.exporter.get_finished_spans() == ()


async def test_flight_and_attempt_record_a_failures_kind(site: TracedReplica) -> None:
    """A missing photo is no error of the server."""
    site.resizer.error = PhotoMissing("no such photo")
    site.resizer.gate.set()
    status = (await site.get("/prew/card/a.jpg", proxied())).status
    await until(lambda: "flight" in site.spans())
    spans = site.spans()

    assert status == 404
    assert not spans["resize"].status.is_ok
    assert (spans["flight"].attributes or {})["prewmanager.outcome"] == "missing"
    assert spans["GET preview"].status.is_unset


async def test_a_preview_in_the_bucket_is_no_resize(site: TracedReplica) -> None:
    site.store.objects["prew/card/a.jpg"] = Made("image/jpeg", 1, '"e"', None, b"x")
    await site.get("/prew/card/a.jpg", {"X-Request-Id": ID})
    await until(lambda: "flight" in site.spans())
    spans = site.spans()

    assert "resize" not in spans
    assert (spans["s3 find"].attributes or {})["prewmanager.found"] is True
    assert parents(spans)["GET preview"] == ""


async def test_health_and_metrics_are_not_traced(site: TracedReplica) -> None:
    for path in ("/healthz", "/metrics"):
        assert (await site.get(path)).status == 200
    assert site.exporter.get_finished_spans() == ()


def test_nginxs_times_are_read_to_the_millisecond() -> None:
    """The start is now less the elapsed time; S3's time is absent if nginx has none."""
    now = f"{time.time():.3f}"
    whole = int(now.replace(".", "")) * 10**6

    assert ProxyTimes.of({TIMES_HEADER: f"{now} 0.040 0.030 : "}) == ProxyTimes(whole - 40 * 10**6, 30 * 10**6)
    assert ProxyTimes.of({TIMES_HEADER: f"{now} 1.000 -"}) == ProxyTimes(whole - 10**9, None)


@pytest.mark.parametrize("value", ["", "now", "1000000000.000 0.040 0.030", "9999999999.999 0.1 0.1", "1e9 0 0"])
def test_implausible_times_are_ignored(value: str) -> None:
    assert ProxyTimes.of({TIMES_HEADER: value}) is None


async def test_a_collector_gets_all_spans_before_the_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    collector = Collector()
    async with collector.running() as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=previews-eu")
        async with otel_tracing(flush_s=5) as tracing, TracedReplica(tracing).running() as site:
            site.resizer.gate.set()
            await site.get("/prew/card/a.jpg", proxied())
            assert collector.spans == []

    assert {("previews-eu", "flight"), ("previews-eu", "GET preview"), ("nginx", "nginx GET")} <= {
        (span.service, span.name) for span in collector.spans
    }


@pytest.mark.fault("collector-away")
async def test_a_dead_collector_delays_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = asyncio.Event()

    async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hangs.wait()
        writer.close()

    async with await asyncio.start_server(never, "127.0.0.1", 0) as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with otel_tracing(flush_s=0.05) as tracing, TracedReplica(tracing).running() as site:
            site.resizer.gate.set()
            assert (await site.get("/prew/card/a.jpg", proxied())).status == 200
        hangs.set()
