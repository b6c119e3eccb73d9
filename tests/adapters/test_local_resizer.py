"""Worker processes instead of Lambda: the same function and contract, with a real bucket."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pyvips
from pebble import CONSTS

from devstack.backends import S3, s3_client
from devstack.programs import Program
from lambda_resize.errors import TooLarge
from lambda_resize.resize import resize
from prewmanager.adapters import worker_pool
from prewmanager.adapters.local_resizer import LocalResizer
from prewmanager.adapters.worker_pool import WorkerPool
from prewmanager.errors import (
    DeadlineExceeded,
    PhotoCorrupt,
    PhotoFatal,
    PhotoMissing,
    PhotoTooLarge,
    ReplicaFailed,
    ResizerFailed,
    StorageFailed,
)
from prewmanager.previews.layout import Layout
from prewmanager.previews.outcome import Made
from prewmanager.resizing.contract import ResizeContract
from prewmanager.resizing.limits import RetryingResizer
from prewmanager_presets import Preset, Spec
from tests.lambda_resize.hostile import heifs
from tests.support.fakes import job

CONTRACT = ResizeContract("photos", "photos", Layout("photo", "prew"), "max-age=60")


def sleeps(*_: object) -> None:
    """Exceeds the time limit of a resize."""
    time.sleep(60)


def dies(*_: object) -> None:
    """Ends its process like the kernel's OOM killer."""
    os.kill(os.getpid(), signal.SIGKILL)


def hangs(*_: object) -> None:
    """Keeps the process in a library's code, as a decoder does."""
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)


def asks_for_memory(*_: object) -> None:
    """Asks for more than a worker may have, as a decoder does: without asking Python."""
    from lambda_resize import vips

    with vips.decoding():
        pyvips.Image.black(60_000, 60_000).copy_memory()


def dies_once(*_: object) -> dict[str, object]:
    """Ends its first process like the kernel's OOM killer."""
    first = Path(os.environ["DIES_ONCE"])
    if not first.exists():
        first.touch()
        dies()
    return {"status": True, "content_type": "image/jpeg", "data": "/9j/4AAQ"}


def finds_its_credentials_refused(*_: object) -> dict[str, object]:
    """Answers as the function does then."""
    return {"status": False, "kind": "credentials", "error": "photos/photo/a.jpg: 403 Forbidden: ExpiredToken"}


def answers_with_its_process(*_: object) -> dict[str, object]:
    """Answers with the process's id as the preview's size."""
    return {"status": True, "content_type": "image/jpeg", "size": os.getpid()}


def gets_sigterm(*_: object) -> None:
    """Sends its process the signal that a service manager sends to all processes."""
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(name="resizer")
async def _resizer(s3: S3, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalResizer]:
    for name, value in s3.aws_environment().items():
        monkeypatch.setenv(name, value)
    resizer = LocalResizer(CONTRACT, WorkerPool(workers=1, timeout_s=20))
    yield resizer
    await resizer.aclose()


async def test_a_worker_renders_and_stores_the_preview_and_its_companions(resizer: LocalResizer, s3: S3) -> None:
    photo = pyvips.Image.black(1000, 500, bands=3).jpegsave_buffer()
    s3_client(s3).put_object(Bucket=s3.bucket, Key="photo/worker.jpg", Body=photo)
    result = await resizer.resize(job("/prew/card/worker.jpg", "/prew/thumb/worker.jpg"))
    made = result.made
    companion = s3_client(s3).get_object(Bucket=s3.bucket, Key="prew/thumb/worker.jpg")
    stored = s3_client(s3).get_object(Bucket=s3.bucket, Key="prew/card/worker.jpg")

    assert made.body == stored["Body"].read()
    assert (made.etag, made.cache_control) == (stored["ETag"], stored["CacheControl"])
    assert pyvips.Image.new_from_buffer(made.body, "").width == 720
    assert pyvips.Image.new_from_buffer(companion["Body"].read(), "").width == 200
    outcome = result.companions["thumb"]
    assert isinstance(outcome, Made)
    assert (outcome.etag, outcome.body) == (companion["ETag"], None)


async def test_a_worker_has_a_decoder_render_and_writes_the_preview_itself(
    s3: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in (s3.aws_environment() | {"RESIZE_DECODER": str(tmp_path / "socket")}).items():
        monkeypatch.setenv(name, value)
    photo = pyvips.Image.black(1000, 500, bands=3).jpegsave_buffer()
    s3_client(s3).put_object(Bucket=s3.bucket, Key="photo/decoder.jpg", Body=photo)
    resizer = LocalResizer(CONTRACT, WorkerPool(workers=1, timeout_s=20))
    argv = [sys.executable, "-m", "lambda_resize.decoder", "--processes=1", str(tmp_path / "socket")]
    with pytest.raises(ResizerFailed, match="no decoder serves"):
        await resizer.resize(job("/prew/card/decoder.jpg"))
    decoder = Program("decoder", argv, tmp_path / "log")
    try:
        decoder.wait_ready((tmp_path / "socket").exists)
        result = await resizer.resize(job("/prew/card/decoder.jpg", "/prew/thumb/decoder.jpg"))
        stored = s3_client(s3).get_object(Bucket=s3.bucket, Key="prew/card/decoder.jpg")["Body"].read()
        assert result.made.body == stored == resize(photo, Spec(**Preset(width=720).spec)).data
        assert isinstance(result.companions["thumb"], Made)
    finally:
        decoder.stop()
        await resizer.aclose()


async def test_a_missing_photo_is_missing(resizer: LocalResizer) -> None:
    await resizer.ping()
    with pytest.raises(PhotoMissing):
        await resizer.resize(job("/prew/card/no-such.jpg"))


@pytest.mark.fault("photo-costly")
async def test_a_worker_refuses_a_costly_photo(resizer: LocalResizer, s3: S3) -> None:
    attack = heifs.small_grid_of_large_tiles(4096, 4)
    s3_client(s3).put_object(Bucket=s3.bucket, Key="photo/costly.avif", Body=attack)
    with pytest.raises(PhotoTooLarge):
        await resizer.resize(job("/prew/card/costly.avif"))


@pytest.mark.fault("photo-ambiguous")
async def test_a_worker_refuses_a_photo_that_contradicts_itself(resizer: LocalResizer, s3: S3) -> None:
    s3_client(s3).put_object(Bucket=s3.bucket, Key="photo/twice.avif", Body=heifs.contradiction("iref"))
    with pytest.raises(PhotoCorrupt):
        await resizer.resize(job("/prew/card/twice.avif"))


@pytest.mark.fault("worker-killed")
async def test_a_worker_that_dies_is_replaced(resizer: LocalResizer, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(worker_pool, "_resize", dies)
        with pytest.raises(PhotoFatal):
            await resizer.resize(job())
    with pytest.raises(PhotoMissing):
        await resizer.resize(job("/prew/card/no-such.jpg"))


@pytest.mark.fault("sandbox-killed")
async def test_a_worker_that_is_killed_once_costs_no_photo_its_preview(
    resizer: LocalResizer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DIES_ONCE", str(tmp_path / "died"))
    monkeypatch.setattr(worker_pool, "_resize", dies_once)
    result = await RetryingResizer(resizer, within_s=30).resize(job())

    assert (tmp_path / "died").exists()
    assert result.made.content_type == "image/jpeg"


@pytest.mark.fault("worker-terminated")
async def test_a_sigterm_is_not_the_photos_fault(resizer: LocalResizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "_resize", gets_sigterm)
    with pytest.raises(ResizerFailed, match="worker died"):
        await resizer.resize(job())


async def test_a_worker_that_is_too_slow_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "_resize", sleeps)
    resizer = LocalResizer(CONTRACT, WorkerPool(workers=1, timeout_s=1))
    with pytest.raises(DeadlineExceeded):
        await resizer.resize(job())
    await resizer.aclose()


@pytest.mark.fault("photo-slow")
async def test_a_decoder_that_cannot_be_stopped_is_ended_with_its_process(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's handlers of signals wait until it returns, and until then pebble would read no result."""
    for name, value in s3.aws_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(CONSTS, "term_timeout", 30)
    resizer = LocalResizer(CONTRACT, WorkerPool(workers=1, timeout_s=2))
    async with contextlib.aclosing(resizer):
        with monkeypatch.context() as patch:
            patch.setattr(worker_pool, "_resize", hangs)
            with pytest.raises(DeadlineExceeded):
                await asyncio.wait_for(resizer.resize(job()), 25)


@pytest.mark.fault("photo-takes-memory")
async def test_a_worker_has_no_more_memory_than_its_share(
    resizer: LocalResizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(worker_pool, "_resize", asks_for_memory)
        with pytest.raises(TooLarge, match="out of memory"):
            await resizer.resize(job())
    with pytest.raises(PhotoMissing):
        await resizer.resize(job("/prew/card/no-such.jpg"))


@pytest.mark.fault("worker-killed")
async def test_a_worker_that_is_killed_while_idle_is_replaced(
    resizer: LocalResizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no worker has work, and one dies, pebble gives up its pool."""
    with monkeypatch.context() as patch:
        patch.setattr(worker_pool, "_resize", answers_with_its_process)
        first = (await resizer.resize(job())).made.size
        os.kill(first, signal.SIGKILL)
        while resizer._pool._pool.active:  # noqa: ASYNC110 -- pebble has no event for it
            await asyncio.sleep(0.01)
        await resizer.ping()
        sizes = await asyncio.gather(*(resizer.resize(job()) for _ in range(3)))

    assert first not in {each.made.size for each in sizes}


@pytest.mark.fault("s3-away")
async def test_an_s3_that_does_not_answer_is_no_slow_photo(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker says so before the pool would end it, and the photo is not blamed."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for name, value in (s3.aws_environment() | {"AWS_ENDPOINT_URL_S3": address}).items():
            monkeypatch.setenv(name, value)
        async with contextlib.aclosing(LocalResizer(CONTRACT, WorkerPool(workers=1, timeout_s=6))) as resizer:
            with pytest.raises(StorageFailed):
                await resizer.resize(job("/prew/card/silent.jpg"))


async def test_a_closed_pool_is_not_ready() -> None:
    resizer = LocalResizer(CONTRACT, WorkerPool(workers=1, timeout_s=1))
    await resizer.aclose()
    with pytest.raises(ResizerFailed):
        await resizer.ping()


@pytest.mark.fault("replica-unable")
async def test_credentials_that_s3_refuses_are_this_replicas_trouble(
    resizer: LocalResizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its workers have no others; another replica's may be right."""
    monkeypatch.setattr(worker_pool, "_resize", finds_its_credentials_refused)
    with pytest.raises(ReplicaFailed, match="ExpiredToken"):
        await resizer.resize(job())
