"""Misses one after the other, the systems in turn, at one distance of S3 after another.

The serial trips of a miss are how many of S3's answers wait for one another: the time that the distance adds, divided
by the distance.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks import misses, photos
from benchmarks.far_systems import BARE, SAMPLE, Site, System, asked, sites
from benchmarks.parts import Parts
from benchmarks.percentiles import percentile
from benchmarks.report import Cell, Figure, Report, Table
from benchmarks.systems import path_of
from devstack.backends import S3
from devstack.far_s3 import Distance

STANDARD = "standard"
_CHECKED_AFTER_S = 2.2  # after an answer, until S3 is asked for what Lambda wrote after it
_WARM_UP = 3  # the function says what it can, and the store that it shows at once what it has


@dataclass(frozen=True)
class Place:
    """Where S3 is: milliseconds away, the standard deviation of their logarithm, and how many misses there."""

    delay_ms: float
    spread: float = 0.0
    rounds: int = 7
    of_standard: int = 25

    @property
    def name(self) -> str:
        """In tables."""
        return f"{self.delay_ms:g} ms" + (f", log-normal ({self.spread:g})" if self.spread else "")

    @property
    def distance(self) -> Distance:
        """For the proxy in front of S3."""
        return Distance(self.delay_ms / 1000, self.spread)

    def count(self, photo: str, *, quick: bool) -> int:
        """Return the misses of a photo by each system."""
        return 3 if quick else self.of_standard if photo == STANDARD else self.rounds


NEAR, CLOSE, FAR = Place(0), Place(15), Place(400, rounds=5, of_standard=9)
PLACES = (NEAR, CLOSE, Place(15, spread=0.5), Place(40), FAR)


@dataclass
class Measured:
    """The misses of one system with one photo at one distance, and the requests that S3 got for all of them."""

    ms: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)

    @property
    def median_ms(self) -> float:
        """Milliseconds."""
        return percentile(self.ms, 50)

    @property
    def spread_ms(self) -> float:
        """Milliseconds from the lower to the upper quartile."""
        return percentile(self.ms, 75) - percentile(self.ms, 25)


Results = dict[tuple[Place, str, str], Measured]  # by place, photo and system


def measure(
    parts: Parts, place: Place, systems: Sequence[System], by_name: Mapping[str, bytes], *, quick: bool
) -> Results:
    """Measure misses of each photo at one place; a round is one miss of each system, beginning with another one."""
    s3 = parts.s3()
    running = list(sites(parts, s3, place.distance, systems))
    for site in running:
        for number in range(_WARM_UP):
            _miss(s3, site, f"warm-up-{number}", by_name[STANDARD])
    results: Results = {}
    for name, photo in by_name.items():
        before = _after(running, place)
        measured = {site: Measured() for site in running}
        for number in range(place.count(name, quick=quick)):
            first = number % len(running)
            for site in running[first:] + running[:first]:
                miss = _miss(s3, site, f"{name}-{number}", photo)
                measured[site].ms.append(miss.wall_ms)
                measured[site].sizes.append(miss.size)
        after = _after(running, place)
        for site, each in measured.items():
            each.requests = after[site] - before[site]
            results[place, name, site.system.name] = each
    return results


def _miss(s3: S3, site: Site, run: str, photo: bytes) -> misses.Miss:
    name = f"{run}-{site.port}.jpg"
    photos.store(s3, photo, [name])
    (miss,) = misses.ask(site.port, [path_of(name)])
    return miss


def _after(running: Sequence[Site], place: Place) -> dict[Site, Counter[str]]:
    """Return the counts once the requests that follow the answers are counted too."""
    time.sleep(_CHECKED_AFTER_S + 3 * place.delay_ms / 1000)
    return {site: asked(site.far) for site in running}


def add_to(report: Report, results: Results, systems: Sequence[System], by_name: Mapping[str, bytes]) -> None:
    """Add table and figures to the report."""
    rows = [_row(results, place, photo, system, len(by_name[photo])) for place, photo, system in results]
    columns = ["distance, photo, system", "misses", "p50 ms", "p25", "p75", "p95", "serial trips", "preview KB"]
    note = (
        "Warm, one after the other, through nginx; in each round every system has one miss. 720 wide, JPEG of quality "
        "80, colour at half resolution, Lanczos, one thread for a photo, on both sides. Trips are left out where the "
        "misses differ by more than the distance."
    )
    report.tables.append(Table("Misses", [*columns, "requests to S3 for a miss"], rows, note))
    report.figures += _trips(results, systems)
    for place in (each for each in PLACES if each.delay_ms == CLOSE.delay_ms):
        report.figures += _ratios(results, systems, place)


def _row(results: Results, place: Place, photo: str, system: str, photo_bytes: int) -> list[Cell]:
    measured = results[place, photo, system]
    requests = [f"{what}: {times / len(measured.ms):.3g}" for what, times in sorted(measured.requests.items())]
    spread: list[Cell] = [percentile(measured.ms, percent) for percent in (50, 25, 75, 95)]
    trips = None if place.spread else _serial_trips(results, place, photo, system)
    size = percentile(measured.sizes, 50) / 1000
    name = f"{place.name}, {photo_bytes / 1e6:.1f} MB, {system}"
    return [name, len(measured.ms), *spread, trips, size, ", ".join(requests)]


def _serial_trips(results: Results, place: Place, photo: str, system: str) -> float | None:
    """Return None where the misses differ by more than the distance."""
    near, far = results[NEAR, photo, system], results[place, photo, system]
    if place.delay_ms <= max(near.spread_ms, far.spread_ms):
        return None
    return (far.median_ms - near.median_ms) / place.delay_ms


def _trips(results: Results, systems: Sequence[System]) -> list[Figure]:
    what = f"answers of S3 that wait for one another, S3 {FAR.name} away"
    return [
        Figure(f"{system.name}: {what}", trips, "", system.trips_target)
        for system in systems
        if (trips := _serial_trips(results, FAR, STANDARD, system.name)) is not None
    ]


def _ratios(results: Results, systems: Sequence[System], place: Place) -> list[Figure]:
    """Compare ours with each handler on Node, where it runs."""
    targets = {SAMPLE: 1.0, BARE: 1.15}
    medians = {system: results[place, STANDARD, system.name].median_ms for system in systems}
    return [
        Figure(f"{system.name}, S3 {place.name} away: p50, of that of {other.name}", ms / medians[other], "times", most)
        for system, ms in medians.items()
        if system.trips_target is not None
        for other, most in targets.items()
        if other in medians
    ]


def medians(results: Results) -> dict[str, float]:
    """Return the milliseconds of the standard photo by system and place, for a plot."""
    return {
        f"{system}, {place.name}": measured.median_ms
        for (place, photo, system), measured in results.items()
        if photo == STANDARD
    }
