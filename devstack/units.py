"""Runs systemd's units without systemd: their own commands, variables and folders, under another root.

It implements what the units of examples/one-server use: drop-ins in their order, specifiers, environment files,
folders, a service's socket. Sandboxing needs root and is left out; `make test-one-server` tests it with a real systemd.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devstack.programs import Program, ProgramError, find

_FOLDERS = {
    "RuntimeDirectory": "run",
    "StateDirectory": "var/lib",
    "CacheDirectory": "var/cache",
    "LogsDirectory": "var/log",
}
_SPECIFIERS = {"t": "run", "S": "var/lib", "C": "var/cache", "L": "var/log", "E": "etc", "T": "tmp"}
_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")


@dataclass(frozen=True)
class UnitRunner:
    """Starts units of the folder `units` under `root`; `moved` maps absolute paths to their replacements."""

    units: Path
    root: Path
    moved: Mapping[str, Path] = field(default_factory=dict)

    def start(self, name: str) -> Program:
        """Start a unit's program. Raises `ProgramError` if an `ExecStartPre=` command fails."""
        settings = self.settings(name)
        for kind, place in _FOLDERS.items():
            for folder in settings.get(kind, ()):
                (self.root / place / folder).mkdir(parents=True, exist_ok=True)
        (self.root / "tmp").mkdir(exist_ok=True)
        environment = self.environment(settings)
        for command in settings.get("ExecStartPre", ()):
            done = subprocess.run(
                self._argv(command, environment), env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                raise ProgramError(f"{name}: {command}: {done.stderr.strip()}")
        argv = self._argv(settings["ExecStart"][-1], environment)
        unit = name.removesuffix(".service")
        if (self.units / f"{unit}.socket").exists():
            argv = [*self._socket(f"{unit}.socket"), *argv]
        return Program(name, argv, self.root / "var" / "log" / f"{name}.log", environment)

    def _socket(self, name: str) -> list[str]:
        """Return the command that listens as a socket unit says, and passes that socket to the program after it."""
        path = self._expanded(self.settings(name)["ListenStream"][-1])
        return [find("systemd-socket-activate"), f"--listen={path}"]

    def settings(self, name: str) -> dict[str, list[str]]:
        """Return values by name, in their order; an empty value discards the earlier ones."""
        settings: dict[str, list[str]] = {}
        for line in self._lines(name):
            key, _, value = line.partition("=")
            settings[key] = [*settings.get(key, ()), value.strip()] if value.strip() else []
        return settings

    def environment(self, settings: Mapping[str, list[str]]) -> dict[str, str]:
        """Return a unit's environment: `Environment=`, overridden by its files in their order."""
        lines = [self._expanded(line) for line in settings.get("Environment", ())]
        for file in settings.get("EnvironmentFile", ()):
            lines += [line for line in Path(self._expanded(file)).read_text().splitlines() if line[:1] not in {"", "#"}]
        pairs = (line.partition("=") for line in lines)
        return {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", **{name: value for name, _, value in pairs}}

    def _lines(self, name: str) -> list[str]:
        """Yield the unit's lines, then those of its drop-ins, which systemd sorts by name across folders."""
        of_many = f"{name.partition('-')[0]}-.service.d"
        dropped = [*self.units.glob(f"{of_many}/*.conf"), *self.units.glob(f"{name}.d/*.conf")]
        texts = [path.read_text() for path in [self.units / name, *sorted(dropped, key=lambda path: path.name)]]
        lines = "\n".join(texts).replace("\\\n", " ").splitlines()
        return [line for line in lines if line and line[0] not in "#;["]

    def _argv(self, command: str, environment: Mapping[str, str]) -> list[str]:
        words = shlex.split(self._expanded(command))
        return [_VARIABLE.sub(lambda found: environment.get(found[1] or found[2], ""), word) for word in words]

    def _expanded(self, text: str) -> str:
        for specifier, place in _SPECIFIERS.items():
            text = text.replace(f"%{specifier}", str(self.root / place))
        for path in sorted(self.moved, key=len, reverse=True):
            text = text.replace(path, str(self.moved[path]))
        return text
