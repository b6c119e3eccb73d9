"""The packages: which of the project's files and which distributions each contains."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from lambda_resize.edge.settings import CONFIG_FILE, EdgeSettings
from lambda_resize.settings import SettingsError
from shipping import archive, contents, download, requirements
from shipping.archive import Sizes
from shipping.contents import Files
from shipping.imports import needed_by
from shipping.requirements import Locked
from shipping.target import Target

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements" / "function.txt"

# Distributions that only those packages have that are built `--with` them: docs/images.md has their cost and licences.
OPTIONAL = {"jxl": frozenset({"pillow-jxl-plugin", "packaging"}), "pdf": frozenset({"pypdfium2"})}

_IMAGES = frozenset({"cffi", "pycparser", "pyvips", "pyvips-binary"})


@dataclass(frozen=True)
class Package:
    """One function's package.

    Attributes:
        name: First part of the file name.
        sources: The project's own files.
        distributions: Names in the lock file; None: all.
        architectures: Those that Lambda runs it on.
        generated: Contents of further files, by name.
    """

    name: str
    sources: tuple[str, ...]
    distributions: frozenset[str] | None = None
    architectures: tuple[str, ...] = ("x86_64", "arm64")
    generated: Files = field(default_factory=dict)


# Includes the cleaner: both functions are deployed from one file.
RESIZE = Package("resize", needed_by(ROOT, "lambda_resize.handler", "lambda_resize.cleaner"))


def edge(config: Path) -> Package:
    """Return the edge function's package, which contains its settings. Raises `SettingsError` if these are invalid.

    Lambda@Edge runs on x86_64 alone
    (docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-at-edge-function-restrictions.html).
    """
    text = config.read_text()
    if not EdgeSettings.from_json(text).allowed_hosts:
        raise SettingsError("allowed_hosts: is empty, so the function could fetch nothing")
    sources = needed_by(ROOT, "lambda_resize.edge.handler")
    return Package("edge", sources, _IMAGES, ("x86_64",), {f"lambda_resize/edge/{CONFIG_FILE}": text.encode()})


def configured(edge_config: Path) -> list[Package]:
    """Return the packages of all functions; that of the edge only if it is configured. Raises `SettingsError`."""
    return [RESIZE, edge(edge_config)] if edge_config.exists() else [RESIZE]


def distributions(package: Package, target: Target, extras: Collection[str] = ()) -> list[Locked]:
    """Return the locked distributions that the package contains for `target`, with these of `OPTIONAL`."""
    locked = requirements.read_lock(LOCK, target)
    left_out = frozenset[str]().union(*(names for extra, names in OPTIONAL.items() if extra not in extras))
    held = package.distributions
    return [each for each in locked if (each.name not in left_out if held is None else each.name in held)]


def file_name(package: Package, target: Target) -> str:
    """Return a name such as `resize-python3.14-arm64.zip`."""
    return f"{package.name}-python{target.python}-{target.architecture}.zip"


def build(package: Package, target: Target, folder: Path, downloads: Path, extras: Collection[str] = ()) -> Sizes:
    """Write the package, with these of `OPTIONAL`, to `folder`; `downloads` caches the distributions.

    Raises `DownloadError`, or `TooLargeError` above Lambda's limits.
    """
    archives = download.download(distributions(package, target, extras), target, downloads)
    own = contents.of_project(ROOT, package.sources)
    files = contents.merged(contents.of_archives(archives), own, package.generated)
    folder.mkdir(parents=True, exist_ok=True)
    sizes = archive.write(folder / file_name(package, target), files)
    sizes.check()
    return sizes
