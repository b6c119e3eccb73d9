"""The resize function's package: complete without anything that Lambda lacks."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
import pyvips

from devstack.backends import S3, s3_client
from shipping.packages import RESIZE, ROOT, Package, build, file_name
from shipping.target import Target
from tests.shipping.conftest import DOWNLOADS, Running

# What runs on one server alone; the client is part of the function.
DECODERS_OWN = {Path("lambda_resize/decoder/__main__.py"), Path("lambda_resize/decoder/server.py")}

pytestmark = pytest.mark.timeout(300)  # the first run downloads the wheels


@pytest.fixture(scope="session", name="task")
def _task(unpack: Callable[[Package], Path]) -> Path:
    """The package, unpacked."""
    return unpack(RESIZE)


async def test_with_only_the_runtime_it_renders_a_preview_from_s3_to_s3(task: Path, running: Running, s3: S3) -> None:
    photo = pyvips.Image.gaussnoise(1000, 600, mean=128, sigma=30).cast("uchar").jpegsave_buffer(Q=85)
    s3_client(s3).put_object(Bucket=s3.bucket, Key="photo/packed.jpg", Body=photo)
    event = {
        "src_key": "photo/packed.jpg",
        "src_bucket": s3.bucket,
        "dst_bucket": s3.bucket,
        "root_folder": "prew",
        "preset_name": "card",
        "rewrite_part": "photo",
        "width": 720,
    }
    async with running(task, "lambda_resize.handler.handler", s3.aws_environment()) as invoke:
        answer = await invoke(event)

    assert answer["status"], answer
    made = pyvips.Image.new_from_buffer(base64.b64decode(answer["data"]), "")
    assert (made.width, made.height) == (720, 432)
    stored = s3_client(s3).get_object(Bucket=s3.bucket, Key="prew/card/packed.jpg")["Body"].read()
    assert stored == base64.b64decode(answer["data"])


def test_it_has_the_functions_modules_and_none_of_edge_service_or_tests(task: Path) -> None:
    packed = {path.relative_to(task) for path in (task / "lambda_resize").rglob("*.py")}
    ours = {path.relative_to(ROOT) for path in (ROOT / "lambda_resize").rglob("*.py")}

    assert packed == {path for path in ours if "edge" not in path.parts} - DECODERS_OWN
    assert not (task / "lambda_resize" / "edge").exists()
    assert (task / "prewmanager_presets" / "fields.py").exists()
    assert not (task / "prewmanager").exists()
    assert not list(task.rglob("*.pyc"))


def test_building_it_twice_gives_the_same_bytes(task: Path, here: Target, tmp_path: Path) -> None:
    assert task.is_dir()  # the distributions are already downloaded
    for folder in ("one", "two"):
        sizes = build(RESIZE, here, tmp_path / folder, DOWNLOADS)
    name = file_name(RESIZE, here)

    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert sizes.zipped < 30 * 1024 * 1024
