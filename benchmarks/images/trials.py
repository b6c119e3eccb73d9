"""Trials: runs the image core on files, in processes that may crash or hang."""

from __future__ import annotations

import io
import multiprocessing
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import TimeoutError as WorkerTimeoutError
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NoReturn

import typer
from pebble import ProcessExpired, ProcessPool
from PIL import Image
from rich.console import Console

from lambda_resize.errors import ResizeError
from lambda_resize.resize import resize_many
from lambda_resize.settings import Limits
from prewmanager_presets import Spec

LIMITS = Limits(max_seconds=5)
HANGS_AFTER_S = 30
SMALL = Spec(width=64)
BATCH = 500
PROPER = frozenset({"preview", "unsupported", "corrupt", "too_large", "timeout"})


@dataclass
class Outcome:
    """Outcomes of many files: counts by kind, the files without a proper answer, and the peak of memory."""

    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    peak_mb: float = 0.0

    def count(self, kind: str) -> int:
        """Return the number of files of this kind, over all groups."""
        return sum(number for (_, found), number in self.kinds.items() if found == kind)


@dataclass(frozen=True)
class Trial:
    """One file: the group for counting, its name, its bytes, and the preview to render."""

    group: str
    name: str
    data: bytes
    spec: Spec = SMALL
    placeholder: bool = False


def run(trials: Iterable[Trial], *, workers: int = 2) -> Outcome:
    """Try all files."""
    outcome = Outcome()
    waiting = iter(trials)
    # spawn: a fork would copy the locks of libvips' threads.
    with ProcessPool(max_workers=workers, context=multiprocessing.get_context("spawn")) as pool:
        while batch := list(islice(waiting, BATCH)):
            scheduled = [(trial, pool.schedule(_attempt, args=(trial,), timeout=HANGS_AFTER_S)) for trial in batch]
            for trial, future in scheduled:
                try:
                    kind, text, peak = future.result()
                except ProcessExpired as error:
                    kind, text, peak = "crash", str(error), 0.0
                except WorkerTimeoutError:
                    kind, text, peak = "hang", f"more than {HANGS_AFTER_S} s", 0.0
                _note(outcome, trial, kind, text, peak)
    return outcome


def _note(outcome: Outcome, trial: Trial, kind: str, text: str, peak: float) -> None:
    outcome.kinds[trial.group, kind] += 1
    outcome.peak_mb = max(outcome.peak_mb, peak)
    if kind not in PROPER:
        outcome.failures[trial.name] = f"{kind}: {text}"
    elif kind != "preview":
        outcome.errors[trial.name] = f"{kind}: {text}"


def _attempt(trial: Trial) -> tuple[str, str, float]:
    """Return the outcome's kind, and the peak of this process's memory in MB."""
    kind, text = _kind(trial)
    # Not getrusage: its peak includes that of the process that this one was forked from.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (kib,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return kind, text, int(kib) / 1000


def _kind(trial: Trial) -> tuple[str, str]:
    try:
        (made,) = resize_many(trial.data, [trial.spec], LIMITS, placeholder=trial.placeholder)
    except Exception as error:  # noqa: BLE001 -- the handler would answer `internal`, which the trials search for
        return "internal", repr(error)
    if isinstance(made, ResizeError):
        return made.kind, str(made)
    with Image.open(io.BytesIO(made.data)) as image:
        image.load()
        if image.size != (made.width, made.height) or image.get_format_mimetype() != made.content_type:
            return "wrong", f"{image.size} instead of {made.width}x{made.height}"
    return "preview", ""


def failures(outcome: Outcome) -> Iterator[str]:
    """Yield a line for each file that got no proper answer."""
    yield from (f"{name}: {what}" for name, what in outcome.failures.items())


def conclude(outcome: Outcome, console: Console) -> NoReturn:
    """Print the peak of memory and the files without a proper answer; exit with 1 if there is one, else with 0."""
    console.print(f"peak memory {outcome.peak_mb:.0f} MB")
    for line in failures(outcome):
        console.print(line, soft_wrap=True)
    raise typer.Exit(bool(outcome.failures))
