"""`make audit`: pip-audit, with a service of the test's own in OSV's place."""

from __future__ import annotations

import subprocess
import sys
from http import HTTPStatus
from pathlib import Path

import pytest

from devstack.programs import LOOPBACK, free_ports
from shipping.packages import ROOT
from shipping.requirements import read_lock
from tests.supply.osv import ALWAYS_VULNERABLE, running

LOCKS = ROOT / "requirements"
USED = """\
requests==2.19.0 ; python_full_version < '3.0' \\
    --hash=sha256:aa
    # via prewmanager
urllib3==2.8.0 \\
    --hash=sha256:bb
"""
LATER = """\
requests==2.34.2 \\
    --hash=sha256:cc
"""


@pytest.fixture(name="locks")
def _locks(tmp_path: Path) -> Path:
    """Two locks with two versions of a package, one of them for another Python than this."""
    (tmp_path / "service.txt").write_text(USED + LATER.replace("2.34.2 ", "2.34.2 ; python_full_version >= '3.0' "))
    (tmp_path / "docs.txt").write_text(LATER)
    return tmp_path


def _audit(osv_url: str, locks: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "shipping.audit", f"--folder={locks}", f"--osv-url={osv_url}"]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_known_vulnerability_is_named_with_its_fix_and_its_locks(locks: Path) -> None:
    with running({ALWAYS_VULNERABLE: "2.8.1", "requests==2.19.0": "2.20.0", "requests==2.34.2": "2.35.0"}) as osv:
        done = _audit(osv.url, locks)

    assert done.returncode == 1
    assert sorted(done.stdout.splitlines()) == [
        "3 locked versions, 2 known vulnerabilities",
        "requests==2.19.0: CVE-2018-18074 GHSA-test-requests; fixed in 2.20.0; in service",
        "requests==2.34.2: CVE-2018-18074 GHSA-test-requests; fixed in 2.35.0; in docs, service",
    ]


def test_every_version_of_every_lock_is_asked_for() -> None:
    locked = {f"{each.name}=={each.version}" for path in LOCKS.glob("*.txt") for each in read_lock(path)}
    with running({ALWAYS_VULNERABLE: "2.8.1"}) as osv:
        done = _audit(osv.url, LOCKS)

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{len(locked)} locked versions, 0 known vulnerabilities\n"
    assert sorted(osv.asked) == sorted({ALWAYS_VULNERABLE, *locked})


def test_without_an_answer_there_is_one_line_and_no_success(locks: Path) -> None:
    done = _audit(f"http://user:password@{LOOPBACK}:{free_ports(1)[0]}/v1/query", locks)

    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"not checked by {LOOPBACK}: ")
    assert "password" not in line


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (HTTPStatus.SERVICE_UNAVAILABLE, b"{}"),
        (HTTPStatus.FORBIDDEN, b"{}"),
        (HTTPStatus.OK, b"<html>Please sign in</html>"),
        (HTTPStatus.OK, b"{}"),
    ],
    ids=["away", "refuses", "another answers", "knows nothing"],
)
def test_a_service_that_can_say_nothing_is_no_success(locks: Path, status: HTTPStatus, body: bytes) -> None:
    with running({}, status, body) as osv:
        done = _audit(osv.url, locks)

    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_without_locks_is_no_success(tmp_path: Path) -> None:
    assert _audit("http://127.0.0.1/", tmp_path).returncode == 1
