"""A separate machine with a real systemd: namespaces, an overlay over the file system, only a loopback network.

It needs root and leaves nothing behind: files are written to memory, and every process ends with the first.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Downloads run before systemd, on this machine's network; systemd then gets a separate network.
_BOOT = """set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p mnt/repository srv/photos
mount --bind "$2" mnt/repository
cp -r "$3/." srv/photos/
chroot . sh -xeuc "$4" < /dev/null >&2
echo boots
exec unshare --net chroot . env container=test /lib/systemd/systemd --system --unit=basic.target >&2
"""
_NAMESPACES = ["--pid", "--fork", "--mount", "--uts", "--ipc", "--cgroup", "--kill-child"]


def why_not() -> str:
    """Return why there can be no such machine here, or an empty string."""
    if os.geteuid() != 0:
        return "namespaces and mounts take root"
    if not (shutil.which("unshare") and Path("/lib/systemd/systemd").exists()):
        return "unshare or systemd is not installed"
    return ""


def _environment() -> dict[str, str]:
    """Return this process's environment, without settings for the machine."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PREW_", "AWS_"))}


class Machine:
    """Runs commands in the machine, as root."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log
        self._init = ""

    def wait(self) -> None:
        """Return when systemd accepts commands, within seconds; otherwise the test's time limit ends it."""
        while not self._booted():
            assert self._process.poll() is None, self._log.read_text()
        self.run("ip link set lo up")

    def _booted(self) -> bool:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        self._init = children[0] if children else ""
        if not self._init or Path(f"/proc/{self._init}/comm").read_text().strip() != "systemd":
            return False
        return self._in("systemctl list-units").returncode == 0

    def run(self, commands: str) -> str:
        """What the commands print; the first that fails ends them, and is an error."""
        done = self._in(commands)
        assert done.returncode == 0, done.stdout + self._in("journalctl --no-pager --lines=100").stdout
        return done.stdout

    def _in(self, commands: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["nsenter", "-t", self._init, "--all", "--root", "--wd", "sh", "-euc", commands],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=_environment(),
            timeout=120,
            check=False,
        )


@contextmanager
def running_machine(folder: Path, repository: Path, photos: Path, before: str) -> Iterator[Machine]:
    """Yield a booted machine; it runs the commands `before` ahead of systemd."""
    root, log = folder / "machine", folder / "machine.log"
    root.mkdir()
    boot = ["sh", "-c", _BOOT, "boot", str(root), str(repository), str(photos), before]
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["unshare", *_NAMESPACES, *boot], stdout=subprocess.PIPE, stderr=out, env=_environment()
        )
    try:
        # Installation takes minutes; there is no output if it failed.
        assert process.stdout is not None
        assert process.stdout.readline(), log.read_text()
        machine = Machine(process, log)
        machine.wait()
        yield machine
    finally:
        process.kill()
        process.communicate()
