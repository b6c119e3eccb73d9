"""The cleaner's second pass in the local system: what a killed function has left after the first one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devstack.backends import Events, s3_client, start_s3
from devstack.functions import CLEANER, CLEANER_HANDLER, start_s3_events
from devstack.lambda_server import start_lambda
from devstack.programs import LOOPBACK, answers, free_ports
from tests.support.fakes import until_reported
from tests.support.site import ROOT

PREVIEW = "prew/card/a.jpg"


@pytest.mark.fault("photo-changed-at-any-time")
async def test_a_preview_that_was_written_after_the_first_pass_is_deleted_by_the_second(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    s3 = start_s3(tmp_path, bucket="again", events=Events(f"http://{LOOPBACK}:{port}/"))
    options = ("--concurrency=2", "--queue-wait=10", f"--task-root={ROOT}")
    function = start_lambda(tmp_path, {CLEANER: CLEANER_HANDLER}, *options, env=os.environ | s3.aws_environment())
    events = start_s3_events(tmp_path, function, port, again_s=1)
    events.wait_ready(lambda: answers(port))
    client = s3_client(s3)
    client.put_object(Bucket=s3.bucket, Key="photo/a.jpg", Body=b"new")
    await until_reported(lambda: function.stats()["by_function"].get(CLEANER, 0) >= 1)
    # As of a function that had read the photo before, and was killed before it could check it again.
    client.put_object(Bucket=s3.bucket, Key=PREVIEW, Body=b"x", Metadata={"source-etag": "old"})
    client.put_object(Bucket=s3.bucket, Key="prew/thumb/other.jpg", Body=b"x", Metadata={"source-etag": "old"})
    await until_reported(lambda: PREVIEW not in _keys(client, s3.bucket))
    for program in (events, function.program):
        program.stop()
    left = _keys(client, s3.bucket)
    s3.program.kill()

    assert left == {"photo/a.jpg", "prew/thumb/other.jpg"}


def _keys(client: object, bucket: str) -> set[str]:
    listed = client.list_objects_v2(Bucket=bucket)  # type: ignore[attr-defined]  # boto3's clients have no types
    return {found["Key"] for found in listed.get("Contents", [])}
