"""What flights count and log: a failure once, where it happens, and at the level of whose fault it is."""

from __future__ import annotations

import asyncio
import re

import pytest
import structlog

from prewmanager.adapters.memory_store import MemoryFlightStore
from prewmanager.errors import (
    DeadlineExceeded,
    Overloaded,
    PhotoCorrupt,
    PhotoFatal,
    PhotoHidden,
    PhotoMissing,
    PhotoTimedOut,
    PreviewFailed,
    ReplicaFailed,
    ResizerFailed,
    StorageFailed,
)
from prewmanager.telemetry.flights import ALARMED
from prewmanager.telemetry.metrics import Metrics
from prewmanager.web.problems import server_failures
from tests.observability.promql import alerts, matched
from tests.support.fakes import until
from tests.support.replica import InMemoryReplica


def _replica(error: Exception | None = None, store: MemoryFlightStore | None = None) -> tuple[InMemoryReplica, Metrics]:
    metrics = Metrics()
    replica = InMemoryReplica(store, error=error, observer=metrics, failures_s=30)
    replica.resizer.gate.set()
    return replica, metrics


def _value(metrics: Metrics, name: str, **labels: str) -> float:
    metrics.flush()
    return metrics.registry.get_sample_value(name, labels) or 0.0


async def _failed(replica: InMemoryReplica, times: int = 1) -> list[PreviewFailed]:
    errors = []
    for _ in range(times):
        try:
            await replica.ask()
        except PreviewFailed as error:
            errors.append(error)
        await until(lambda: not replica.coalescer.in_flight())
        await asyncio.sleep(0)
    return errors


@pytest.mark.parametrize("error", [PhotoMissing(), PhotoFatal(), StorageFailed()])
async def test_a_failure_counts_and_is_logged_once_however_often_it_is_asked_for(error: PreviewFailed) -> None:
    replica, metrics = _replica(error)
    with structlog.testing.capture_logs() as log:
        errors = await _failed(replica, 200)

    assert [each.cached for each in errors] == [False, *[True] * 199]
    assert len(replica.resizer.calls) == 1
    assert [line["event"] for line in log] == ["flight", *["flight.cached"] * 199]
    assert {line["log_level"] for line in log[1:]} == {"debug"}
    assert _value(metrics, "prewmanager_flights_total", preset="card", outcome=error.kind) == 1
    assert _value(metrics, "prewmanager_cached_failures_total", outcome=error.kind) == 199
    assert _value(metrics, "prewmanager_flight_seconds_count", preset="card") == (error.kind != "missing")


async def test_a_failure_that_replicas_share_counts_where_it_happened() -> None:
    store = MemoryFlightStore()
    (first, of_first), (second, of_second) = (_replica(ResizerFailed(), store) for _ in range(2))
    first.resizer.gate.clear()
    one = first.ask()
    await first.resizer.entered.wait()
    other = second.ask()
    await until(lambda: bool(second.coalescer.in_flight()))
    await asyncio.sleep(0.01)
    first.resizer.gate.set()
    await asyncio.gather(one, other, return_exceptions=True)
    await until(lambda: not second.coalescer.in_flight())

    assert _value(of_first, "prewmanager_flights_total", preset="card", outcome="failed") == 1
    assert _value(of_second, "prewmanager_flights_total", preset="card", outcome="failed") == 0
    assert _value(of_second, "prewmanager_flights_total", preset="card", outcome="joined") == 1


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (ResizerFailed(), "warning"),
        (StorageFailed(), "warning"),
        (DeadlineExceeded(), "warning"),
        (PhotoTimedOut(), "warning"),
        (Overloaded(), "warning"),
        (ReplicaFailed(), "warning"),
        (PhotoFatal(), "warning"),
        (PhotoMissing(), "info"),
        (PhotoHidden(), "info"),
        (PhotoCorrupt(), "info"),
        (None, "info"),
    ],
)
async def test_a_failure_that_is_not_the_photos_is_a_warning(error: PreviewFailed | None, level: str) -> None:
    replica, _ = _replica(error)
    with structlog.testing.capture_logs() as log:
        await _failed(replica)

    assert [line["log_level"] for line in log if line["event"] == "flight"] == [level]


async def test_a_defect_counts_with_its_stack_in_the_log() -> None:
    replica, metrics = _replica(RuntimeError("broken"))
    with structlog.testing.capture_logs() as log:
        await _failed(replica)

    assert _value(metrics, "prewmanager_defects_total") == 1
    assert [line["exc_info"] for line in log if line["event"] == "flight.crashed"] == [True]


async def test_requests_without_a_flight_count_and_the_log_has_their_number() -> None:
    metrics = Metrics()
    replica = InMemoryReplica(observer=metrics, max_flights=1)
    flying = replica.ask("/prew/card/flies.jpg")
    await replica.resizer.entered.wait()
    with structlog.testing.capture_logs() as log:
        refused = await asyncio.gather(*(replica.ask() for _ in range(50)), return_exceptions=True)
    replica.resizer.gate.set()
    await flying

    assert {type(each) for each in refused} == {Overloaded}
    assert _value(metrics, "prewmanager_refused_requests_total") == 50
    assert [(line["event"], line["log_level"]) for line in log] == [("flights.refused", "warning")]


def test_all_that_alerts_count_is_there_from_the_start() -> None:
    metrics = Metrics()
    metrics.expect({"card": "0123456789ab", "thumb": "ba9876543210"}, server_failures())
    text = metrics.text()
    asked = [expr for _, expr in alerts() if "prewmanager_flights_total{" in expr]
    counted = {outcome for expr in asked for outcome in matched(expr, "outcome")}

    assert counted <= set(ALARMED)
    for preset in ("card", "thumb"):
        assert {f'{{outcome="{each}",preset="{preset}"}} 0.0' for each in counted} <= set(
            re.findall(r"^prewmanager_flights_total(\{.*)$", text, re.MULTILINE)
        )
        assert f'prewmanager_requests_total{{preset="{preset}",source="storage",status="502"}} 0.0' in text
    assert "prewmanager_defects_total 0.0" in text
    assert 'prewmanager_preset_info{fingerprint="0123456789ab",preset="card"} 1.0' in text


def test_what_redis_has_not_reported_is_not_there() -> None:
    metrics = Metrics()
    before = metrics.text()
    metrics.redis_is(up=False)
    metrics.redis_has_evicted(7)

    assert "prewmanager_redis" not in before
    assert "prewmanager_redis_up 0.0" in metrics.text()
    assert "prewmanager_redis_evicted_keys 7.0" in metrics.text()
