"""The edge function's package: complete, small, with its settings."""

from __future__ import annotations

import json
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from lambda_resize.settings import SettingsError
from shipping.download import DownloadError
from shipping.packages import ROOT, Package, build, edge
from shipping.target import Target
from tests.lambda_resize.edge_event import origin_response
from tests.lambda_resize.pictures import encode, noise
from tests.shipping.conftest import DOWNLOADS, Running

pytestmark = pytest.mark.timeout(300)  # the first run downloads the wheels

# Lambda@Edge's quotas on origin events, and the memory of infra/edge.yaml
# (docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html).
ZIP_BYTES, ANSWER_BYTES, SECONDS, MEMORY_BYTES = 50_000_000, 1_000_000, 30, 1769 * 1024 * 1024

# Runs the packaged function, with only the connection to another host replaced.
MAKE = """
import json, pathlib, sys
from lambda_resize.edge import fetch, handler
event, picture = json.load(sys.stdin), pathlib.Path(sys.argv[1]).read_bytes()
print(json.dumps(handler.respond(event, handler._packaged()[0], lambda url, end: fetch.Source(picture))))
"""


@pytest.fixture(scope="session", name="edge_task")
def _edge_task(unpack: Callable[[Package], Path]) -> Path:
    """The package with the example's settings, unpacked."""
    return unpack(edge(ROOT / "examples" / "edge.json"))


# The image core and the edge's modules; no storage; HEIC's decoder and Pillow are not in the package.
MODULES = {
    "lambda_resize": "__init__ amended animation apart by_pillow chroma codecs colours content_encoding deadline "
    "download errors files finishing geometry heic jxl likeness metadata pdf preview raw resize scaling settings "
    "similarity sources thumbhash vips wide",
    "lambda_resize/containers": "__init__ av1 avis bits bmp bounds boxes cicp credit gif heif hevc icc ico jpeg "
    "jpeg2000 jpeg_damage jxl png psd raw svg svg_styles tiff webp",
    "prewmanager_presets": "__init__ efforts fields kinds qualities",
    "lambda_resize/edge": "__init__ accept address answer bounded connection errors fetch handler headers lifetimes "
    "networks query rendering settings urls",
}


def test_it_holds_exactly_these_modules() -> None:
    expected = {f"{folder}/{name}.py" for folder, names in MODULES.items() for name in names.split()}

    package = edge(ROOT / "examples" / "edge.json")

    assert set(package.sources) == expected
    assert package.distributions == frozenset({"cffi", "pycparser", "pyvips", "pyvips-binary"})


async def test_it_starts_with_only_the_runtime_and_no_environment_variable(edge_task: Path, running: Running) -> None:
    passed = origin_response({"s": "https://images.example.com/a.jpg"}, status="200")
    refused = origin_response({"s": "https://169.254.169.254/latest/meta-data/"})
    async with running(edge_task, "lambda_resize.edge.handler.handler", {}) as invoke:
        assert await invoke(passed) == passed["Records"][0]["cf"]["response"]
        assert (await invoke(refused))["status"] == "403"


def test_it_renders_an_image_and_has_no_module_of_the_s3_side(edge_task: Path, python: str) -> None:
    picture = ROOT / "tests" / "lambda_resize" / "edge_images" / "source.png"
    event = origin_response({"s": "https://images.example.com/a.png"})
    done = subprocess.run(
        [python, "-S", "-P", "-B", "-c", MAKE, str(picture)],
        input=json.dumps(event),
        env={"PYTHONPATH": str(edge_task)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert json.loads(done.stdout)["status"] == "200", done.stderr
    assert not (edge_task / "obstore").exists()
    assert not (edge_task / "lambda_resize" / "storage.py").exists()


def _costly(kind: str) -> bytes:
    """The largest images that the default settings accept: in pixels, and in bytes of the answer."""
    if kind == "pixels":
        return encode(Image.linear_gradient("L").resize((8000, 6250)).convert("RGBA"), "PNG")
    return encode(noise(2500, 2500), "PNG")


@pytest.mark.parametrize("kind", ["pixels", "bytes"])
def test_the_costliest_image_stays_within_the_edges_quotas(
    edge_task: Path, python: str, tmp_path: Path, kind: str
) -> None:
    picture = tmp_path / "picture"
    picture.write_bytes(_costly(kind))
    side = "2400" if kind == "pixels" else "1500"
    event = origin_response({"s": "https://images.example.com/a.png", "w": side, "h": side})
    done = subprocess.run(
        [python, "-S", "-P", "-B", "-c", MAKE, str(picture)],
        input=json.dumps(event),
        env={"PYTHONPATH": str(edge_task)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES)),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )

    assert json.loads(done.stdout)["status"] == "200", done.stderr + done.stdout[-500:]
    assert len(done.stdout) <= ANSWER_BYTES


def test_the_package_is_below_the_edges_quota(here: Target, tmp_path: Path) -> None:
    try:
        build(edge(ROOT / "examples" / "edge.json"), here, tmp_path, DOWNLOADS)
    except DownloadError as error:
        pytest.skip(f"no package index answers: {error}")
    (archive,) = tmp_path.glob("*.zip")

    assert archive.stat().st_size < ZIP_BYTES


@pytest.mark.parametrize("text", ["{}", '{"allowed_hosts": ["127.0.0.1"]}'])
def test_an_invalid_or_empty_allow_list_stops_the_build(tmp_path: Path, text: str) -> None:
    config = tmp_path / "edge.json"
    config.write_text(text)

    with pytest.raises(SettingsError, match="allowed_hosts"):
        edge(config)
