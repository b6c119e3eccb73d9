"""Programs of Debian's next release beside this one's: apt downloads them, dpkg unpacks them, nothing is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

SUITE = "forky"  # in testing until it is released
PACKAGES = (
    "nginx",
    "libnginx-mod-http-js",
    "valkey-server",
    "redis-server",
    "python3.14",
    "python3.14-venv",
)
PYTHON = "python3.14"
_SOURCES = ("/etc/apt/sources.list.d", "/etc/apt/sources.list")
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class CurrentPrograms:
    """The unpacked programs below one folder; each runs by its own loader and libraries."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._root = folder / "root"

    def unpack(self) -> None:
        """Download and unpack them, unless that is done. Raises `subprocess.CalledProcessError`."""
        if (self._folder / "done").exists():
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        for name in ("lists/partial", "cache/archives/partial", "root"):
            (self._folder / name).mkdir(parents=True)
        (self._folder / "status").touch()  # nothing is installed, so that apt downloads all that they need
        (self._folder / "suite.sources").write_text(
            f"Types: deb\nURIs: {_mirror()}\nSuites: {SUITE}\nComponents: main\nSigned-By: {_KEYRING}\n"
        )
        self._apt("update")
        self._apt("install", "--yes", "--no-install-recommends", "--download-only", *PACKAGES)
        for archive in sorted((self._folder / "cache" / "archives").glob("*.deb")):
            subprocess.run(["dpkg", "-x", str(archive), str(self._root)], check=True)
        (self._folder / "done").touch()

    def wrapper(self, folder: str, name: str, program: str) -> Path:
        """Write a command `name` into a folder that runs an unpacked program, and return the folder."""
        directory = self._folder / folder
        directory.mkdir(exist_ok=True)
        self._write_wrapper(directory / name, program)
        return directory

    def python(self) -> Path:
        """Return the unpacked Python; it finds its library by its place."""
        path = self._root / "usr" / "bin" / "python3"
        self._write_wrapper(path, f"bin/{PYTHON}")
        return path

    @property
    def njs(self) -> Path:
        """Nginx's JavaScript module."""
        return self._root / "usr" / "lib" / "nginx" / "modules" / "ngx_http_js_module.so"

    def _write_wrapper(self, path: Path, program: str) -> None:
        libraries = self._root / "usr" / "lib" / "x86_64-linux-gnu"
        loader = libraries / "ld-linux-x86-64.so.2"
        target = self._root / "usr" / program
        # By its own name: some programs do another thing under another name.
        command = f'exec {loader} --argv0 "$0" --library-path {libraries} {target} "$@"'
        path.write_text(f"#!/bin/sh\n{command}\n")
        path.chmod(0o755)

    def _apt(self, *command: str) -> None:
        options = {
            "Dir::Etc::sourcelist": self._folder / "suite.sources",
            "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": self._folder / "lists",
            "Dir::State::status": self._folder / "status",
            "Dir::Cache": self._folder / "cache",
            "APT::Sandbox::User": "root",
        }
        settings = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        subprocess.run(["apt-get", "--quiet", *settings, *command], check=True, stdout=subprocess.DEVNULL)


def _mirror() -> str:
    """Return the address that this machine's own packages come from."""
    text = ""
    for place in map(Path, _SOURCES):
        files = sorted(place.glob("*")) if place.is_dir() else [place] if place.exists() else []
        text += "\n".join(file.read_text() for file in files)
    found = re.search(r"^URIs:\s*(\S+)|^deb\s+(?:\[.*?\]\s+)?(\S+)", text, re.MULTILINE)
    if found is None:
        raise RuntimeError("this machine has no sources of Debian packages")
    return found[1] or found[2]


def path_with(*folders: Path) -> str:
    """Return PATH with these folders first."""
    return os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath)])
