"""Packages, unpacked and run by the real Lambda runtime client.

They are built for the tests' own Python, or for the one that PREW_TEST_LAMBDA_PYTHON names; with Lambda's version that
is exactly the deployed package.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from devstack.aws_lambda.function import Function
from devstack.aws_lambda.runtime_api import Invocation, RuntimeApi
from shipping.contents import of_archives
from shipping.download import DownloadError, download
from shipping.packages import ROOT, Package, build, file_name
from shipping.requirements import read_lock
from shipping.target import MACHINES, Target

# The runtime client and its imports, which Lambda adds to a package besides the standard library and boto3.
RUNTIME = {"awslambdaric", "simplejson", "snapshot-restore-py"}
DOWNLOADS = ROOT / ".local" / "downloads"

Invoke = Callable[[Mapping[str, Any]], Any]
Running = Callable[..., contextlib.AbstractAsyncContextManager[Invoke]]


@pytest.fixture(scope="session", name="python")
def _python() -> str:
    """The interpreter that runs the packages."""
    return os.environ.get("PREW_TEST_LAMBDA_PYTHON") or sys.executable


@pytest.fixture(scope="session", name="here")
def _here(python: str) -> Target:
    """This machine and that interpreter as a target."""
    architecture = next(name for name, machine in MACHINES.items() if machine == platform.machine())
    code = "import sys; print(*sys.version_info[:2], sep='.')"
    version = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    return Target(architecture, version)


@pytest.fixture(scope="session", name="unpack")
def _unpack(here: Target, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Package], Path]:
    """Builds a package for this machine and unpacks it into an empty folder."""

    def unpack(package: Package) -> Path:
        folder = tmp_path_factory.mktemp("package")
        try:
            build(package, here, folder, DOWNLOADS)
        except DownloadError as error:
            pytest.skip(f"no package index answers: {str(error).splitlines()[-1]}")
        with zipfile.ZipFile(folder / file_name(package, here)) as packed:
            packed.extractall(folder / "task")
        return folder / "task"

    return unpack


@pytest.fixture(scope="session", name="runtime")
def _runtime(here: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with only the runtime client, for that interpreter."""
    locked = [each for each in read_lock(ROOT / "requirements" / "dev.txt", here) if each.name in RUNTIME]
    try:
        files = of_archives(download(locked, here, DOWNLOADS))
    except DownloadError as error:
        pytest.skip(f"no package index answers: {str(error).splitlines()[-1]}")
    folder = tmp_path_factory.mktemp("runtime")
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(name="running")
def _running(runtime: Path, python: str) -> Running:
    """`async with running(task, handler, environment) as invoke`: one sandbox, with nothing else on its path."""

    @contextlib.asynccontextmanager
    async def run(task: Path, handler: str, environment: Mapping[str, str]) -> AsyncIterator[Invoke]:
        api = RuntimeApi(Function("packaged", handler))
        await api.start()
        # -S: without this environment's own packages. -P: without the folder that it is started in.
        argv = [python, "-S", "-P", "-m", "awslambdaric", handler]
        variables = {
            "PYTHONPATH": f"{runtime}:{task}",
            "PYTHONDONTWRITEBYTECODE": "1",  # on Lambda the folder is read-only
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "LAMBDA_TASK_ROOT": str(task),
        }
        process = await asyncio.create_subprocess_exec(*argv, env={**environment, **variables}, cwd=task)

        async def invoke(event: Mapping[str, Any]) -> Any:
            invocation = Invocation(json.dumps(event).encode())
            await asyncio.wait_for(api.polling.wait(), 20)
            api.hand_over(invocation)
            outcome = await asyncio.wait_for(invocation.outcome, 20)
            return json.loads(outcome.payload)

        try:
            yield invoke
        finally:
            process.kill()
            await process.wait()
            await api.close()

    return run
