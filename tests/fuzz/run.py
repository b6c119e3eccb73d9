"""Tries files in a process whose memory is limited, keeps those that cost most for their bytes, and varies them."""

from __future__ import annotations

import ctypes
import gc
import math
import multiprocessing
import random
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import TimeoutError as WorkerTimeoutError
from dataclasses import dataclass, field
from pathlib import Path

from pebble import ProcessExpired, ProcessPool

from lambda_resize import files, vips
from lambda_resize.errors import ResizeError
from lambda_resize.resize import resize_many
from lambda_resize.settings import Limits
from prewmanager_presets import Spec
from tests.fuzz import apart, boxed, drawings, rarer, rasters
from tests.fuzz.chance import Chance, changed

GRAMMARS: Mapping[str, Callable[[Chance], bytes]] = {
    "png": rasters.png,
    "jpeg": rasters.jpeg,
    "gif": rasters.gif,
    "webp": boxed.webp,
    "tiff": boxed.tiff,
    "heif": boxed.heif,
    "svg": drawings.svg,
    "raw": boxed.camera,
    "jxl": apart.jxl,
    "pdf": apart.pdf,
    "bmp": rarer.bmp,
    "ico": rarer.ico,
    "jp2": rarer.jp2,
    "psd": rarer.psd,
    "apng": rarer.apng,
    "avis": rarer.avis,
}
SPECS = (Spec(width=20), Spec(width=720, animated=True, format="webp"), Spec(width=64, best_effort=True))
MAX_SECONDS = Limits().max_seconds + 1
MAX_MEGABYTES = 1_000
MEMORY = 3 << 30
AT_REST = 60  # megabytes of a process that has rendered something small
HANGS_AFTER_S = 60
KEPT = 12  # of each format


@dataclass(frozen=True)
class Find:
    """A file, how it was drawn, and what it cost."""

    name: str
    draws: tuple[float, ...]
    data: bytes
    kind: str
    seconds: float
    megabytes: float

    @property
    def violates(self) -> bool:
        """Whether it took more than any file may."""
        ended = self.kind in {"crash", "hang", "internal"}
        return ended or self.seconds > MAX_SECONDS or self.megabytes > MAX_MEGABYTES

    @property
    def worth(self) -> float:
        """Its cost for its bytes: of the limit of time or of memory that it took, the larger, a kilobyte."""
        share = max(self.seconds / MAX_SECONDS, (self.megabytes - 100) / MAX_MEGABYTES)
        return share / math.sqrt(1 + len(self.data) / 1000)


@dataclass
class Findings:
    """The files that cost most, by format, those that violate a limit, and how many were tried."""

    tried: int = 0
    best: dict[str, list[Find]] = field(default_factory=dict)
    violations: list[Find] = field(default_factory=list)

    def add(self, find: Find) -> None:
        """Count a file, and keep it if it is one of the most costly."""
        self.tried += 1
        known = [*self.best.get(find.name, []), find]
        self.best[find.name] = sorted(known, key=lambda each: -each.worth)[:KEPT]
        if find.violates:
            self.violations.append(find)


def fuzz(seed: int, seconds: float, names: list[str] | None = None) -> Iterator[Findings]:
    """Try files for so long, and yield the findings after each."""
    findings, chance = Findings(), random.Random(seed)
    end = time.monotonic() + seconds
    context = multiprocessing.get_context("spawn")
    with ProcessPool(max_workers=1, initializer=_limit, context=context) as pool:
        while time.monotonic() < end:
            name = chance.choice(names or list(GRAMMARS))
            best, number = findings.best.get(name, []), chance.getrandbits(32)
            given = changed(chance.choice(best).draws, number) if best and chance.random() < 0.6 else ()
            drawn = Chance(number, given)
            data = GRAMMARS[name](drawn)
            spec = SPECS[int(drawn.part() * len(SPECS))]
            find = _tried(pool, name, tuple(drawn.drawn), data, spec)
            # Once more, since the machine may have been busy.
            findings.add(_tried(pool, name, find.draws, data, spec) if find.violates else find)
            yield findings


def save(find: Find, folder: Path) -> Path:
    """Write a file that violates a limit, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{find.kind}-{time.time_ns()}.{find.name}"
    path.write_bytes(find.data)
    return path


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    vips.allow_svg(allowed=True)
    files.allow_pdf(allowed=True)


def _tried(pool: ProcessPool, name: str, draws: tuple[float, ...], data: bytes, spec: Spec) -> Find:
    try:
        kind, seconds, megabytes = pool.schedule(_attempt, args=(data, spec), timeout=HANGS_AFTER_S).result()
    except ProcessExpired:
        kind, seconds, megabytes = "crash", 0.0, 0.0
    except WorkerTimeoutError:
        kind, seconds, megabytes = "hang", float(HANGS_AFTER_S), 0.0
    return Find(name, draws, data, kind, seconds, megabytes)


def _attempt(data: bytes, spec: Spec) -> tuple[str, float, float]:
    """Return the outcome's kind, seconds, and the peak of memory in MB."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what earlier files used is not this one's
    Path("/proc/self/clear_refs").write_text("5")  # begins a new peak
    before = _memory("VmRSS")
    start, used = time.monotonic(), _used_s()
    try:
        (made,) = resize_many(data, [spec])
        kind = made.kind if isinstance(made, ResizeError) else "preview"
    except Exception:  # noqa: BLE001 -- the handler would answer `internal`
        kind = "internal"
    # On a busy machine what the file used counts, of several processors what passed.
    seconds = min(time.monotonic() - start, _used_s() - used)
    return kind, seconds, _memory("VmHWM") - before + AT_REST


def _used_s() -> float:
    """Return the seconds of CPU of this process and of those that it has waited for."""
    others = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + others.ru_utime + others.ru_stime


def _memory(name: str) -> float:
    """Return a line of this process's status, in MB."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status[name].split()[0]) / 1000
