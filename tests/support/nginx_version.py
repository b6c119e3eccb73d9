"""Which nginx the tests run."""

from __future__ import annotations

import re
import subprocess

from devstack.programs import find


def nginx_version() -> tuple[int, ...]:
    """Return nginx's version, such as (1, 22, 1)."""
    done = subprocess.run([find("nginx"), "-v"], capture_output=True, text=True, check=True)
    found = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", done.stdout + done.stderr)
    assert found is not None
    return tuple(map(int, found.groups()))


def resolves_again() -> bool:
    """Whether it asks for names again while it runs, as Debian 12's does not."""
    return nginx_version() >= (1, 27, 3)
