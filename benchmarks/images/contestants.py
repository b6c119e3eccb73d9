"""The contestants: our core and other programs, each in a separate process that renders one preview after another."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from rich.console import Console

from benchmarks import node
from benchmarks.images import thumbor_server
from benchmarks.parts import ROOT, Parts, plain_environment

HERE = Path(__file__).parent
CODECS_ALONE = "codecs alone"
EFFORTS = {"webp": 1, "avif": 1}  # our effort, if it differs from sharp's default
QUALITY = {"jpeg": 80, "webp": 80, "avif": 50, "png": None}


@dataclass(frozen=True)
class Contestant:
    """A program that renders previews.

    Attributes:
        name: The name in the tables.
        argv: The worker's command.
        formats: The formats that it can write.
        env: The worker's environment.
        options: Further fields of each request.
        pid: The process that does the work, if it is not the worker.
    """

    name: str
    argv: list[str]
    formats: tuple[str, ...] = ("jpeg", "png", "webp", "avif")
    env: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    pid: int | None = None


class Worker:
    """A contestant's process, with a given number of threads per image, or its default."""

    def __init__(self, contestant: Contestant, threads: int | None) -> None:
        limits = {"VIPS_CONCURRENCY": str(threads), "OMP_NUM_THREADS": str(threads)} if threads else {}
        self._contestant = contestant
        self._child_peak_mb = 0.0
        self.cpu_ms = 0.0
        self._process = subprocess.Popen(
            contestant.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=plain_environment() | contestant.env | limits,
        )

    def make(self, source: Path, result: Path, width: int, output: str, *, quality: int | None = None) -> float:
        """Request one preview; return milliseconds. `cpu_ms` has those of CPU, from a worker that says them."""
        request = {"source": str(source), "result": str(result), "width": width, "format": output}
        assert self._process.stdin is not None  # noqa: S101 -- both were asked for
        assert self._process.stdout is not None  # noqa: S101 -- the same
        self._process.stdin.write(
            json.dumps(request | {"quality": quality or QUALITY[output]} | self._contestant.options) + "\n"
        )
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self._contestant.name} ended while it made {output}")
        measured = json.loads(answer)
        self.cpu_ms = float(measured.get("cpu_ms", 0.0))
        self._child_peak_mb = measured.get("child_peak_mb", 0.0)
        return float(measured["ms"])

    @property
    def peak_mb(self) -> float:
        """The peak of resident memory, its own or that of the program it runs, in MB (10^6 bytes)."""
        if self._child_peak_mb:
            return self._child_peak_mb
        status = Path(f"/proc/{self._contestant.pid or self._process.pid}/status").read_text(encoding="ascii")
        (kib,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        return int(kib) * 1024 / 1e6

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def ours() -> Contestant:
    """Return this project's image core."""
    return Contestant("prewmanager", [sys.executable, "-m", "benchmarks.images.workers.ours"])


def all_present(parts: Parts, photo: Path, console: Console) -> list[Contestant]:
    """Return ours and the other programs installed here; print a line for each missing one."""
    worker = [sys.executable, "-m"]
    present = [ours()]
    if node.packages(console):
        argv = node.command(HERE / "workers" / "sharp.mjs")
        present.append(Contestant("sharp", argv))
        present += [
            Contestant(f"sharp, effort {effort}", argv, formats=(output,), options={"effort": effort})
            for output, effort in EFFORTS.items()
        ]
    present.append(Contestant("Pillow", [*worker, "benchmarks.images.workers.pillow"]))
    if _imagemagick(console):
        present.append(
            Contestant("ImageMagick", [*worker, "benchmarks.images.workers.imagemagick"], ("jpeg", "png", "webp"))
        )
    present.append(Contestant(CODECS_ALONE, [*worker, "benchmarks.images.workers.codecs_alone"], ("jpeg", "webp")))
    server = thumbor_server.start(parts, photo.parent, console)
    if server:
        argv, env = [*worker, "benchmarks.images.workers.thumbor"], {"THUMBOR_PORT": str(server.port)}
        present.append(Contestant("thumbor", argv, ("jpeg", "png", "webp"), env, pid=server.program.pid))
    return present


def _imagemagick(console: Console) -> bool:
    program = shutil.which("magick") or shutil.which("convert")
    if program and not subprocess.run([program, "-list", "format"], capture_output=True, check=False).returncode:
        return True
    console.print("ImageMagick: skipped, it is not installed")
    return False
