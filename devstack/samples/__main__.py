"""`python -m devstack.samples FOLDER`: render the sample photos, unless `FOLDER` has this version of them."""

from __future__ import annotations

import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from devstack.programs import die_with_parent
from devstack.samples.catalogue import GROUPS

# Increase it when the pictures change. Kept in a dot file, which is not loaded into the bucket.
VERSION = "1"
_VERSION_FILE = ".version"


def are_there(folder: Path) -> bool:
    """Whether `folder` contains all samples of this version."""
    version = folder / _VERSION_FILE
    return version.is_file() and version.read_text() == VERSION


def make_group(folder: Path, number: int) -> None:
    """Render one of `GROUPS` into `folder`."""
    for name, make in GROUPS[number].items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path)


def make_all(folder: Path) -> None:
    """Render everything beside `folder`, then move it there, so that an interrupted run leaves nothing incomplete."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    with ProcessPoolExecutor(initializer=die_with_parent) as processes:
        for made in [processes.submit(make_group, part, number) for number in range(len(GROUPS))]:
            made.result()
    (part / _VERSION_FILE).write_text(VERSION)
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    if not are_there(target):
        make_all(target)
