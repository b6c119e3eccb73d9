"""`pip install prewmanager` without the extra `resize`, and no Lambda."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from devstack.programs import find

BLOCKER = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"pebble", "pyvips"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""


@pytest.mark.fault("workers-not-installed")
@pytest.mark.parametrize("command", [("serve",), ("serve", "--workers", "2"), ("warm", "card")])
def test_one_line_names_the_extra(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(BLOCKER)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(tmp_path),
        "PREW_SOURCE_BUCKET": "photos",
        "PREW_PRESETS__CARD__WIDTH": "720",
        "PREW_PORT": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    done = subprocess.run(
        [find("prewmanager"), *command], env=environment, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 2
    line = done.stderr.splitlines()[-1]
    assert line.startswith("prewmanager: PREW_LAMBDA_FUNCTION is not set, and pebble and pyvips not installed")
    assert "pip install 'prewmanager[resize]'" in line
    assert "Traceback" not in done.stderr
