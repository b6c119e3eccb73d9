"""`make test-current`: each suite with one current program, and one table at the end; arguments select programs.

The exit code is 1 if one fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.current.programs import CurrentPrograms, path_with

ROOT = Path(__file__).resolve().parents[2]
_FOLDER = ROOT / ".local" / "current"
_REDIS_SUITES = ("tests/adapters", "tests/e2e/test_faults.py")
_NGINX_SUITES = ("tests/nginx",)
_PYTHON_SUITES = ("tests/unit", "tests/web", "tests/presets", "tests/lambda_resize", "tests/adapters", "tests/commands")


@dataclass(frozen=True)
class Run:
    """One run of pytest: what is current in it, and its Python and environment."""

    name: str
    version: str
    python: str
    suites: tuple[str, ...]
    environment: dict[str, str]


def _runs() -> list[Run]:
    programs = CurrentPrograms(_FOLDER)
    programs.unpack()
    redis = programs.wrapper("redis", "redis-server", "bin/redis-server")
    valkey = programs.wrapper("valkey", "redis-server", "bin/valkey-server")
    nginx = programs.wrapper("nginx", "nginx", "sbin/nginx")
    python = _virtual_environment(programs)
    njs = {"PREW_NGINX_JS_MODULE": str(programs.njs)}
    return [
        Run("redis", _version(redis / "redis-server"), sys.executable, _REDIS_SUITES, {"PATH": path_with(redis)}),
        Run("valkey", _version(valkey / "redis-server"), sys.executable, _REDIS_SUITES, {"PATH": path_with(valkey)}),
        Run(
            "nginx", _version(nginx / "nginx", "-v"), sys.executable, ("tests/nginx",), {"PATH": path_with(nginx)} | njs
        ),
        Run("python", _version(python), str(python), _PYTHON_SUITES, {}),
    ]


def _virtual_environment(programs: CurrentPrograms) -> Path:
    """Return the Python of an environment with the locked packages, which is created once."""
    folder = _FOLDER / "venv"
    python = folder / "bin" / "python"
    if not (folder / "done").exists():
        uv = [str(Path(sys.executable).parent / "uv"), "pip", "install", "--quiet", "--python", str(python)]
        subprocess.run([programs.python(), "-m", "venv", "--clear", "--without-pip", folder], check=True)
        subprocess.run([*uv, "--require-hashes", "-r", str(ROOT / "requirements" / "dev.txt")], check=True)
        subprocess.run([*uv, "--no-build-isolation", "--no-deps", "-e", str(ROOT)], check=True)
        (folder / "done").touch()
    return python


def _version(program: Path, option: str = "--version") -> str:
    done = subprocess.run([program, option], capture_output=True, text=True, check=True)
    return (done.stdout + done.stderr).strip().splitlines()[0][:60]


def main(selected: list[str]) -> int:
    """Run the suites, and return the exit code."""
    rows = []
    for run in _runs():
        if selected and run.name not in selected:
            continue
        print(f"\n{run.name}: {run.version}", flush=True)
        # As `make test` does: one S3 server has not enough volumes for the buckets of all tests.
        command = [run.python, "-m", "pytest", "-q", "-n", "3", "--dist", "loadfile", *run.suites]
        code = subprocess.run(command, cwd=ROOT, env=os.environ | run.environment, check=False).returncode
        rows.append((run.name, run.version, "passed" if code == 0 else f"failed ({code})"))
    print()
    for name, version, result in rows:
        print(f"{name:8} {version:60} {result}")
    return int(any(result != "passed" for _, _, result in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
