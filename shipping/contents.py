"""Which files of wheels, source archives and this project go into a package."""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

Files = dict[str, bytes]

# Not used at run time. METADATA, which has the version, and licences, which must accompany the binaries, stay.
_LEFT_OUT = re.compile(
    r"""
    \.(?:pyi|pyc|h|typed)$                          # for type checkers, compilers, and made for another interpreter
    | \.dist-info/(?!METADATA$|licenses/|LICENSE)   # what pip needs to uninstall
    | (?:^|/)(?:tests?|__pycache__)/
    """,
    re.VERBOSE,
)


def is_kept(name: str) -> bool:
    """Whether a file of a distribution belongs in a package."""
    return not _LEFT_OUT.search(name)


def of_archives(archives: Iterable[Path]) -> Files:
    """Return the files of wheels and pure Python source archives, as installed."""
    files: Files = {}
    for archive in archives:
        found = _of_wheel(archive) if archive.suffix == ".whl" else _of_source(archive)
        files.update((name, data) for name, data in found if is_kept(name))
    return files


def _of_wheel(archive: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(archive) as wheel:
        for name in wheel.namelist():
            if not name.endswith("/"):
                yield name, wheel.read(name)


def _of_source(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Return the package that has the project's name, and the licence beside it."""
    stem = archive.name.removesuffix(".tar.gz")
    package = stem.rpartition("-")[0]
    with tarfile.open(archive) as source:
        for member in source:
            name = str(PurePosixPath(member.name).relative_to(stem))
            content = source.extractfile(member)
            if content is None:
                continue
            if name.startswith(f"{package}/"):
                yield name, content.read()
            elif name.startswith("LICENSE"):
                yield f"{stem}.dist-info/licenses/{name}", content.read()


def of_project(root: Path, names: Iterable[str]) -> Files:
    """Read the project's own files; names are relative to `root`."""
    return {name: (root / name).read_bytes() for name in names}


def merged(*parts: Mapping[str, bytes]) -> Files:
    """Merge the parts. Raises `ValueError` if two have a file of the same name."""
    files: Files = {}
    for part in parts:
        if twice := files.keys() & part.keys():
            raise ValueError(f"in two parts: {', '.join(sorted(twice))}")
        files.update(part)
    return files
