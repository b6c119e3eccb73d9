"""The units of examples/one-server, started without systemd, under a separate root and on free ports."""

from __future__ import annotations

import contextlib
import getpass
import random
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from devstack.programs import LOOPBACK, READY_WITHIN_S, Program, answers
from devstack.units import UnitRunner

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "one-server"
UNITS = ("s3", "redis", "decoder", "web", "nginx")
# gRPC uses each port + 10000, which must stay below the kernel's range for clients.
_PORTS = range(12_000, 22_000)
_PORT = re.compile(r"^(?:\w+_PORT|PREW_NGINX_LISTEN)=(\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class OneServer:
    """Running units; `moved` maps the absolute paths and addresses of docs/how-to/one-server.md to the actual ones."""

    programs: dict[str, Program]
    moved: dict[str, str]
    port: int

    def run(self, commands: str) -> str:
        """Run commands of the page, with paths and addresses replaced, and return their output.

        Raises `CalledProcessError` when one fails.
        """
        for here, there in self.moved.items():
            commands = commands.replace(here, there)
        return subprocess.run(["sh", "-euc", commands], capture_output=True, text=True, timeout=50, check=True).stdout


@contextlib.contextmanager
def running_one_server(root: Path) -> Iterator[OneServer]:
    """Run all units under `root`, whose path must be short: a Unix socket's path has at most 107 bytes."""
    etc = root / "etc" / "prewmanager"
    subprocess.run([EXAMPLE / "configure.sh", etc], check=True)
    ports = _configure(etc / "site.env", root)
    places = {"/opt/prewmanager/.venv": Path(sys.prefix), "/opt/prewmanager": ROOT}
    runner = UnitRunner(EXAMPLE / "systemd", root, places)
    moved = {path: str(place) for path, place in places.items()}
    moved |= {"/etc/prewmanager": str(etc), f"{LOOPBACK}:8888": f"{LOOPBACK}:{ports[8888]}"}
    with contextlib.ExitStack() as stack:
        stack.callback(_remove_sockets, ports)
        programs = {}
        for unit in UNITS:
            programs[unit] = runner.start(f"prewmanager-{unit}.service")
            stack.callback(programs[unit].kill)
        for unit, port in (("nginx", 80), ("web", 8180), ("s3", 8333), ("s3", 8888)):
            programs[unit].wait_ready(lambda port=port: answers(ports[port]))  # type: ignore[misc]  # bound now
        programs["decoder"].wait_ready(lambda: _greets(root / "run" / "prewmanager-decoder.sock"))
        yield OneServer(programs, moved, ports[80])


def _greets(path: Path) -> bool:
    """Whether a decoder serves at a socket; `systemd-socket-activate` starts it with the first connection."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(READY_WITHIN_S)
        try:
            connection.connect(str(path))
            return bool(connection.recv(1))
        except OSError:
            return False


def _configure(file: Path, root: Path) -> dict[int, int]:
    """Write a configuration with other ports, and paths under `root`; return the new ports by the old ones."""
    text = file.read_text()
    known = dict.fromkeys(map(int, _PORT.findall(text)))
    ports = dict(zip(known, _free_ports(len(known)), strict=True))
    for old, new in ports.items():
        text = re.sub(rf"(?<=[=:]){old}$", f"{LOOPBACK}:{new}" if old == 80 else str(new), text, flags=re.MULTILINE)  # noqa: PLR2004 -- HTTP's
    # Under root, nginx runs as root as well; systemd would start it as a separate user.
    text = text.replace("unix:///run", f"unix://{root}/run").replace("=/run/", f"={root}/run/")
    file.write_text(text + f"PREW_NGINX_USER={getpass.getuser()}\n")
    return ports


def _free_ports(count: int) -> Iterator[int]:
    candidates = (port for port in random.sample(_PORTS, 200) if not (answers(port) or answers(port + 10_000)))
    for _ in range(count):
        yield next(candidates)


def _remove_sockets(ports: dict[int, int]) -> None:
    for port in ports.values():
        for path in Path("/tmp").glob(f"seaweedfs-*-{port + 10_000}.sock"):  # noqa: S108 -- weed's, which no option changes
            path.unlink()
