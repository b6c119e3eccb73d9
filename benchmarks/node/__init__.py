"""Programs of Node, measured and not shipped; npm installs their packages, of the versions in package.json."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from rich.console import Console

from benchmarks.parts import ROOT

_LISTED = Path(__file__).with_name("package.json")
_INSTALLED = ROOT / ".local" / "node"


def packages(console: Console) -> bool:
    """Return whether sharp and AWS's client are there, after installing them below .local; print a line where not."""
    if not (shutil.which("node") and shutil.which("npm")):
        console.print("Node: skipped, npm is not installed")
        return False
    wanted, marked = _LISTED.read_text(encoding="utf-8"), _INSTALLED / "installed.json"
    if marked.is_file() and marked.read_text(encoding="utf-8") == wanted:
        return True
    _INSTALLED.mkdir(parents=True, exist_ok=True)
    shutil.copy(_LISTED, _INSTALLED)
    argv = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run(argv, cwd=_INSTALLED, check=False).returncode:
        console.print("Node: skipped, npm failed to install sharp and AWS's client")
        return False
    marked.write_text(wanted, encoding="utf-8")
    return True


def command(script: Path) -> list[str]:
    """Return the command that runs a script; a copy of it, beside the packages, where Node searches for them."""
    return ["node", str(shutil.copy(script, _INSTALLED / script.name))]
