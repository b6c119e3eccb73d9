"""The lock file, read for another machine than this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipping.packages import LOCK, RESIZE, distributions
from shipping.requirements import read_lock
from shipping.target import MACHINES, Target

LOCKED = """\
# made by a resolver
obstore==0.12.1 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via prewmanager
old-helper==1.0 ; python_full_version < '3.13' \\
    --hash=sha256:cc
Arm_Helper==2.0 ; platform_machine == 'aarch64' \\
    --hash=sha256:dd
"""


@pytest.fixture(name="lock")
def _lock(tmp_path: Path) -> Path:
    """A lock file with each kind of marker."""
    path = tmp_path / "lock.txt"
    path.write_text(LOCKED)
    return path


def test_markers_are_evaluated_for_the_target(lock: Path) -> None:
    def names(target: Target) -> list[str]:
        return [locked.name for locked in read_lock(lock, target)]

    assert names(Target("x86_64", "3.14")) == ["obstore"]
    assert names(Target("arm64", "3.14")) == ["arm-helper", "obstore"]
    assert names(Target("x86_64", "3.11")) == ["obstore", "old-helper"]


def test_pip_gets_version_and_hashes_without_the_marker(lock: Path) -> None:
    (obstore,) = read_lock(lock, Target("x86_64", "3.14"))

    assert obstore.line == "obstore==0.12.1 --hash=sha256:aa --hash=sha256:bb"


@pytest.mark.parametrize("architecture", MACHINES)
def test_the_committed_lock_has_the_functions_distributions_for_both_architectures(architecture: str) -> None:
    locked = read_lock(LOCK, Target(architecture))

    names = ["cffi", "obstore", "pi-heif", "pillow", "pycparser", "pyvips", "pyvips-binary"]
    extras = ["packaging", "pillow-jxl-plugin", "pypdfium2"]
    assert [each.name for each in locked] == sorted(names + extras)
    assert all(each.hashes for each in locked)
    assert [each.name for each in distributions(RESIZE, Target(architecture))] == names
    with_pdf = distributions(RESIZE, Target(architecture), ["pdf"])
    assert {each.name for each in with_pdf} == {*names, "pypdfium2"}
