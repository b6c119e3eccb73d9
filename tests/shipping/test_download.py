"""Downloads, with a fake pip."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from shipping.download import DownloadError, download
from shipping.requirements import Locked
from shipping.target import Target

LOCKED = [Locked("thing", "thing==1", ("--hash=sha256:00",))]
TARGET = Target("x86_64")


class Pip:
    """Counts its runs, the first `failing` of which fail."""

    def __init__(self, failing: int = 0) -> None:
        self.runs = 0
        self.failing = failing

    def run(self, argv: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.runs += 1
        (folder,) = (Path(each.partition("=")[2]) for each in argv if each.startswith("--dest="))
        folder.mkdir()
        if self.runs <= self.failing:
            return subprocess.CompletedProcess(argv, 1, "", "no such thing\n")
        (folder / "thing-1.whl").write_bytes(b"wheel")
        return subprocess.CompletedProcess(argv, 0, "", "")


def test_simultaneous_downloads_share_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip, together = Pip(), Barrier(4)
    monkeypatch.setattr(subprocess, "run", pip.run)

    def one(_: int) -> list[Path]:
        together.wait()
        return download(LOCKED, TARGET, tmp_path / "cache")

    with ThreadPoolExecutor(4) as threads:
        first, *others = threads.map(one, range(4))

    assert [path.name for path in first] == ["thing-1.whl"]
    assert others == [first] * 3
    assert pip.runs == 1


def test_what_failed_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = Pip(failing=1)
    monkeypatch.setattr(subprocess, "run", pip.run)

    with pytest.raises(DownloadError, match="no such thing"):
        download(LOCKED, TARGET, tmp_path)
    assert [path.name for path in download(LOCKED, TARGET, tmp_path)] == ["thing-1.whl"]
