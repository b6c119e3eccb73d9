"""Debian's Chromium, headless, and sites for it. `make test-browser` runs these tests; otherwise they are skipped."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from devstack.backends import S3, Redis
from devstack.lambda_server import Lambda
from tests.support.page import RunPage, page_site
from tests.support.site import start_function

if TYPE_CHECKING:
    from playwright.async_api import Browser

# A folder that keeps the screenshots; unset, each test has a temporary one.
SCREENSHOTS = os.environ.get("PREW_TEST_SCREENSHOTS")


@pytest.fixture(autouse=True)
def _require_chromium() -> None:
    if "PREW_TEST_BROWSER" not in os.environ:
        pytest.skip("takes Chromium and a minute: make test-browser")
    if shutil.which("chromium") is None:
        pytest.fail("chromium is not installed: apt-get install chromium")


@pytest.fixture(name="browser")
async def _browser() -> AsyncIterator[Browser]:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        # Chromium's sandbox does not run as root, which is the user in CI's containers.
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
def _run_page(s3: S3, redis_server: Redis, tmp_path: Path) -> RunPage:
    return functools.partial(page_site, tmp_path, s3, redis_server)
