"""A thumbor server in a separate virtual environment, cached in .local."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.parts import ROOT, Parts, Replica
from devstack.programs import free_ports

_REQUIREMENT = "thumbor==7.8.0"
_ENVIRONMENT = ROOT / ".local" / "thumbor"


def start(parts: Parts, photos: Path, console: Console) -> Replica | None:
    """Start a server with the file loader on a folder, without storage; print the reason and return None on failure."""
    python = _ENVIRONMENT / "bin" / "python"
    if not (_ENVIRONMENT / "installed").exists() and not _install(python):
        console.print("thumbor: skipped, pip failed to install it")
        return None
    configuration = parts.folder("thumbor") / "thumbor.conf"
    settings = {
        "LOADER": "thumbor.loaders.file_loader",
        "FILE_LOADER_ROOT_PATH": str(photos),
        "STORAGE": "thumbor.storages.no_storage",
        "RESULT_STORAGE": "thumbor.result_storages.no_storage",
    }
    configuration.write_text("".join(f"{name} = {value!r}\n" for name, value in settings.items()), encoding="utf-8")
    port = free_ports(1)[0]
    argv = [str(python), "-m", "thumbor.server", "--ip=127.0.0.1", f"--port={port}", f"--conf={configuration}"]
    return parts.program("thumbor-server", argv, port)


def _install(python: Path) -> bool:
    made = subprocess.run([sys.executable, "-m", "venv", str(_ENVIRONMENT)], check=False)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", _REQUIREMENT]
    if made.returncode or subprocess.run(pip, check=False).returncode:
        return False
    (_ENVIRONMENT / "installed").touch()
    return True
