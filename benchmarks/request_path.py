"""The request path: existing previews, misses, and the memory of idle programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import existing_previews, memory_at_rest, miss_time, plots
from benchmarks.parts import Parts, running_parts
from benchmarks.processes import raise_open_files
from benchmarks.report import Report
from benchmarks.results import results_folder
from devstack.backends import S3
from devstack.programs import LOOPBACK

_OPEN_FILES = 4096


def main(quick: Annotated[bool, typer.Option("--quick", help="half a minute, into .local/benchmarks")] = False) -> None:
    """Run everything, print the tables, write them and the plots."""
    existing_previews.wrk()
    raise_open_files(_OPEN_FILES)
    folder, console = results_folder(quick=quick), Console()
    report = Report("request-path", "The request path")
    with running_parts() as parts:
        s3 = parts.s3()
        _misses(parts, s3, report, folder, count=10 if quick else 50)
        console.print("previews that exist")
        measured = existing_previews.measure(parts, s3, rounds=2 if quick else 7, seconds=1 if quick else 3)
    rates = existing_previews.add_to(report, measured)
    plots.bars(folder / "existing.svg", "A preview of 70 KB that exists", "requests per second", rates)
    report.plots.append("existing.svg")
    report.print_on(console)
    report.write(folder)


def _misses(parts: Parts, s3: S3, report: Report, folder: Path, *, count: int) -> None:
    """Measure misses through the whole system."""
    function, function_log = parts.function(s3)
    service = parts.service(parts.redis(), s3, function.url)
    variables = {
        "PREW_NGINX_S3_SERVER": f"{LOOPBACK}:{s3.port}",
        "PREW_NGINX_S3_SCHEME": "http",
        "PREW_NGINX_BUCKET_PATH": f"/{s3.bucket}",
        "PREW_NGINX_SERVICES": f"{LOOPBACK}:{service.port}",
        "PREW_NGINX_WORKERS": "1",
    }
    resident = {"service, idle since its start": memory_at_rest.of_service(service)}
    times = miss_time.measure(s3, function, function_log, service, parts.nginx(variables), count=count)
    resident[f"service, after {2 * count} misses"] = memory_at_rest.of_service(service)
    resident[f"sandbox, after {2 * count} previews"] = memory_at_rest.of_sandbox(function)
    spent = miss_time.add_to(report, times)
    memory_at_rest.add_to(report, resident)
    plots.bars(folder / "miss.svg", "Where the time of a miss goes", "milliseconds", spent)
    report.plots.append("miss.svg")


if __name__ == "__main__":
    typer.run(main)
