"""The packages that there are: which of this project's modules each has, and which distributions."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from shipping import archive, contents, download, requirements
from shipping.archive import Sizes
from shipping.contents import Files
from shipping.target import Target

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements" / "function.txt"

_CORE = ("__init__", "codecs", "errors", "geometry", "resize", "settings", "spec")
_IMAGES = frozenset({"cffi", "pycparser", "pyvips", "pyvips-binary"})


@dataclass(frozen=True)
class Package:
    """One function's package.

    Attributes:
        name: First part of its file's name.
        modules: Of `lambda_resize`.
        distributions: Of the lock file; None: all.
        architectures: Where Lambda runs it.
        generated: Further files, by name.
    """

    name: str
    modules: tuple[str, ...]
    distributions: frozenset[str] | None = None
    architectures: tuple[str, ...] = ("x86_64", "arm64")
    generated: Files = field(default_factory=dict)


RESIZE = Package("resize", (*_CORE, "handler", "request", "storage"))


def file_name(package: Package, target: Target) -> str:
    """Such as `resize-python3.14-arm64.zip`."""
    return f"{package.name}-python{target.python}-{target.architecture}.zip"


def build(package: Package, target: Target, folder: Path, downloads: Path) -> Sizes:
    """Write the package into `folder`; what is downloaded is kept in `downloads`.

    Raises `DownloadError`, or `TooLargeError` where Lambda would refuse it.
    """
    locked = requirements.read_lock(LOCK, target)
    wanted = [each for each in locked if package.distributions is None or each.name in package.distributions]
    archives = download.download(wanted, target, downloads)
    modules = contents.of_modules(ROOT / "lambda_resize", package.modules)
    files = contents.merged(contents.of_archives(archives), modules, package.generated)
    folder.mkdir(parents=True, exist_ok=True)
    sizes = archive.write(folder / file_name(package, target), files)
    sizes.check()
    return sizes
