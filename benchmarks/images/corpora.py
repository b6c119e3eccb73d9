"""The test images of Pillow, thumbor and pypng: unusual files, taken from the packages' sources."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import typer
from rich.console import Console

from benchmarks.images import trials
from benchmarks.images.trials import Outcome, Trial
from benchmarks.parts import ROOT
from benchmarks.report import Cell, Table

CACHE = ROOT / ".local" / "corpora"
PACKAGES = ("pillow==12.3.0", "thumbor==7.8.0", "pypng==0.20220715.0")
# Code, text, fonts and colour tables; every other file is tried, whatever its name.
OTHERS = re.compile(
    r"\.(py|pyi|pyc|c|h|cc|rst|md|txt|in|toml|cfg|ini|yml|yaml|sh|cmake|mk|ttf|otf|pcf|bdf|pfb|icc|icm|lut|cube|pil|pbm"
    r"|html|css|js|json|conf|lua|tmpl|xml|patch|lock|bat|ps1)",
    re.IGNORECASE,
)

_SUITE = re.compile(r"""'(\w+)': _dehex\(b\"{3}([0-9a-fA-F\s]+)\"{3}""")


class NoCorpora(Exception):
    """The packages' sources cannot be downloaded."""


def download() -> list[Path]:
    """Return the packages' sources, cached in .local.

    Raises:
        NoCorpora: pip cannot download them.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    return [_sdist(package) for package in PACKAGES]


def _sdist(package: str) -> Path:
    name, _, version = package.partition("==")
    pattern = f"{name}-{version}.tar.gz"
    if not (CACHE / pattern).exists():
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary=:all:", f"--dest={CACHE}"]
        done = subprocess.run([sys.executable, "-m", "pip", "download", *options, package], check=False)
        if done.returncode or not (CACHE / pattern).exists():
            raise NoCorpora(f"{package}: pip failed to download its source")
    return CACHE / pattern


def files(archive: Path) -> Iterator[Trial]:
    """Yield the files of one package that may be images."""
    with tarfile.open(archive) as sources:
        for member in sources:
            path = PurePosixPath(*PurePosixPath(member.name).parts[1:])
            tested = any("test" in part.lower() for part in path.parts[:-1]) or path.suffix.lower() == ".png"
            opened = sources.extractfile(member) if member.isfile() and tested else None
            if opened and path.suffix and not OTHERS.fullmatch(path.suffix):
                yield Trial(archive.name.partition("-")[0], f"{archive.name.partition('-')[0]}/{path}", opened.read())


def suite(archive: Path) -> Iterator[Trial]:
    """Yield the images of PngSuite, which pypng contains as hexadecimal text in a module."""
    with tarfile.open(archive) as sources:
        for member in sources:
            opened = sources.extractfile(member) if member.name.endswith("/pngsuite.py") else None
            if opened:
                for name, text in _SUITE.findall(opened.read().decode()):
                    data = bytes.fromhex("".join(text.split()))
                    yield Trial(archive.name.partition("-")[0], f"pngsuite/{name}", data)


def run() -> Outcome:
    """Try every file of every corpus. Raises `NoCorpora`."""
    return trials.run(trial for archive in download() for find in (files, suite) for trial in find(archive))


def table(outcome: Outcome) -> Table:
    """Return how many files of each corpus had each outcome."""
    kinds = sorted({kind for _, kind in outcome.kinds}, key=lambda kind: (kind != "preview", kind))
    groups = sorted({group for group, _ in outcome.kinds})
    rows: list[list[Cell]] = [
        [group, sum(outcome.kinds[group, kind] for kind in kinds), *(outcome.kinds[group, kind] for kind in kinds)]
        for group in groups
    ]
    return Table("Test images of others", ["corpus", "files", *kinds], rows)


def main() -> None:
    """Print the table, the failures with their reasons, and the peak of memory."""
    outcome, console = run(), Console()
    for name, error in sorted(outcome.errors.items()):
        console.print(f"{name}: {error}", soft_wrap=True, highlight=False)
    found = table(outcome)
    for row in [found.columns, *found.rows]:
        console.print(" | ".join(map(str, row)))
    trials.conclude(outcome, console)


if __name__ == "__main__":
    typer.run(main)
