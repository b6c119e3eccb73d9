"""Sandboxes and workers that are really killed or stopped at each step, before and after their answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest
from PIL import Image

from devstack.backends import S3
from devstack.lambda_server import Lambda, lambda_client, start_lambda
from lambda_resize import cleaner
from prewmanager.adapters import worker_pool
from prewmanager.adapters.aws.s3_store import S3PreviewStore, s3_store
from prewmanager.adapters.local_resizer import LocalResizer
from prewmanager.adapters.worker_pool import WorkerPool
from prewmanager.commands.freshness import Stale, why_stale
from prewmanager.commands.listings import Pair
from prewmanager.errors import PreviewFailed
from prewmanager.previews.inventory import StoredObject
from prewmanager.previews.layout import Layout
from prewmanager.resizing.contract import ResizeContract
from prewmanager.times import UNWRITTEN_S
from tests.lambda_resize import stepwise
from tests.lambda_resize.bucket_event import eventbridge_event
from tests.lambda_resize.buckets import own_bucket
from tests.lambda_resize.pictures import encode
from tests.support.fakes import job, until_reported
from tests.support.site import ROOT

BUCKET = "interrupted"
PHOTO, PREVIEW = "photo/a.jpg", "prew/card/a.jpg"
CONTRACT = ResizeContract(
    BUCKET, BUCKET, Layout("photo", "prew"), "max-age=60", max_result_bytes=1_000_000, unwritten_s=UNWRITTEN_S
)
JOB = replace(job(), answer_first=True)


class Renderer(Protocol):
    """What renders in another process."""

    async def render(self) -> bool:
        """Render the preview, and return whether it was written before it was answered."""
        ...


class InLambda:
    """One sandbox at a time of the local Lambda service."""

    def __init__(self, function: Lambda) -> None:
        self._client = lambda_client(function)

    async def render(self) -> bool:
        """Invoke the function."""
        payload = json.dumps(CONTRACT.request(JOB))
        replied = await asyncio.to_thread(self._client.invoke, FunctionName="stepwise", Payload=payload)
        return CONTRACT.result(json.load(replied["Payload"]), JOB).made.stored


class InWorkers:
    """One worker process at a time."""

    def __init__(self, resizer: LocalResizer) -> None:
        self._resizer = resizer

    async def render(self) -> bool:
        """Have a worker render."""
        return (await self._resizer.resize(JOB)).made.stored


class Steps:
    """Where the process is held, and is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def hold(self, *steps: str) -> None:
        """Have it wait at these steps."""
        for step in steps:
            (self.folder / f"hold-{step}").touch()

    def go_on(self, step: str) -> None:
        """Let it go on."""
        (self.folder / f"hold-{step}").unlink()

    async def at(self, step: str) -> int:
        """Return the id of the process once it waits there."""
        there = self.folder / f"at-{step}"
        await until_reported(there.exists)
        return int(there.read_text())


@pytest.fixture(name="steps")
def _steps(tmp_path: Path, environment: None, monkeypatch: pytest.MonkeyPatch) -> Steps:
    del environment
    monkeypatch.setenv("STEPS", str(tmp_path))
    return Steps(tmp_path)


@pytest.fixture(name="client")
def _client(s3: S3, environment: None) -> Iterator[Any]:
    del environment
    with own_bucket(s3, BUCKET) as client:
        _upload(client, "teal")
        yield client


StartRenderer = Callable[[], contextlib.AbstractAsyncContextManager[Renderer]]


@pytest.fixture(name="start", params=["Lambda", "workers"])
def _start(request: pytest.FixtureRequest, steps: Steps, client: Any, monkeypatch: pytest.MonkeyPatch) -> StartRenderer:
    del client

    @contextlib.asynccontextmanager
    async def in_lambda() -> AsyncIterator[Renderer]:
        options = ("--concurrency=1", "--queue-wait=20", "--timeout=60", f"--task-root={ROOT}")
        function = start_lambda(
            steps.folder, {"stepwise": f"{stepwise.__name__}.handler"}, *options, env=dict(os.environ)
        )
        try:
            yield InLambda(function)
        finally:
            function.program.kill()

    @contextlib.asynccontextmanager
    async def in_workers() -> AsyncIterator[Renderer]:
        monkeypatch.setattr(worker_pool, "_resize", stepwise.resize_in_worker)
        async with contextlib.aclosing(LocalResizer(CONTRACT, WorkerPool(workers=1, timeout_s=60))) as resizer:
            yield InWorkers(resizer)

    return in_lambda if request.param == "Lambda" else in_workers


def _upload(client: Any, colour: str) -> None:
    client.put_object(Bucket=BUCKET, Key=PHOTO, Body=encode(Image.new("RGB", (900, 600), colour), "JPEG"))


def _change(client: Any, change: str) -> None:
    if change == "removed":
        client.delete_object(Bucket=BUCKET, Key=PHOTO)
    else:
        _upload(client, "orange")


def _first_pass() -> None:
    cleaner.handler(eventbridge_event(BUCKET, PHOTO), None)


def _second_pass() -> None:
    cleaner.handler({"Records": [{"body": json.dumps(eventbridge_event(BUCKET, PHOTO))}]}, None)


def _is_stored(client: Any) -> bool:
    return any(each["Key"] == PREVIEW for each in client.list_objects_v2(Bucket=BUCKET).get("Contents", []))


async def _why_stale(client: Any, s3: S3) -> Stale | None:
    """Return what `prewmanager stale` says of the preview."""
    found = client.list_objects_v2(Bucket=BUCKET)["Contents"]
    listed = {each["Key"]: StoredObject(each["Key"], each["Size"], each["LastModified"]) for each in found}
    photo = listed.get(PHOTO)
    if photo is not None:
        photo = photo._replace(etag=client.head_object(Bucket=BUCKET, Key=PHOTO)["ETag"].strip('"'))
    reader = S3PreviewStore(s3_store(BUCKET, region=s3.region, endpoint_url=s3.endpoint, timeout_s=5), max_body_bytes=0)
    return await why_stale(Pair("a.jpg", photo, listed[PREVIEW]), JOB.preview.preset, reader)


@pytest.mark.fault("write-lost")
async def test_a_process_that_is_killed_after_its_answer_writes_nothing_and_the_next_one_does(
    start: StartRenderer, steps: Steps, client: Any
) -> None:
    async with start() as renderer:
        steps.hold("write")
        assert not await renderer.render()
        os.kill(await steps.at("write"), signal.SIGKILL)
        steps.go_on("write")
        assert not _is_stored(client)
        assert not await _rendered_again(renderer)
        await until_reported(lambda: _is_stored(client))


async def _rendered_again(renderer: Renderer) -> bool:
    """Render in the next process; the first attempt may meet the end of the killed one, and is repeated."""
    with contextlib.suppress(PreviewFailed):
        return await renderer.render()
    return await renderer.render()


@pytest.mark.fault("photo-changed-at-any-time")
@pytest.mark.parametrize("change", ["overwritten", "removed"])
@pytest.mark.parametrize("ends", ["goes on", "is killed"])
async def test_a_process_that_is_stopped_before_its_write_past_both_passes_deletes_what_it_writes(  # noqa: PLR0917 -- pytest's
    start: StartRenderer, steps: Steps, client: Any, s3: S3, change: str, ends: str
) -> None:
    """It has checked the photo's age, and is stopped before the first byte of the write: no check can prevent that."""
    async with start() as renderer:
        steps.hold("write", "check")
        assert not await renderer.render()
        pid = await steps.at("write")
        os.kill(pid, signal.SIGSTOP)
        _change(client, change)
        _first_pass()
        _second_pass()
        steps.go_on("write")
        os.kill(pid, signal.SIGCONT)
        await steps.at("check")
        expected = Stale.PHOTO_GONE if change == "removed" else Stale.PHOTO_CHANGED
        assert await _why_stale(client, s3) is expected
        if ends == "is killed":  # two faults within milliseconds, and a third, the stop: `stale` names what is left
            os.kill(pid, signal.SIGKILL)
            return
        steps.go_on("check")
        await until_reported(lambda: not _is_stored(client))


@pytest.mark.fault("photo-changed-at-any-time")
@pytest.mark.parametrize("change", ["overwritten", "removed"])
async def test_a_process_that_is_stopped_after_its_read_past_both_passes_writes_nothing(
    start: StartRenderer, steps: Steps, client: Any, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_AGE_S", "0.2")
    async with start() as renderer:
        steps.hold("read", "write", "check")
        rendering = asyncio.create_task(renderer.render())
        pid, read_at = await steps.at("read"), time.time()
        os.kill(pid, signal.SIGSTOP)
        _change(client, change)
        _first_pass()
        _second_pass()
        await until_reported(lambda: time.time() > read_at + 0.3)
        steps.go_on("read")
        os.kill(pid, signal.SIGCONT)
        assert not await rendering
        await steps.at("check")
        steps.go_on("check")

        assert not (steps.folder / "at-write").exists()
        assert not _is_stored(client)


@pytest.mark.fault("photo-changed-at-any-time")
@pytest.mark.parametrize("change", ["overwritten", "removed"])
@pytest.mark.parametrize("event", ["before the write", "after the write", "late"])
async def test_what_a_process_leaves_that_is_killed_before_its_check_is_deleted_by_the_second_pass(
    start: StartRenderer, steps: Steps, client: Any, change: str, event: str
) -> None:
    async with start() as renderer:
        steps.hold("write", "check")
        assert not await renderer.render()
        await steps.at("write")
        _change(client, change)
        if event == "before the write":
            _first_pass()
        steps.go_on("write")
        pid = await steps.at("check")
        assert _is_stored(client)
        if event == "after the write":
            _first_pass()
        os.kill(pid, signal.SIGKILL)
        if event == "late":
            _first_pass()
        _second_pass()

        assert not _is_stored(client)


@pytest.mark.fault("photo-changed-at-any-time")
async def test_a_process_that_is_stopped_before_its_check_past_both_passes_leaves_no_old_preview(
    start: StartRenderer, steps: Steps, client: Any, s3: S3
) -> None:
    """Meanwhile another one renders the new photo; the stopped one may delete that, and has nothing of its own left."""
    async with start() as renderer:
        steps.hold("check")
        assert not await renderer.render()
        pid = await steps.at("check")
        os.kill(pid, signal.SIGSTOP)
        for colour in ("orange", "plum"):
            _upload(client, colour)
            _first_pass()
        _second_pass()
        assert not _is_stored(client)
        async with start() as other:
            steps.go_on("check")
            await other.render()
            await until_reported(lambda: _is_stored(client))
        assert await _why_stale(client, s3) in {None, Stale.PRESET_CHANGED}
        os.kill(pid, signal.SIGCONT)
        await until_reported(lambda: not _is_stored(client))
