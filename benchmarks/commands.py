"""The operators' commands on a large bucket: `make bench-commands`, ARGS="--objects 20000" for fewer objects.

Fills a SeaweedFS with tiny photos and previews, runs each command, and compares what it counts with what was put
there: nothing may be left out. The photos are no images, and the function writes one byte, so that the figures are the
commands' own.
"""

from __future__ import annotations

import asyncio
import base64
import json
import resource
import tempfile
import time
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from aiohttp import web
from obstore.store import S3Store
from rich.console import Console

from benchmarks.report import Cell, Figure, Report, Table
from devstack.backends import S3, Redis, start_redis, start_s3
from devstack.objects import object_store
from devstack.programs import find
from prewmanager.previews.variants import variants
from prewmanager_presets import Preset
from tests.support.gated_lambda import InvokeEndpoint, preview_key
from tests.support.site import service_environment

MOST_MB = 150
FORMER = "old"
_PUTS_AT_ONCE = 64
_RESULTS = Path(__file__).resolve().parents[1] / "docs" / "benchmarks"
_CARD = variants("card", Preset(width=720))["card"].fingerprint


class OneByteFunction(InvokeEndpoint):
    """A function whose previews are one byte with the preset's fingerprint."""

    def __init__(self, store: S3Store) -> None:
        super().__init__(is_open=True)
        self._store = store

    async def answer(self, event: dict[str, Any]) -> web.Response:
        """Answer one invocation."""
        await self._store.put_async(preview_key(event), b"x", attributes={"preset-fingerprint": event["fingerprint"]})
        data = base64.b64encode(b"x").decode()
        return web.json_response({"status": True, "content_type": "image/jpeg", "data": data})


@dataclass(frozen=True)
class Bucket:
    """What is put in: shares of a number of objects. Names begin with two digits, each a hundredth of the photos."""

    objects: int

    @property
    def photos(self) -> int:
        """Half of all objects."""
        return self.objects // 2

    @property
    def previews(self) -> int:
        """Previews in the preset card, of the first photos, those of missing photos among them."""
        return self.objects * 35 // 100

    @property
    def gone(self) -> int:
        """Previews whose photo is missing, two in each hundredth."""
        return 200

    @property
    def changed(self) -> int:
        """Previews of an earlier definition, all of them in the first hundredth."""
        return self.objects * 15 // 10_000

    @property
    def dropped(self) -> dict[str, int]:
        """Previews of a preset that is not configured any more, by variant."""
        return {"banner": self.objects * 5 // 100, "banner.webp": self.objects * 25 // 1000}

    @property
    def former(self) -> int:
        """Previews under an earlier prefix."""
        return self.objects * 75 // 1000

    def stored(self) -> int:
        """Previews in card whose photo is there."""
        return self.previews - self.gone

    def of_photos(self) -> Iterator[str]:
        """List the keys of the photos."""
        return (f"photo/{_name(number)}" for number in range(self.photos))

    def of_previews(self) -> Iterator[tuple[str, str]]:
        """List the keys of the previews, and the fingerprint in the metadata of each."""
        for number in range(self.stored()):
            earlier = number % 100 == 0 and number < 100 * self.changed
            yield f"prew/card/{_name(number)}", "000000000000" if earlier else _CARD
        for number in range(self.gone):
            yield f"prew/card/{number % 100:02}/gone/{number}.jpg", _CARD
        for preset, count in self.dropped.items():
            yield from ((f"prew/{preset}/{_name(number)}", _CARD) for number in range(count))
        yield from ((f"{FORMER}/card/{_name(number)}", _CARD) for number in range(self.former))


def _name(number: int) -> str:
    return f"{number % 100:02}/{number // 100 % 40:02}/{number:07}.jpg"


async def _fill(store: S3Store, objects: Iterable[tuple[str, str]]) -> int:
    """Put one byte under each key, and return their number."""
    remaining, done = iter(objects), Counter[None]()

    async def put() -> None:
        for key, fingerprint in remaining:
            await store.put_async(key, b"x", attributes={"preset-fingerprint": fingerprint}, use_multipart=False)
            done[None] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(_PUTS_AT_ONCE):
            group.create_task(put())
    return done.total()


@dataclass(frozen=True)
class Run:
    """One command: its arguments, its exit code, its JSON, and what it took; CPU is the process's own."""

    arguments: str
    exit_code: int
    lines: list[Any]
    seconds: float
    cpu_s: float
    peak_mb: float


def _peak_kb(pid: int) -> int:
    """Return a process's peak memory, or 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@dataclass(frozen=True)
class Operator:
    """Runs commands one after the other, and prints what each takes."""

    environment: dict[str, str]

    async def run(self, arguments: str) -> Run:
        """Run a command with --json."""
        started, cpu_before, peak_kb = time.perf_counter(), _cpu_s(), 0
        argv = [find("prewmanager"), *arguments.split(), "--json"]
        process = await create_subprocess_exec(*argv, env=self.environment, stdout=PIPE, stderr=PIPE)
        reading = asyncio.create_task(process.communicate())
        while not reading.done():
            peak_kb = max(peak_kb, _peak_kb(process.pid))
            await asyncio.wait([reading], timeout=0.1)
        output, errors = await reading
        seconds, cpu_s = time.perf_counter() - started, _cpu_s() - cpu_before
        try:
            lines = [json.loads(output)]
        except ValueError:
            lines = [json.loads(line) for line in output.splitlines()]
        if not lines:
            raise SystemExit(f"{arguments}: {errors.decode()}")
        done = Run(arguments, process.returncode or 0, lines, seconds, cpu_s, peak_kb / 1024)
        print(f"{arguments:32} exit {done.exit_code}  {seconds:7.1f} s  {cpu_s:6.1f} s CPU  {done.peak_mb:6.1f} MB")
        return done


@dataclass
class Check:
    """Compares what the commands counted with what was put."""

    runs: list[tuple[Run, str]]

    def add(self, run: Run, found: object, expected: object, what: str) -> None:
        """Note a run and what it counted. Exits if that is not what was put."""
        if found != expected:
            raise SystemExit(f"{run.arguments}: {found} instead of {expected}")
        self.runs.append((run, what))


def _by_preset(run: Run, column: str) -> dict[str, int]:
    return {each["preset"]: each[column] for each in run.lines[0]["presets"]}


async def _count(operator: Operator, bucket: Bucket, check: Check) -> None:
    """Run the commands that change nothing."""
    done = await operator.run("presets")
    check.add(done, [each["name"] for each in done.lines[0]], ["card"], "1 preset")
    done = await operator.run("stats")
    found = {each["preset"]: each["count"] for each in done.lines[0]}
    check.add(done, found, {"card": bucket.previews, **bucket.dropped}, f"{sum(found.values()):,} previews counted")
    done = await operator.run("doctor")
    named = {each["check"]: each["detail"] for each in done.lines[0]}["previews: presets"]
    check.add(done, named.split(":")[0], ", ".join(bucket.dropped), "the dropped preset and its variant named")
    done = await operator.run("warm --dry-run")
    found = done.lines[0]["presets"][0]
    expected = bucket.photos, bucket.stored(), bucket.photos - bucket.stored()
    shown = f"{bucket.photos:,} photos, {expected[2]:,} without a preview"
    check.add(done, (found["photos"], found["stored"], found["missing"]), expected, shown)
    done = await operator.run("stale")
    listed = Counter(line.get("reason") for line in done.lines[:-1])
    expected_lines = {"preset_changed": bucket.changed, "photo_gone": bucket.gone}
    check.add(done, dict(listed), expected_lines, f"{bucket.previews:,} previews, {len(done.lines) - 1} of them stale")


async def _change(operator: Operator, bucket: Bucket, check: Check) -> None:
    """Run the commands that render and delete."""
    first, last = (sum(number % 100 == each for number in range(bucket.stored())) for each in (0, 99))
    done = await operator.run("warm --prefix 99/ --concurrency 32")
    missing = bucket.photos // 100 - last
    check.add(done, done.lines[-1]["done"], {"made": missing}, f"{missing} rendered")
    done = await operator.run("stale --fix --prefix 00/")
    shown = f"{first + 2} previews, {bucket.changed} repaired, 2 deleted"
    check.add(done, done.lines[-1]["done"], {"made": bucket.changed, "deleted": 2}, shown)
    orphans = {**bucket.dropped, "card": bucket.gone - 2}
    for arguments, verb in (("purge --orphans", "counted"), ("purge --orphans --yes", "deleted")):
        done = await operator.run(arguments)
        shown = f"{sum(bucket.dropped.values()):,} previews of dropped presets, {bucket.gone - 2} of missing photos"
        check.add(done, _by_preset(done, "previews"), orphans, f"{shown} {verb}")
    for flag, verb in (("", "counted"), (" --yes", "deleted")):
        done = await operator.run(f"purge --former-prefix {FORMER}{flag}")
        check.add(done, _by_preset(done, "previews"), {"card": bucket.former}, f"{bucket.former:,} previews {verb}")
    left = bucket.stored() + missing
    for flag, verb in (("", "counted"), (" --yes", "deleted")):
        done = await operator.run(f"purge card{flag}")
        check.add(done, _by_preset(done, "previews"), {"card": left}, f"{left:,} previews {verb}")
    done = await operator.run("stats")
    check.add(done, done.lines[0][0]["count"], 0, "none is left")


async def _measure(s3: S3, redis: Redis, bucket: Bucket) -> list[tuple[Run, str]]:
    store = object_store(s3, s3.bucket)
    function, check = OneByteFunction(store), Check([])
    started = time.perf_counter()
    # Photos first: a preview without a photo's ETag in its metadata is fresh if it is younger.
    put = await _fill(store, ((key, "") for key in bucket.of_photos()))
    put += await _fill(store, bucket.of_previews())
    print(f"{put} objects put in {time.perf_counter() - started:.0f} s")
    if put != bucket.objects:
        raise SystemExit(f"{put} objects put instead of {bucket.objects}")
    async with function.running():
        environment = {
            **service_environment(s3, redis, function.url),
            "PREW_LAMBDA_FUNCTION": "one-byte",
            "PREW_PRESETS__CARD__WIDTH": "720",
        }
        operator = Operator(environment)
        await _count(operator, bucket, check)
        await _change(operator, bucket, check)
    return check.runs


def _report(bucket: Bucket, runs: list[tuple[Run, str]]) -> Report:
    most = max(run.peak_mb for run, _ in runs)
    report = Report("commands", f"The operators' commands on {bucket.objects:,} objects")
    report.figures.append(Figure("peak memory of the command that takes most", most, "MB", MOST_MB))
    rows: list[list[Cell]] = [
        [f"`{run.arguments}`", what, run.seconds, run.cpu_s, run.peak_mb, run.exit_code] for run, what in runs
    ]
    note = (
        f"{bucket.photos:,} photos, {bucket.previews:,} previews in the preset card, {sum(bucket.dropped.values()):,} "
        f"in a dropped preset and its variant, {bucket.former:,} under an earlier prefix, each of one byte, in "
        "SeaweedFS, on the same cores. Each command's count was compared with what had been put. The function writes "
        "one byte. CPU and peak resident memory are those of the command's process."
    )
    columns = ["command", "what it found or did", "seconds", "seconds of CPU", "peak MB", "exit code"]
    report.tables.append(Table("By command, in the order in which they ran", columns, rows, note))
    return report


def main(objects: Annotated[int, typer.Option(min=20_000, help="total number of objects")] = 200_000) -> None:
    """Start S3 and Redis, fill the bucket, run the commands, print and write the tables."""
    bucket = Bucket(objects)
    with tempfile.TemporaryDirectory() as folder:
        s3, redis = start_s3(Path(folder)), start_redis(Path(folder))
        try:
            report = _report(bucket, asyncio.run(_measure(s3, redis, bucket)))
        finally:
            s3.program.kill()
            redis.program.kill()
    report.print_on(Console())
    if objects == Bucket(200_000).objects:
        report.write(_RESULTS)


if __name__ == "__main__":
    typer.run(main)
