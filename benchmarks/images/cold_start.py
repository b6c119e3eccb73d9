"""Time from process start to the first preview in S3: this function, and one of Node, sharp and AWS's client."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import node
from benchmarks.images.contestants import HERE
from benchmarks.parts import ROOT, plain_environment
from benchmarks.report import Cell, Figure, Report, Table
from devstack.backends import S3, s3_client

_OURS = (
    "import json, sys; from lambda_resize.handler import handler; "
    "assert handler(json.loads(sys.argv[1]), None)['status']"
)


def measure(s3: S3, photo: Path, rounds: int, *, with_node: bool) -> dict[str, list[float]]:
    """Return milliseconds by name; the programs alternate."""
    client = s3_client(s3)
    client.put_object(Bucket=s3.bucket, Key="photo/cold.jpg", Body=photo.read_bytes())
    event = {"src_bucket": s3.bucket, "src_key": "photo/cold.jpg", "dst_bucket": s3.bucket, "width": 720}
    names = {"root_folder": "prew", "preset_name": "card", "rewrite_part": "photo", "dst_key": "prew/node/cold.jpg"}
    text = json.dumps(event | names)
    commands = {"prewmanager": [sys.executable, "-c", _OURS, text]}
    if with_node:
        commands["Node, sharp, AWS SDK"] = [*node.command(HERE / "workers" / "cold.mjs"), text]
    env = plain_environment() | s3.aws_environment()
    return _alternating(commands, env, rounds)


def _alternating(commands: Mapping[str, Sequence[str]], env: Mapping[str, str], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, argv in commands.items():
            start = time.perf_counter()
            subprocess.run(argv, cwd=ROOT, env=env, check=True, capture_output=True)
            if number:  # the first run of each reads its files from disk
                times[name].append((time.perf_counter() - start) * 1000)
    return times


def add_to(report: Report, times: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Add figures and a table to the report; return the medians by name."""
    medians = {name: statistics.median(each) for name, each in times.items()}
    rows: list[list[Cell]] = [[name, medians[name], min(each), len(each)] for name, each in times.items()]
    title = "Cold start: process started, 720 wide JPEG read from and written to S3, process ended (ms)"
    report.tables.append(Table(title, ["", "median", "fastest", "rounds"], rows))
    mine, *others = medians.values()
    if others:
        report.figures.append(Figure("cold start, ours to Node's", mine / others[0], "", 1.0))
    return medians
