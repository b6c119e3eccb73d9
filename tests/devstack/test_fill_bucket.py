"""The job of docker-compose.yml that creates the bucket and fills it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from devstack.backends import S3


def _status(url: str) -> int:
    try:
        with urlopen(url, timeout=5) as response:  # noqa: S310 -- of this machine
            return int(response.status)
    except HTTPError as error:
        error.close()
        return error.code


def _run(s3: S3, photos: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | s3.aws_environment() | {"PREW_SOURCE_BUCKET": "filled"} | variables
    argv = [sys.executable, "-m", "devstack.fill_bucket", f"--photos={photos}"]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(name="photos")
def _photos(tmp_path: Path) -> Path:
    """A folder with one file, whose content the job ignores."""
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "one.jpg").write_bytes(b"one")
    return folder


def test_it_fills_a_bucket_that_anybody_may_read_but_not_list(s3: S3, photos: Path) -> None:
    preset = {"PREW_PRESETS__CARD__WIDTH": "720"}
    first, second = (_run(s3, photos, **preset) for _ in range(2))

    assert first.stdout == "1 photos, 1 of them new or changed\n", first.stderr
    assert second.stdout == "1 photos, 0 of them new or changed\n", second.stderr
    assert _status(f"{s3.endpoint}/filled/photo/one.jpg") == 200
    assert _status(f"{s3.endpoint}/filled/photo/none.jpg") == 404
    assert _status(f"{s3.endpoint}/filled/other/one.jpg") == 403
    assert _status(f"{s3.endpoint}/filled") == 403


def test_an_invalid_preset_stops_it_with_the_variables_name(s3: S3, photos: Path) -> None:
    done = _run(s3, photos, PREW_PRESETS__CARD__WIDTH="wide")

    assert done.returncode != 0
    assert "PREW_PRESETS__CARD__WIDTH" in done.stderr
