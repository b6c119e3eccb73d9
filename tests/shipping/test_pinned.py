"""What others publish is named by digest: packages, actions, and the images that production is built upon."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipping.packages import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PRODUCTION = ROOT / "compose.prod.yml"
BY_DIGEST = re.compile(r"(?P<tagged>[\w./-]+:[\w.-]+)@sha256:[0-9a-f]{64}")


def _actions(workflow: Path) -> list[str]:
    """Return what follows each `uses:`, with its comment."""
    return re.findall(r"^[-\s]*uses:\s*(.+?)\s*$", workflow.read_text(), re.MULTILINE)


def _services(path: Path) -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text())["services"]
    return services


def _bases(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """Yield the argument that names each base image, and its default."""
    text = dockerfile.read_text()
    defaults = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))
    for image in re.findall(r"^FROM (\S+)", text, re.MULTILINE):
        argument = re.fullmatch(r"\$\{(\w+)\}", image)
        assert argument, f"{dockerfile.name}: {image} can't be replaced by a digest"
        yield argument[1], defaults[argument[1]]


def _built() -> Iterator[tuple[str, str, str]]:
    """Yield the base images of production, with their service and the default of its Dockerfile."""
    for name, service in _services(PRODUCTION).items():
        build = service["build"]
        folder = ROOT / build["context"]
        for argument, default in _bases(folder / build.get("dockerfile", "Dockerfile")):
            yield name, build["args"][argument], default


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_locked_packages_have_hashes(lock: Path) -> None:
    lines = [line for line in lock.read_text().replace("\\\n", " ").splitlines() if not line.lstrip().startswith("#")]

    assert lines
    assert [line for line in lines if "==" not in line or "--hash=sha256:" not in line] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_may_read_the_repository_alone(workflow: Path) -> None:
    stated = yaml.safe_load(workflow.read_text())

    assert stated["permissions"] == {}
    assert {str(job["permissions"]) for job in stated["jobs"].values()} == {str({"contents": "read"})}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_commits_with_their_version(workflow: Path) -> None:
    actions = _actions(workflow)

    assert actions
    assert [each for each in actions if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)] == []


def test_production_is_built_upon_digests_of_the_tags_that_are_tested() -> None:
    built = list(_built())

    assert {service for service, _, _ in built} == {"nginx", "prewmanager"}
    for service, image, default in built:
        digest = BY_DIGEST.fullmatch(image)
        assert digest, f"{service}: {image}"
        # nginx:1.30.5 is one of nginx:1.30.
        assert re.fullmatch(rf"{re.escape(default)}(\.\d+)*", digest["tagged"]), f"{service}: {image}, not {default}"


def test_elsewhere_a_base_image_may_be_one_of_this_machine() -> None:
    """Those have tags alone: a digest is what a registry gives."""
    services = _services(ROOT / "docker-compose.yml").values()

    assert [each["image"] for each in services if "@" in each["image"]] == []
    assert [each["build"] for each in services if isinstance(each.get("build"), dict) and "args" in each["build"]] == []
    assert [default for _, _, default in _built() if "@" in default] == []


def test_renovate_finds_every_digest() -> None:
    renovate = json.loads((ROOT / "renovate.json").read_text())
    (manager,) = renovate["customManagers"]
    (file,), (match,) = manager["managerFilePatterns"], manager["matchStrings"]
    found = re.findall(match.replace("(?<", "(?P<"), PRODUCTION.read_text())  # RE2's spelling, and Python's

    assert re.search(file.strip("/"), PRODUCTION.name)
    assert {f"{name}:{tag}@{digest}" for name, tag, digest in found} == {image for _, image, _ in _built()}
    assert {"github-actions", "dockerfile", "docker-compose", "custom.regex"} == set(renovate["enabledManagers"])
