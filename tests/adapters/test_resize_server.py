"""The resize server and the resizer that asks it, over HTTP, with a real bucket and real worker processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pyvips
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from devstack.backends import S3, s3_client
from devstack.programs import Program, answers, free_ports
from lambda_resize.errors import ResizeError
from prewmanager.adapters import worker_pool
from prewmanager.adapters.http_limits import Limits
from prewmanager.adapters.resize_http.messages import ANSWER, Reply, answer_of, failure, reply_of
from prewmanager.adapters.resize_http.resizer import HttpResizer, open_http_resizer
from prewmanager.adapters.worker_pool import WorkerPool
from prewmanager.errors import (
    DeadlineExceeded,
    Overloaded,
    PhotoCorrupt,
    PhotoFatal,
    PhotoMissing,
    PhotoTimedOut,
    PreviewFailed,
    ReplicaFailed,
    ResizerFailed,
)
from prewmanager.previews.layout import Layout
from prewmanager.resize_server import Options, ResizeServer
from prewmanager.resizing.contract import ResizeContract
from prewmanager.resizing.polish import Polished, PolishJob
from tests.adapters.test_local_resizer import dies, dies_once, sleeps
from tests.support.fakes import job

CONTRACT = ResizeContract("photos", "photos", Layout("photo", "prew"), "max-age=60")
LIMITS = Limits(connect_s=10, read_s=45, connections=10)
CARD = "/prew/card/a.jpg"


@pytest.fixture(name="server", scope="module")
def _server(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The command, with one worker, in a process of its own; its address."""
    (port,) = free_ports(1)
    argv = [sys.executable, "-m", "prewmanager", "resize-server", "--host=127.0.0.1", f"--port={port}", "--workers=1"]
    environment = {**os.environ, **s3.aws_environment(), "PREW_RESIZER_TOKEN": "open sesame"}
    program = Program("resize-server", argv, tmp_path_factory.mktemp("server") / "log", environment)
    program.wait_ready(lambda: answers(port))
    yield f"http://127.0.0.1:{port}"
    program.stop()


@pytest.fixture(name="resizer")
async def _resizer(server: str) -> AsyncIterator[HttpResizer]:
    async with open_http_resizer(server, CONTRACT, token="open sesame", limits=LIMITS) as resizer:
        yield resizer


async def test_it_renders_stores_and_returns_a_preview_with_its_companions(resizer: HttpResizer, s3: S3) -> None:
    photo = pyvips.Image.black(1000, 500, bands=3).jpegsave_buffer()
    s3_client(s3).put_object(Bucket=s3.bucket, Key="photo/served.jpg", Body=photo)

    await resizer.ping()
    result = await resizer.resize(job("/prew/card/served.jpg", "/prew/thumb/served.jpg"))

    stored = s3_client(s3).get_object(Bucket=s3.bucket, Key="prew/card/served.jpg")
    assert result.made.body == stored["Body"].read()
    assert (result.made.etag, result.made.content_type) == (stored["ETag"], "image/jpeg")
    assert s3_client(s3).head_object(Bucket=s3.bucket, Key="prew/thumb/served.jpg")
    assert "thumb" in result.companions


async def test_it_polishes_what_is_stored(resizer: HttpResizer, s3: S3) -> None:
    photo = pyvips.Image.gaussnoise(900, 600, mean=128).cast("uchar").jpegsave_buffer()
    source = s3_client(s3).put_object(Bucket=s3.bucket, Key="photo/polished.jpg", Body=photo)
    made = job("/prew/card/polished.jpg")
    could = [resizer.can_polish]
    before = (await resizer.resize(made)).made
    could.append(resizer.can_polish)

    kept = await resizer.polish(PolishJob(made.preview, before.etag, source["ETag"].strip('"'), max_bytes=1))
    done = await resizer.polish(PolishJob(made.preview, before.etag, source["ETag"].strip('"'), 10**7))
    again = await resizer.polish(PolishJob(made.preview, before.etag, source["ETag"].strip('"'), 10**7))

    stored = s3_client(s3).head_object(Bucket=s3.bucket, Key="prew/card/polished.jpg")
    assert [kept.outcome, done.outcome, again.outcome] == [Polished.TOO_LITTLE, Polished.DONE, Polished.CHANGED]
    assert stored["ContentLength"] == done.size
    assert could == [False, True]


async def test_failures_of_photos_keep_their_kinds(resizer: HttpResizer, s3: S3) -> None:
    s3_client(s3).put_object(Bucket=s3.bucket, Key="photo/cut.jpg", Body=b"\xff\xd8\xff\xe0 not a photo")

    with pytest.raises(PhotoCorrupt):
        await resizer.resize(job("/prew/card/cut.jpg"))
    with pytest.raises(PhotoMissing):
        await resizer.resize(job("/prew/card/nowhere.jpg"))


@pytest.mark.parametrize("token", ["", "open sesam", "Open sesame", "open sesame!"])
async def test_without_its_token_it_renders_nothing(server: str, token: str) -> None:
    async with open_http_resizer(server, CONTRACT, token=token, limits=LIMITS) as resizer:
        with pytest.raises(ReplicaFailed, match="PREW_RESIZER_TOKEN"):
            await resizer.resize(job("/prew/card/served.jpg"))


async def test_what_is_no_event_is_the_clients_fault(server: str) -> None:
    headers = {"Authorization": "Bearer open sesame"}
    async with aiohttp.ClientSession(headers=headers) as http:
        for body in (b"", b"{", b"[]", b'"text"', b"{}", b'{"src_key": 1}'):
            async with http.post(server, data=body) as response:
                assert response.status == HTTPStatus.BAD_REQUEST
                assert (await response.json())["kind"] == "invalid"
        async with http.post(server, data=b"x" * 300_000) as response:
            assert response.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_sigterm_ends_it_after_the_answers(s3: S3, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    argv = [sys.executable, "-m", "prewmanager", "resize-server", "--host=127.0.0.1", f"--port={port}"]
    program = Program("resize-server", argv, tmp_path / "log", {**os.environ, **s3.aws_environment()})
    program.wait_ready(lambda: answers(port))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=20) as response:
        assert json.load(response)["rendering"] == 0

    program.process.send_signal(signal.SIGTERM)

    assert program.process.wait(20) == 0
    assert '"event":"stopped"' in (tmp_path / "log").read_text().replace('": "', '":"')


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--workers=0"], "--workers"),
        (["--timeout=0"], "--timeout"),
        (["--host=no.such.host.invalid"], "PREW_HOST=no.such.host.invalid"),
    ],
)
@pytest.mark.fault("settings-invalid")
def test_a_wrong_option_is_named(arguments: list[str], says: str) -> None:
    argv = [sys.executable, "-m", "prewmanager", "resize-server", *arguments]

    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def _asking(server: BaseTestServer) -> AbstractAsyncContextManager[HttpResizer]:
    return open_http_resizer(str(server.make_url("")), CONTRACT, token="", limits=LIMITS)


@asynccontextmanager
async def _running(pool: WorkerPool, *, waiting: int = 8) -> AsyncIterator[HttpResizer]:
    """The server in this process, so that its workers can be made to fail."""
    app = ResizeServer(pool, Options(workers=1, waiting=waiting, timeout_s=1, token="")).app()
    async with TestServer(app) as server, _asking(server) as resizer:
        yield resizer
    await pool.aclose()


@pytest.mark.fault("sandbox-killed")
async def test_a_photo_that_kills_its_worker_is_one_failure_and_the_server_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "once").touch()
    monkeypatch.setenv("DIES_ONCE", str(tmp_path / "once"))  # before the workers start, which inherit it
    async with _running(WorkerPool(workers=1, timeout_s=20)) as resizer:
        with monkeypatch.context() as patch:
            patch.setattr(worker_pool, "_resize", dies)
            with pytest.raises(PhotoFatal):
                await resizer.resize(job(CARD))
        monkeypatch.setattr(worker_pool, "_resize", dies_once)

        assert (await resizer.resize(job(CARD))).made.body is not None


async def test_a_photo_that_exceeds_its_time_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "_resize", sleeps)
    async with _running(WorkerPool(workers=1, timeout_s=1)) as resizer:
        with pytest.raises(PhotoTimedOut):
            await resizer.resize(job(CARD))


class _Gate:
    """A pool whose photos take until the gate is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.inside = asyncio.Semaphore(0)

    async def run(self, _: dict[str, Any]) -> worker_pool.Ran:
        self.inside.release()
        await self.opened.wait()
        return worker_pool.Ran({"status": True, "content_type": "image/jpeg", "data": "/9j/4AAQ"}, None)

    async def aclose(self) -> None:
        """Hold nothing."""


async def test_more_than_may_wait_get_retry_after() -> None:
    gate = _Gate()
    async with _running(gate, waiting=2) as resizer:  # type: ignore[arg-type]  # what the server asks of a pool
        accepted = [asyncio.create_task(resizer.resize(job(CARD))) for _ in range(3)]
        for _ in accepted:
            await gate.inside.acquire()
        with pytest.raises(Overloaded) as refused:
            await resizer.resize(job(CARD))
        gate.opened.set()

        assert len(await asyncio.gather(*accepted)) == 3
        assert refused.value.retry_after_s == 1
        assert (await resizer.resize(job(CARD))).made.size == 6


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (429, {"Retry-After": "7"}, Overloaded),
        (503, {}, Overloaded),
        (401, {}, ReplicaFailed),
        (403, {}, ReplicaFailed),
        (504, {}, DeadlineExceeded),
        (500, {}, ResizerFailed),
        (200, {}, ResizerFailed),
        (200, {ANSWER: "{"}, ResizerFailed),
        (302, {"Location": "http://169.254.169.254/"}, ResizerFailed),
    ],
)
async def test_what_a_platform_answers_in_its_place(
    status: int, headers: dict[str, str], error: type[PreviewFailed]
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers, text="from the platform")

    app = web.Application()
    app.add_routes([web.post("/", answer)])
    async with TestServer(app) as server, _asking(server) as resizer:
        with pytest.raises(error) as raised:
            await resizer.resize(job(CARD))
    assert type(raised.value) is error
    if "Retry-After" in headers:
        assert raised.value.retry_after_s == 7


async def test_a_server_that_is_not_there_is_this_replicas_fault() -> None:
    (port,) = free_ports(1)
    async with open_http_resizer(f"http://127.0.0.1:{port}", CONTRACT, token="", limits=LIMITS) as resizer:
        with pytest.raises(ReplicaFailed, match="out of reach"):
            await resizer.resize(job(CARD))


def test_an_answer_survives_its_way() -> None:
    preview = {"status": True, "content_type": "image/webp", "data": "/9j/4AAQ", "also": {"thümb": {"status": True}}}
    stored = {"status": True, "content_type": "image/webp", "size": 9_000_000}

    for answer, data in ((preview, b"\xff\xd8\xff\xe0\x00\x10"), (stored, None), (failure("corrupt", "“ü\n"), None)):
        reply = reply_of(answer)
        read = answer_of(Reply(reply.status, reply.headers, reply.body))
        assert read == answer | ({"data": data} if data else {})
        assert all(text.isascii() and text.isprintable() for text in reply.headers.values())


@pytest.mark.parametrize("kind", sorted({cls.kind for cls in ResizeError.__subclasses__()}))
def test_every_failure_has_a_status(kind: str) -> None:
    theirs = {"internal": 500, "timeout": 504, "storage": 502, "forbidden": 502, "credentials": 502}
    status = reply_of(failure(kind, "")).status

    assert status == theirs[kind] if kind in theirs else 400 <= status < 500
