"""A site with the contact sheet enabled, and the local system's page at nginx's root."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from devstack.backends import S3, Redis
from devstack.programs import LOOPBACK, Program, answers, free_ports
from tests.support.site import ROOT, Function, Site


class RunPage(Protocol):
    """Runs a site of two replicas with this function and these settings of the service."""

    def __call__(self, function: Function, **settings: str) -> contextlib.AbstractContextManager[Site]: ...


@contextlib.contextmanager
def page_site(folder: Path, s3: S3, redis: Redis, function: Function, **settings: str) -> Iterator[Site]:
    """Run a site of two replicas, and the page, inside the block."""
    port = free_ports(1)[0]
    nginx = {"PREW_NGINX_WWW": f"http://{LOOPBACK}:{port}"}
    settings = {"PREW_CONTACT_SHEET": "true", **settings}
    with Site(folder, s3, redis, function, replicas=2, settings=settings, nginx_variables=nginx) as site:
        services = [f"--service=http://{LOOPBACK}:{each}" for each in site.ports]
        argv = [sys.executable, "-m", "devstack.page", f"--port={port}", f"--nginx={site.nginx.url}", *services]
        own = {"PREW_SOURCE_BUCKET": s3.bucket, "PREW_NGINX_HOSTS": "previews.test"}  # that tests ask for
        environment = os.environ | s3.aws_environment() | own
        page = Program("page", argv, folder / "page.log", environment, cwd=ROOT)
        try:
            page.wait_ready(lambda: answers(port))
            yield site
        finally:
            page.stop()
