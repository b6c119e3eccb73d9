"""Packages built for this machine's Python, unpacked, and run by the real Lambda runtime client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import platform
import sys
import zipfile
from collections.abc import AsyncIterator, Callable, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

from devstack.aws_lambda.function import Function
from devstack.aws_lambda.runtime_api import Invocation, RuntimeApi
from shipping.download import DownloadError
from shipping.packages import ROOT, Package, build, file_name
from shipping.target import MACHINES, Target

# The runtime client and what it imports: with the standard library all that Lambda adds to a package (and boto3).
RUNTIME = ("awslambdaric", "simplejson", "snapshot-restore-py")

Invoke = Callable[[Mapping[str, Any]], Any]
Running = Callable[..., contextlib.AbstractAsyncContextManager[Invoke]]


@pytest.fixture(scope="session", name="here")
def _here() -> Target:
    """This machine in Lambda's words; its Python may be older than the runtime's."""
    architecture = next(name for name, machine in MACHINES.items() if machine == platform.machine())
    return Target(architecture, f"{sys.version_info.major}.{sys.version_info.minor}")


@pytest.fixture(scope="session", name="unpack")
def _unpack(here: Target, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Package], Path]:
    """Builds a package for this machine and unpacks it into an empty folder."""

    def unpack(package: Package) -> Path:
        folder = tmp_path_factory.mktemp("package")
        try:
            build(package, here, folder, ROOT / ".local" / "downloads")
        except DownloadError as error:
            pytest.skip(f"no package index answers: {str(error).splitlines()[-1]}")
        with zipfile.ZipFile(folder / file_name(package, here)) as packed:
            packed.extractall(folder / "task")
        return folder / "task"

    return unpack


@pytest.fixture(scope="session", name="runtime")
def _runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runtime client alone, by links into this environment."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in RUNTIME:
        for file in distribution(name).files or ():
            if file.parts[0] != ".." and not (folder / file.parts[0]).exists():
                (folder / file.parts[0]).symlink_to(Path(str(distribution(name).locate_file(file.parts[0]))))
    return folder


@pytest.fixture(name="running")
def _running(runtime: Path) -> Running:
    """`async with running(task, handler, environment) as invoke`: one sandbox, with nothing else on its path."""

    @contextlib.asynccontextmanager
    async def run(task: Path, handler: str, environment: Mapping[str, str]) -> AsyncIterator[Invoke]:
        api = RuntimeApi(Function("packaged", handler))
        await api.start()
        # -S: without this environment's own packages. -P: without the folder that it is started in.
        argv = [sys.executable, "-S", "-P", "-m", "awslambdaric", handler]
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
