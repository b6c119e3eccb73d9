"""`make sbom`: the documents of images and packages, against the locks and CycloneDX's schema."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipping.packages import ROOT
from shipping.requirements import Locked, read_lock
from shipping.target import RUNTIME_PYTHON, Target

Documents = dict[str, str]

LOCKS = ROOT / "requirements"
EDGE = {"cffi", "pycparser", "pyvips", "pyvips-binary"}


def _written(folder: Path) -> Documents:
    argv = [sys.executable, "-m", "shipping.sbom", f"--folder={folder}", "--edge-config=examples/edge.json"]
    subprocess.run(argv, cwd=ROOT, check=True)
    return {path.name.removesuffix(".cdx.json"): path.read_text() for path in folder.iterdir()}


@pytest.fixture(scope="session", name="documents")
def _documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    return _written(tmp_path_factory.mktemp("sbom"))


def _components(document: str) -> dict[str, dict[str, Any]]:
    """Return the components by `name==version`."""
    components = {f"{each['name']}=={each['version']}": each for each in json.loads(document)["components"]}
    assert len(components) == len(json.loads(document)["components"])
    return components


def _locked(lock: str, architecture: str, python: str) -> dict[str, Locked]:
    target = Target(architecture, python)
    return {f"{each.name}=={each.version}": each for each in read_lock(LOCKS / f"{lock}.txt", target)}


def test_each_image_and_package_has_a_document(documents: Documents) -> None:
    services = yaml.safe_load((ROOT / "compose.prod.yml").read_text())["services"].values()
    packages = {f"{name}-python{RUNTIME_PYTHON}" for name in ("resize", "edge")}

    assert {name for name in documents if "-python" not in name} == {service["image"] for service in services}
    assert {name.rpartition("-")[0] for name in documents if "-python" in name} == packages


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_an_image_has_its_lock_and_its_base(documents: Documents, architecture: str) -> None:
    components = _components(documents["prewmanager"])
    base = components.pop("python==3.13-slim")
    locked = _locked("service", architecture, "3.13")
    given = yaml.safe_load((ROOT / "compose.prod.yml").read_text())["services"]["prewmanager"]["build"]["args"]

    assert components.keys() == locked.keys()
    assert given["PYTHON_IMAGE"] == f"python:3.13-slim@sha256:{base['hashes'][0]['content']}"
    assert base["hashes"][0]["content"] in base["purl"]


def test_nginx_has_its_base_alone(documents: Documents) -> None:
    (base,) = _components(documents["prewmanager-nginx"]).values()

    assert (base["name"], base["type"]) == ("nginx", "container")


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_the_resize_package_has_its_lock(documents: Documents, architecture: str) -> None:
    components = _components(documents[f"resize-python{RUNTIME_PYTHON}-{architecture}"])

    assert components.keys() == _locked("function", architecture, RUNTIME_PYTHON).keys()


def test_the_edge_package_has_its_part_of_the_lock(documents: Documents) -> None:
    components = _components(documents[f"edge-python{RUNTIME_PYTHON}-x86_64"])
    locked = _locked("function", "x86_64", RUNTIME_PYTHON)

    assert components.keys() == {pin for pin, each in locked.items() if each.name in EDGE}


def test_packages_have_addresses_and_hashes(documents: Documents) -> None:
    locked = {**_locked("service", "x86_64", "3.13"), **_locked("function", "x86_64", RUNTIME_PYTHON)}
    parts = [part for document in documents.values() for part in _components(document).items()]
    libraries = [part for part in parts if part[1]["type"] == "library"]

    assert libraries
    for pin, component in libraries:
        (archives,) = component["externalReferences"]
        assert component["purl"] == f"pkg:pypi/{component['name']}@{component['version']}"
        assert {f"--hash=sha256:{each['content']}" for each in archives["hashes"]} == set(locked[pin].hashes)


def test_documents_fit_the_schema(documents: Documents) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    validator = JsonStrictValidator(SchemaVersion.V1_6)

    assert [name for name, document in documents.items() if validator.validate_str(document)] == []
    assert validator.validate_str(documents["prewmanager"].replace('"library"', '"book"'))


def test_the_same_input_gives_the_same_bytes(documents: Documents, tmp_path: Path) -> None:
    assert _written(tmp_path) == documents


def test_serial_numbers_differ(documents: Documents) -> None:
    assert len({json.loads(document)["serialNumber"] for document in documents.values()}) == len(documents)
