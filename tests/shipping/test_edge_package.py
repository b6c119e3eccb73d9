"""The edge function's package: complete, small, with its settings."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lambda_resize.settings import SettingsError
from shipping.packages import ROOT, Package, edge
from tests.lambda_resize.edge_event import origin_response
from tests.shipping.conftest import Running

pytestmark = pytest.mark.timeout(300)  # the first run downloads the wheels

# Runs the packaged function, with only the connection to another host replaced.
MAKE = """
import json, pathlib, sys
from lambda_resize.edge import handler
event, picture = json.load(sys.stdin), pathlib.Path(sys.argv[1]).read_bytes()
print(json.dumps(handler.respond(event, handler._packaged()[0], lambda url: picture)))
"""


@pytest.fixture(scope="session", name="edge_task")
def _edge_task(unpack: Callable[[Package], Path]) -> Path:
    """The package with the example's settings, unpacked."""
    return unpack(edge(ROOT / "examples" / "edge.json"))


# The image core and the edge's modules; no storage and no HEIC decoder, since the package lacks pi-heif.
MODULES = {
    "lambda_resize": "__init__ animation codecs content_encoding deadline download errors files finishing geometry "
    "heic resize scaling settings sources thumbhash vips",
    "lambda_resize/containers": "__init__ av1 bounds boxes gif heif hevc icc jpeg png svg svg_styles tiff webp",
    "prewmanager_presets": "__init__ fields kinds",
    "lambda_resize/edge": "__init__ address answer errors fetch handler query settings",
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


@pytest.mark.parametrize("text", ["{}", '{"allowed_hosts": ["127.0.0.1"]}'])
def test_an_invalid_or_empty_allow_list_stops_the_build(tmp_path: Path, text: str) -> None:
    config = tmp_path / "edge.json"
    config.write_text(text)

    with pytest.raises(SettingsError, match="allowed_hosts"):
        edge(config)
