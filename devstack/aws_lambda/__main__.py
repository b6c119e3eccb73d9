"""`python -m devstack.aws_lambda`: run the Lambda emulator as a program."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from devstack.aws_lambda.function import DEFAULT_REGION, parse_function
from devstack.aws_lambda.invoke_api import create_app
from devstack.aws_lambda.pool import Limits, Pool
from devstack.aws_lambda.stats import Stats
from devstack.programs import LOOPBACK
from devstack.serving import serve as serve_app


def main(  # noqa: PLR0917 -- one parameter for each option
    function: Annotated[list[str], typer.Option(help="NAME=package.module.attribute[@SECONDS]; repeatable")],
    port: Annotated[int, typer.Option(help="port of the Invoke API")] = 9001,
    host: Annotated[str, typer.Option(help="address to listen on")] = LOOPBACK,
    concurrency: Annotated[int, typer.Option(min=1, help="sandboxes per function; a further call gets 429")] = 4,
    queue_wait: Annotated[
        float, typer.Option(min=0, help="seconds that a call may wait for a sandbox, before 429")
    ] = 0,
    timeout: Annotated[
        float,
        typer.Option(min=0.1, max=900, help="time-out in seconds of functions without their own"),
    ] = 30,
    memory: Annotated[int, typer.Option(min=128, max=10240, help="MB; reported to functions, not enforced")] = 1769,
    retry_pause: Annotated[
        float, typer.Option(min=0, help="seconds before the first retry of a failed asynchronous call")
    ] = 60,
    task_root: Annotated[Path, typer.Option(help="folder from which functions are imported")] = Path(),
) -> None:
    """Run functions in local sandboxes, with this process's environment, until SIGINT or SIGTERM."""
    region = os.environ.get("AWS_REGION") or DEFAULT_REGION
    try:
        functions = [parse_function(text, timeout_s=timeout, memory_mb=memory, region=region) for text in function]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--function") from error

    async def serve() -> None:
        stats = Stats()
        limits = Limits(concurrency, queue_wait)
        root = task_root.resolve()
        pools = {each.name: Pool(each, os.environ, root, limits, stats) for each in functions}
        await serve_app(create_app(pools, stats, retry_pause), host, port, "Lambda")

    asyncio.run(serve())


if __name__ == "__main__":
    typer.run(main)
