"""The lag of waiters for one hot preview through nginx, by `PREW_NGINX_BALANCE`: at one replica, or spread over all."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from benchmarks.parts import Parts, Replica, running_parts
from benchmarks.percentiles import median_of
from benchmarks.processes import raise_open_files
from benchmarks.report import Report, Table
from benchmarks.rounds import held_round
from benchmarks.systems import Gate, System
from benchmarks.waiters import Waiters
from tests.support.site import nginx_variables

_MODES = ("random", "hash")
_OPEN_FILES = 16384
_HELD_S = 1.0  # nginx asks S3 and whether a replica is alive before the service has the requests
_COLUMNS = ["PREW_NGINX_BALANCE", "p50", "p99"]


def _systems(parts: Parts, replicas: int) -> list[System]:
    gate, s3, redis = Gate(parts.module("gated_lambda")), parts.s3(), parts.redis()
    started = [parts.service(redis, s3, gate.server.url) for _ in range(replicas)]
    variables = nginx_variables(s3, [each.port for each in started])
    fronts = [parts.nginx(variables | {"PREW_NGINX_BALANCE": mode}) for mode in _MODES]
    return [
        System(mode, [Replica(front.program, front.port)], gate) for mode, front in zip(_MODES, fronts, strict=True)
    ]


def main(
    waiting: Annotated[int, typer.Option(help="waiters for one preview")] = 5000,
    rounds: Annotated[int, typer.Option(help="rounds; the modes alternate")] = 5,
    replicas: Annotated[int, typer.Option(help="replicas behind nginx")] = 2,
) -> None:
    """Measure and print."""
    raise_open_files(_OPEN_FILES)
    lags: dict[str, list[list[float]]] = {mode: [] for mode in _MODES}
    with running_parts() as parts:
        systems = _systems(parts, replicas)
        for _ in range(rounds + 1):
            for system in systems:
                with Waiters(system.ports, waiting) as waiters:
                    lags[system.name].append(held_round(system, waiters, _HELD_S))
    rows: list[list[str | float]] = [
        [mode, *(median_of(lags[mode][1:], percent) for percent in (50, 99))] for mode in _MODES
    ]
    report = Report("balance", "One hot preview through nginx")
    report.tables.append(Table(f"Lag of {waiting} waiters, {replicas} replicas, milliseconds", _COLUMNS, rows))
    report.print_on(Console())


if __name__ == "__main__":
    typer.run(main)
