"""The local system: started in a separate checkout, used, and ended without a trace."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from devstack.backends import s3_client
from devstack.bucket import Bucket
from devstack.programs import Program, answers
from tests.support.asking import Answer
from tests.support.asking import ask as ask_host
from tests.support.local_system import descendants, stack_of

pytestmark = pytest.mark.timeout(180)  # the whole system starts, which alone may take 50 s on a loaded machine


def ask(port: int, path: str) -> Answer:
    """Ask as a browser on this machine does."""
    return ask_host(port, path, headers={"Host": f"localhost:{port}"})


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
    stack = stack_of(checkout)
    ports = [int(url.rpartition(":")[2]) for url in [stack["nginx"], stack["lambda"], *stack["services"]]]
    for name in ("one.jpg", "more/two%20%C3%BC.jpg"):
        for preset in ("thumb", "card"):
            assert ask(ports[0], f"/prew/{preset}/{name}").headers["X-Preview"] == "made"
    _overwrite(stack, photos / "more" / "two ü.jpg", "photo/one.jpg")
    edge = ask(ports[0], f"/edge/none.jpg?s=http://photos.localhost:{ports[0]}/photo/one.jpg")
    started = descendants(system.pid)

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
    stack = stack_of(checkout)
    port, far = (int(urlsplit(stack[name]).port or 0) for name in ("nginx", "s3_requests"))
    counts = urlsplit(stack["s3_requests"]).path
    for name in ("one.jpg", "more/two%20%C3%BC.jpg"):  # the function says what it can
        assert ask(port, f"/prew/thumb/{name}").headers["X-Preview"] == "made"
    before = json.loads(ask(far, counts).body)
    started = time.monotonic()
    made = ask(port, "/prew/card/one.jpg").headers["X-Preview"]
    took_s = time.monotonic() - started
    while (after := json.loads(ask(far, counts).body))["PUT"]["prew"] == before["PUT"]["prew"]:
        pass  # the write may follow the answer

    assert made == "made"
    assert took_s > 2 * 0.2  # nginx's request, and the function's
    assert after["PUT"]["prew"] - before["PUT"]["prew"] == 1
    assert after["GET"]["prew"] > before["GET"]["prew"]
    assert after["GET"]["photo"] - before["GET"]["photo"] == 1
    assert int(urlsplit(stack["s3"]["endpoint"]).port or 0) != far


def test_sigkill_leaves_no_process(system: Program) -> None:
    started = descendants(system.pid)
    os.kill(system.pid, signal.SIGKILL)
    system.process.wait()
    while any(Path(f"/proc/{pid}/exe").exists() for pid in started):
        pass

    assert len(started) > 5
