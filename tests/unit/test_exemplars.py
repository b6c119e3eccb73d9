"""Exemplars of several workers, in files; tests/e2e/test_operators_view.py has them of a real service."""

from __future__ import annotations

from pathlib import Path

import pytest

from prewmanager.telemetry import exemplars
from prewmanager.telemetry.exemplars import AllWorkers, WrittenExemplars

TRACE, OTHER = "a" * 32, "b" * 32
BUCKETS = (0.1, 1.0)


@pytest.fixture(name="as_worker")
def _as_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> exemplars.WrittenExemplars:
    monkeypatch.setattr(exemplars, "_EVERY_S", 0.0)
    return WrittenExemplars(tmp_path, BUCKETS)


def _found(folder: Path) -> dict[tuple[str, float], tuple[str, float]]:
    return {place: (each.labels["trace_id"], each.value) for place, each in exemplars._latest(folder).items()}


@pytest.mark.parametrize(("seconds", "bound"), [(0.0, 0.1), (0.1, 0.1), (0.11, 1.0), (1.0, 1.0), (1.1, float("inf"))])
def test_a_flight_is_the_example_of_the_bucket_that_counts_it(
    as_worker: WrittenExemplars, tmp_path: Path, seconds: float, bound: float
) -> None:
    as_worker.note("card", seconds, TRACE)

    assert _found(tmp_path) == {("card", bound): (TRACE, seconds)}


def test_the_latest_of_all_workers_counts(
    as_worker: WrittenExemplars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_worker.note("card", 0.01, TRACE)
    as_worker.note("thumb", 0.02, TRACE)
    monkeypatch.setattr("os.getpid", lambda: 1)
    WrittenExemplars(tmp_path, BUCKETS).note("card", 0.03, OTHER)

    assert _found(tmp_path) == {("card", 0.1): (OTHER, 0.03), ("thumb", 0.1): (TRACE, 0.02)}


def test_a_file_that_was_not_written_whole_is_left_out(as_worker: WrittenExemplars, tmp_path: Path) -> None:
    as_worker.note("card", 0.01, TRACE)
    (tmp_path / "exemplars_1.json").write_text('{"card": {"0.1": [')

    assert _found(tmp_path) == {("card", 0.1): (TRACE, 0.01)}


def test_a_folder_that_cannot_be_written_costs_no_flight(tmp_path: Path) -> None:
    WrittenExemplars(tmp_path / "gone", BUCKETS).note("card", 0.01, TRACE)

    assert _found(tmp_path / "gone") == {}


def test_they_are_written_at_most_once_a_second(tmp_path: Path) -> None:
    written = WrittenExemplars(tmp_path, BUCKETS)
    written.note("card", 0.01, TRACE)
    written.note("card", 0.02, OTHER)

    assert _found(tmp_path) == {("card", 0.1): (TRACE, 0.01)}


def test_without_workers_there_is_nothing_to_collect(tmp_path: Path) -> None:
    assert list(AllWorkers(tmp_path, "prewmanager_flight_seconds").collect()) == []
