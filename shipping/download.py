"""Downloads locked distributions by pip, possibly for another machine; nothing is built."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from shipping.requirements import Locked
from shipping.target import Target

# Published as source only, in pure Python: the files are copied from the archive.
SOURCES = frozenset({"pyvips"})


class DownloadError(Exception):
    """pip failed to download a locked distribution; the text is pip's."""


def download(locked: Iterable[Locked], target: Target, cache: Path) -> list[Path]:
    """Return the archives of `locked`, sorted by name and cached in `cache`. Raises `DownloadError`."""
    wheels = [each.line for each in locked if each.name not in SOURCES]
    sources = [each.line for each in locked if each.name in SOURCES]
    platforms = [f"--platform={platform}" for platform in target.platforms]
    machine = ("--only-binary=:all:", "--implementation=cp", f"--python-version={target.python}", *platforms)
    folders = [_pip(cache, wheels, machine)] if wheels else []
    folders += [_pip(cache, sources, (f"--no-binary={','.join(sorted(SOURCES))}",))] if sources else []
    return sorted(path for folder in folders for path in folder.iterdir())


def _pip(cache: Path, lines: Sequence[str], options: Sequence[str]) -> Path:
    """Return the folder with the downloads for these options and lines of a lock file."""
    folder = cache / hashlib.sha256("\n".join([*options, *lines]).encode()).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(cache / f"{folder.name}.lock"):
        if not folder.exists():
            _download_into(folder, lines, options)
    return folder


@contextlib.contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Hold a lock between threads and processes; the kernel releases it when its process ends."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download_into(folder: Path, lines: Sequence[str], options: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as part:
        requirements = Path(part, "requirements.txt")
        requirements.write_text("\n".join(lines))
        arrived = Path(part, "arrived")
        argv = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        argv += ["--require-hashes", f"--requirement={requirements}", f"--dest={arrived}", *options]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise DownloadError(done.stderr.strip())
        # Atomic: an interrupted run leaves nothing that looks complete to the next one.
        arrived.rename(folder)
