"""The units of examples/one-server, as systemd reads them, and the site that they form."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from devstack.one_server import EXAMPLE, ROOT, UNITS, OneServer
from devstack.programs import find
from tests.docs.blocks import blocks
from tests.support.asking import ask

PAGE = ROOT / "docs" / "how-to" / "one-server.md"


@pytest.fixture(name="units")
def _units(tmp_path: Path) -> Path:
    """The units with the paths of this checkout, where systemd looks for the programs."""
    shutil.copytree(EXAMPLE / "systemd", tmp_path, dirs_exist_ok=True)
    for unit in tmp_path.glob("*.service"):
        text = unit.read_text().replace("/opt/prewmanager/.venv", sys.prefix)
        unit.write_text(text.replace("/opt/prewmanager", str(ROOT)))
    return tmp_path


def _analyze(*arguments: str) -> str:
    done = subprocess.run([find("systemd-analyze"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_analyze_verify_prints_nothing(units: Path) -> None:
    assert _analyze("verify", *map(str, units.glob("prewmanager*.service")), str(units / "prewmanager.target")) == ""


def test_the_page_lists_the_exposures_none_above_2(units: Path) -> None:
    documented = dict(re.findall(r"^\| `prewmanager-(\w+)`[^|]* \| ([\d.]+) \|", PAGE.read_text(), re.MULTILINE))
    counted = {
        unit: re.findall(
            r"exposure level for \S+ ([\d.]+)",
            _analyze("security", "--offline=yes", "--threshold=20", str(units / f"prewmanager-{unit}.service")),
        )[0]
        for unit in (*UNITS, "watch", "ports")
    }

    assert documented == counted


def test_the_pages_commands_fill_the_bucket_and_uris_are_those_of_aws(one_server: OneServer, tmp_path: Path) -> None:
    (tmp_path / "a b.jpg").write_bytes((ROOT / "nginx" / "static" / "404.jpg").read_bytes())
    (fill,) = [block.commands for block in blocks(PAGE) if "filer.copy" in block.commands]
    one_server.run(fill.replace("/srv/photos", str(tmp_path)))
    answers = [ask(one_server.port, path) for path in ("/photo/a%20b.jpg", *["/prew/thumb/a%20b.jpg"] * 2)]

    assert [each.status for each in answers] == [200, 200, 200]
    assert [each.headers["X-Preview"] for each in answers] == [None, "made", None]
    assert answers[1].body == answers[2].body
    assert ask(one_server.port, "/prew/thumb/none.jpg").status == 404
