"""The pages of docs/: their commands, the generated reference, and the generated site."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pyvips
import typer

from devstack.docs_source import pages as documents
from devstack.docs_source import stage
from devstack.programs import LOOPBACK, Program, ProgramError, find, free_ports
from prewmanager.cli import app
from tests.docs.blocks import Block, blocks
from tests.docs.reference import pages
from tests.docs.tables import REFERENCE, ROOT

GUIDES = [ROOT / "docs" / "tutorial.md", *sorted((ROOT / "docs" / "how-to").glob("*.md"))]
ONE_SERVER = "one-server.md"  # all of it by tests/one_server/test_with_systemd.py
PHOTO = "landscapes/lake-at-dusk.jpg"
_COMMAND = re.compile(r"(?:^|[\s/])prewmanager(?:-admin)? ([a-z]+[^\n|;&`]*)", re.MULTILINE)


def _names(path: Path) -> str:
    return path.stem


def _commands(page: Path) -> list[str]:
    """Yield the commands in a document's fenced or indented blocks."""
    text = page.read_text(encoding="utf-8")
    code = [block.commands for block in blocks(page)] + re.findall(r"^    .+$", text, re.MULTILINE)
    found = [command for part in code for command in _COMMAND.findall(part.split("#")[0])]
    group: Any = typer.main.get_command(app)
    return [command for command in found if command.split()[0] in group.commands]


@pytest.mark.parametrize("page", GUIDES, ids=_names)
def test_each_command_and_its_options_exist(page: Path) -> None:
    group: Any = typer.main.get_command(app)
    for command in _commands(page):
        name, *arguments = shlex.split(command)
        group.commands[name].make_context(name, arguments)


@pytest.mark.parametrize("page", GUIDES, ids=_names)
def test_a_block_that_is_not_run_has_a_reason_or_an_existing_test(page: Path) -> None:
    for block in blocks(page):
        for named in re.findall(r"tests/[\w/]+\.py", block.reason):
            assert (ROOT / named).is_file(), named
        assert block.reason or not block.exemption


@pytest.mark.parametrize("name", pages())
def test_the_reference_is_up_to_date(name: str) -> None:
    """`python -m tests.docs.reference --write` updates it."""
    assert (REFERENCE / name).read_text(encoding="utf-8") == pages()[name]


def test_the_site_has_every_page_of_the_guides_and_the_reference() -> None:
    listed = set(re.findall(r'"([\w/-]+\.md)"', (ROOT / "zensical.toml").read_text(encoding="utf-8")))
    expected = [*GUIDES, *REFERENCE.glob("*.md"), *(ROOT / "docs" / "benchmarks").glob("*.md")]

    assert {str(path.relative_to(ROOT)) for path in expected} <= listed
    assert listed <= {str(path.relative_to(ROOT)) for path in documents()}


@pytest.fixture(scope="module", name="checkout")
def _checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """A separate checkout in which the local system runs, and nginx's port."""
    if not os.environ.get("PREW_TEST_DOCS"):
        pytest.skip("takes a minute: `make test-docs`")
    folder, photos = tmp_path_factory.mktemp("docs") / "checkout", tmp_path_factory.mktemp("photos")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in listed.decode().strip("\0").split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
            (folder / name).chmod((ROOT / name).stat().st_mode)
    (folder / ".venv").symlink_to(sys.prefix)
    (photos / PHOTO).parent.mkdir()
    pyvips.Image.gaussnoise(2000, 1500).cast("uchar").jpegsave(str(photos / PHOTO))
    port, log = free_ports(1)[0], folder.parent / "system.log"
    environment = _plain() | {"PREW_LOCAL_PORT": str(port), "PREW_LOCAL_PHOTOS": str(photos)}
    system = Program("system", [sys.executable, "-m", "devstack"], log, environment, cwd=folder)
    system.wait_ready(lambda: f"\nready http://{LOOPBACK}:" in log.read_text(), within_s=60)
    yield folder, port
    system.stop(within_s=30)


def _plain() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PREW_", "AWS_"))}


def _to_run() -> list[Any]:
    """Return the blocks to run, by page and number."""
    found = [
        (page, block) for page in GUIDES if page.name != ONE_SERVER for block in blocks(page) if not block.exemption
    ]
    return [pytest.param(block, id=f"{page.stem}-{number}") for number, (page, block) in enumerate(found)]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("block", _to_run())
def test_a_block_runs(checkout: tuple[Path, int], block: Block) -> None:
    """Unchanged, except for nginx's port and the local system's settings for the operators' commands."""
    folder, port = checkout
    commands = block.commands.replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    commands = re.sub(r"(?m)^prewmanager ", ".venv/bin/python -m devstack.run prewmanager ", commands)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=_plain(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(name="zensical")
def _zensical() -> str:
    if not os.environ.get("PREW_TEST_DOCS"):
        pytest.skip("the site is built by `make test-docs`")
    try:
        return find("zensical")
    except ProgramError:
        pytest.skip("zensical is not installed: `make docs`")


@pytest.mark.timeout(120)
def test_the_site_builds_cleanly_loads_nothing_external_and_refuses_broken_links(zensical: str, tmp_path: Path) -> None:
    configuration = (ROOT / "zensical.toml").read_text(encoding="utf-8").replace(".local/", "")
    (tmp_path / "zensical.toml").write_text(configuration, encoding="utf-8")
    stage(tmp_path / "docs-source")
    build = [zensical, "build", "--strict", "--config-file", "zensical.toml"]
    built = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, check=False)
    html = [path.read_text(encoding="utf-8") for path in (tmp_path / "site").rglob("*.html")]
    loads = re.compile(r"<(?:script|img|link rel=.?(?:stylesheet|preconnect))[^>]* (?:src|href)=.?https?://[^ >]*")
    (tmp_path / "docs-source" / "README.md").write_text("[nothing](nowhere.md)\n", encoding="utf-8")
    broken = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert built.returncode == 0, built.stdout + built.stderr
    assert len(html) > 30
    assert [found for text in html for found in loads.findall(text)] == []
    assert broken.returncode != 0
