"""The local system: started in a separate checkout, used, and ended without a trace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pyvips

from devstack.backends import s3_client
from devstack.bucket import Bucket
from devstack.programs import Program, answers, free_ports
from tests.support.asking import Answer
from tests.support.asking import ask as ask_host

pytestmark = pytest.mark.timeout(180)  # the whole system starts, which alone may take 50 s on a loaded machine
ROOT = Path(__file__).resolve().parents[2]


def ask(port: int, path: str) -> Answer:
    """Ask as a browser on this machine does."""
    return ask_host(port, path, headers={"Host": f"localhost:{port}"})


@pytest.fixture(name="checkout")
def _checkout(tmp_path: Path) -> Path:
    """A copy of the files in git."""
    folder = tmp_path / "checkout"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in listed.decode().strip("\0").split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


@pytest.fixture(name="photos")
def _photos(tmp_path: Path) -> Path:
    """A user's folder of photos."""
    folder = tmp_path / "my photos"
    (folder / "more").mkdir(parents=True)
    pyvips.Image.black(1000, 500, bands=3).jpegsave(str(folder / "one.jpg"))
    pyvips.Image.black(500, 1000, bands=3).jpegsave(str(folder / "more" / "two ü.jpg"))
    return folder


@pytest.fixture(name="system")
def _system(request: pytest.FixtureRequest, checkout: Path, photos: Path, tmp_path: Path) -> Iterator[Program]:
    """The running local system, ready, with further variables where a test gives some."""
    environment = (
        os.environ
        | getattr(request, "param", {})
        | {"PREW_LOCAL_PORT": str(free_ports(1)[0]), "PREW_LOCAL_PHOTOS": str(photos)}
    )
    log = tmp_path / "system.log"
    system = Program("system", [sys.executable, "-m", "devstack"], log, environment, cwd=checkout)
    system.wait_ready(lambda: "\nready http://127.0.0.1:" in log.read_text(), within_s=50)
    yield system
    system.kill()


def _stack(checkout: Path) -> dict[str, Any]:
    stack: dict[str, Any] = json.loads((checkout / ".local" / "stack.json").read_text())
    return stack


def _descendants(pid: int) -> set[int]:
    """Return all child processes of this one, and theirs."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def _overwrite(stack: dict[str, Any], photo: Path, key: str) -> None:
    """Replace a photo, and return when its preview has changed as well."""
    port = int(stack["nginx"].rpartition(":")[2])
    before = ask(port, "/prew/card/one.jpg").body
    s3 = {name: stack["s3"][name] for name in ("endpoint", "bucket", "access_key", "secret_key", "region")}
    s3_client(Bucket(**s3)).put_object(Bucket=s3["bucket"], Key=key, Body=photo.read_bytes())
    while ask(port, "/prew/card/one.jpg").body == before:
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_photos_and_previews_and_one_signal_ends_all_of_it(
    checkout: Path, system: Program, photos: Path, number: signal.Signals
) -> None:
    stack = _stack(checkout)
    ports = [int(url.rpartition(":")[2]) for url in [stack["nginx"], stack["lambda"], *stack["services"]]]
    for name in ("one.jpg", "more/two%20%C3%BC.jpg"):
        for preset in ("thumb", "card"):
            assert ask(ports[0], f"/prew/{preset}/{name}").headers["X-Preview"] == "made"
    _overwrite(stack, photos / "more" / "two ü.jpg", "photo/one.jpg")
    edge = ask(ports[0], f"/edge/none.jpg?s=http://photos.localhost:{ports[0]}/photo/one.jpg")
    started = _descendants(system.pid)

    assert (edge.status, edge.headers["X-Cache"]) == (200, "Miss from cloudfront")
    assert stack["cloudfront"] == f"{stack['nginx']}/edge"
    assert b"<title>Contact sheet" in ask(ports[0], "/").body
    assert "more/two ü.jpg" in ask(ports[0], "/presets/photos").body.decode("unicode-escape")
    assert len(stack["services"]) == 2
    assert {"endpoint", "bucket", "access_key", "secret_key"} <= stack["s3"].keys()
    assert stack["redis"].startswith("redis://127.0.0.1:")
    os.kill(system.pid, number)
    assert system.process.wait(timeout=30) == 0
    assert not (checkout / ".local" / "stack.json").exists()
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []
    assert [port for port in ports if answers(port)] == []


@pytest.mark.parametrize("system", [{"PREW_LOCAL_S3_DELAY": "0.2"}], indirect=True)
@pytest.mark.usefixtures("system")
def test_s3_may_answer_nginx_service_and_function_later_and_says_what_it_is_asked(checkout: Path) -> None:
    stack = _stack(checkout)
    port, far = (int(urlsplit(stack[name]).port or 0) for name in ("nginx", "s3_requests"))
    counts = urlsplit(stack["s3_requests"]).path
    for name in ("one.jpg", "more/two%20%C3%BC.jpg"):  # the function says what it can
        assert ask(port, f"/prew/thumb/{name}").headers["X-Preview"] == "made"
    before = json.loads(ask(far, counts).body)
    started = time.monotonic()
    made = ask(port, "/prew/card/one.jpg").headers["X-Preview"]
    took_s = time.monotonic() - started
    after = json.loads(ask(far, counts).body)

    assert made == "made"
    assert took_s > 3 * 0.2
    assert after["PUT"]["prew"] - before["PUT"]["prew"] == 1
    assert after["GET"]["prew"] > before["GET"]["prew"]
    assert after["GET"]["photo"] - before["GET"]["photo"] == 1
    assert int(urlsplit(stack["s3"]["endpoint"]).port or 0) != far


def test_sigkill_leaves_no_process(system: Program) -> None:
    started = _descendants(system.pid)
    os.kill(system.pid, signal.SIGKILL)
    system.process.wait()
    while any(Path(f"/proc/{pid}/exe").exists() for pid in started):
        pass

    assert len(started) > 5
