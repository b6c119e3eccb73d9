"""`python -m devstack.page` serves the page until SIGINT or SIGTERM; the AWS SDK's variables locate the bucket."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated

import typer

from devstack.bucket import Bucket
from devstack.local_settings import source_keys
from devstack.page.copies import Copies
from devstack.page.server import make_app
from devstack.serving import serve


def main(
    nginx: Annotated[str, typer.Option(help="http:// address of nginx")],
    service: Annotated[list[str], typer.Option(help="http:// address of a replica; repeatable")],
    port: Annotated[int, typer.Option(help="port to listen on")],
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
) -> None:
    """Serve the page."""
    preview = os.environ.get("PREW_PREVIEW_PREFIX") or "prew"
    copies = Copies(Bucket.from_environment(), source_keys(os.environ), preview)
    names = os.environ.get("PREW_NGINX_HOSTS", "").split()  # nginx passes them on

    async def run() -> None:
        await serve(await make_app(service, nginx, copies), host, port, "the page", names)

    asyncio.run(run())


if __name__ == "__main__":
    typer.run(main)
