"""`python -m shipping`: builds the deployment packages in `dist/`, and prints their sizes and checksums."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Annotated

import typer

from lambda_resize.settings import SettingsError
from shipping.archive import MAX_UNZIPPED_BYTES, MAX_ZIPPED_BYTES, MIB, Sizes, TooLargeError
from shipping.download import DownloadError
from shipping.packages import OPTIONAL, ROOT, Package, build, configured, file_name
from shipping.target import RUNTIME_PYTHON, Target


def main(
    folder: Annotated[Path, typer.Option(help="folder for the packages")] = ROOT / "dist",
    python: Annotated[str, typer.Option(help="version of the Lambda runtime")] = RUNTIME_PYTHON,
    edge_config: Annotated[Path, typer.Option(help="JSON file with the edge function's settings")] = ROOT / "edge.json",
    extras: Annotated[
        list[str] | None, typer.Option("--with", help=f"a decoder that is not in it by itself: {', '.join(OPTIONAL)}")
    ] = None,
) -> None:
    """Build each function's package for each of its architectures; that of the edge only if it is configured."""
    if unknown := sorted(set(extras or ()) - set(OPTIONAL)):
        raise SystemExit(f"--with {unknown[0]}: is not one of {', '.join(OPTIONAL)}")
    print(f"limits: {MAX_ZIPPED_BYTES / MIB:.0f} MB zipped, {MAX_UNZIPPED_BYTES / MIB:.0f} MB unzipped")
    for package in _packages(edge_config):
        for architecture in package.architectures:
            _build(package, Target(architecture, python), folder, extras or [])


def _packages(edge_config: Path) -> list[Package]:
    if not edge_config.exists():
        print(f"edge: skipped, {edge_config.name} does not exist; examples/edge.json is an example")
    try:
        return configured(edge_config)
    except SettingsError as error:
        raise SystemExit(f"{edge_config}: {error}") from error


def _build(package: Package, target: Target, folder: Path, extras: list[str]) -> None:
    name = file_name(package, target)
    try:
        sizes = build(package, target, folder, ROOT / ".local" / "downloads", extras)
    except (DownloadError, TooLargeError) as error:
        raise SystemExit(f"{name}: {error}") from error
    print(_line(folder / name, sizes))


def _line(path: Path, sizes: Sizes) -> str:
    digest = hashlib.sha256(path.read_bytes()).digest()
    zipped, unzipped = sizes.zipped / MIB, sizes.unzipped / MIB
    code_sha256 = base64.b64encode(digest).decode()  # as Lambda's API reports it
    return f"{path.name:<36} {zipped:5.1f} MB zipped {unzipped:5.1f} MB unzipped {sizes.files:4} files  {code_sha256}"


if __name__ == "__main__":
    typer.run(main)
