"""Debian's Chromium, headless, and sites for it to look at. `make test-browser` runs these tests; others skip them."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack.backends import S3, Redis
from devstack.lambda_server import Lambda
from devstack.programs import LOOPBACK, Program, answers, free_ports
from tests.support.site import ROOT, Site, start_function

# Rendered in a folder that is kept where it is set, so that somebody can look at the pictures.
SCREENSHOTS = os.environ.get("PREW_TEST_SCREENSHOTS")


@pytest.fixture(autouse=True)
def _only_when_asked_for() -> None:
    if "PREW_TEST_BROWSER" not in os.environ:
        pytest.skip("takes Chromium and a minute: make test-browser")
    if shutil.which("chromium") is None:
        pytest.fail("chromium is not installed: apt-get install chromium")


@pytest.fixture(name="browser")
async def _browser() -> AsyncIterator[Any]:
    """A browser of Playwright's async API."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        # Root, as in CI's containers, has no sandbox of Chromium's.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        yield browser
        await browser.close()


@pytest.fixture(name="screenshots")
def _screenshots(tmp_path: Path) -> Path:
    folder = Path(SCREENSHOTS) if SCREENSHOTS else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session", name="function")
def _function(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambda]:
    function = start_function(s3, tmp_path_factory.mktemp("lambda"))
    yield function
    function.program.stop()


@pytest.fixture(name="run_page")
def _run_page(s3: S3, redis_server: Redis, tmp_path: Path) -> Callable[..., contextlib.AbstractContextManager[Site]]:
    """Runs the local system's page on a site of two replicas: `with run_page(function, …) as site`."""

    @contextlib.contextmanager
    def run(function: Lambda, **settings: str) -> Iterator[Site]:
        port = free_ports(1)[0]
        variables = {"PREW_NGINX_WWW": f"http://{LOOPBACK}:{port}"}
        switched_on = {"PREW_CONTACT_SHEET": "true", **settings}
        with Site(
            tmp_path, s3, redis_server, function, replicas=2, settings=switched_on, nginx_variables=variables
        ) as site:
            services = [f"--service=http://{LOOPBACK}:{each}" for each in site.ports]
            argv = [sys.executable, "-m", "devstack.page", f"--port={port}", f"--nginx={site.nginx.url}", *services]
            environment = os.environ | s3.aws_environment() | {"PREW_SOURCE_BUCKET": s3.bucket}
            page = Program("page", argv, tmp_path / "page.log", environment, cwd=ROOT)
            page.wait_ready(lambda: answers(port))
            try:
                yield site
            finally:
                page.stop()

    return run
