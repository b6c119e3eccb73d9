"""Every part has a limit of memory, wherever it runs: a photo that takes all of it stops that part alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from devstack.one_server import EXAMPLE, ROOT

COMPOSED = [ROOT / "docker-compose.yml", ROOT / "compose.prod.yml"]
DEPLOYED = [path for path in (ROOT / "infra" / "kubernetes").glob("*.yaml") if "containers:" in path.read_text()]


@pytest.mark.parametrize("path", COMPOSED, ids=lambda path: path.name)
def test_containers_of_compose_have_a_limit(path: Path) -> None:
    services = yaml.safe_load(path.read_text())["services"]
    assert [name for name, service in services.items() if "mem_limit" not in service] == []


@pytest.mark.parametrize("path", DEPLOYED, ids=lambda path: path.name)
def test_containers_of_kubernetes_have_a_limit(path: Path) -> None:
    pods = [each["spec"]["template"]["spec"] for each in yaml.safe_load_all(path.read_text()) if _has_pods(each)]
    containers = [container for pod in pods for container in pod["containers"]]
    assert containers
    assert all("memory" in each["resources"]["limits"] for each in containers)


def _has_pods(resource: dict[str, dict[str, object]]) -> bool:
    return "template" in resource.get("spec", {})


@pytest.mark.fault("photo-takes-memory")
def test_units_have_a_limit_and_outlive_a_worker_that_reaches_it() -> None:
    units = EXAMPLE / "systemd"
    assert "\nMemoryMax=" in (units / "prewmanager-.service.d" / "10-hardening.conf").read_text()
    assert "\nOOMPolicy=continue" in (units / "prewmanager-web.service").read_text()
