"""The files that start Prometheus, mtail and the blackbox exporter, with Compose, Kubernetes and systemd."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from devstack.programs import find
from observability import kubernetes
from tests.docs.blocks import blocks
from tests.observability.promql import FOLDER

ROOT = FOLDER.parent
WATCH = yaml.safe_load((ROOT / "compose.watch.yml").read_text())["services"]
PRODUCTION = yaml.safe_load((ROOT / "compose.prod.yml").read_text())["services"]
COMPONENT = ROOT / "infra" / "kubernetes" / "watch"
CANARIES = ["prewmanager_stored", "prewmanager_missing", "prewmanager_health"]
JOBS = ["prewmanager", "prewmanager-nginx", "prewmanager-canary"]


def _resources(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((COMPONENT / name).read_text()))


def _jobs(configuration: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {each["job_name"]: each.get("static_configs", []) for each in configuration["scrape_configs"]}


def _checked(configuration: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the jobs, once promtool accepts the configuration."""
    argv = [find("promtool"), "check", "config", "--syntax-only", str(configuration)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    jobs = _jobs(yaml.safe_load(configuration.read_text()))
    assert list(jobs) == JOBS
    assert [each["labels"]["module"] for each in jobs["prewmanager-canary"]] == CANARIES
    return jobs


def test_compose_asks_for_the_canary_a_photo_beside_it_and_nginxs_health(tmp_path: Path) -> None:
    shell, options, script = WATCH["prometheus"]["command"]
    written, _, _ = script.replace("$$", "$").partition("exec ")
    written = written.replace("/etc/prewmanager/", f"{FOLDER}/")
    written = written.replace("/run/prewmanager/prometheus.yml", f"{tmp_path}/made.yml")
    named = {"CANARY_SITE": "https://images.example.com", "CANARY_PREVIEW": "prew/card/a/canary.jpg"}
    subprocess.run([shell, options, written], env={"PATH": "/usr/bin:/bin"} | named, check=True)

    stored, missing, health = (each["targets"] for each in _checked(tmp_path / "made.yml")["prewmanager-canary"])
    assert stored == ["https://images.example.com/prew/card/a/canary.jpg"]
    assert missing == ["https://images.example.com/prew/card/a/none-canary.jpg"]
    assert health == ["https://images.example.com/nginx-health"]


def test_compose_watches_the_services_of_production_in_one_image() -> None:
    base = PRODUCTION["prewmanager"]["build"]["args"]["PYTHON_IMAGE"]
    others = {name: each for name, each in WATCH.items() if name != "nginx"}

    assert set(WATCH) & set(PRODUCTION) == {"nginx"}
    assert {each["build"]["args"]["PYTHON_IMAGE"] for each in others.values()} == {base}
    copied = re.findall(r"observability/(\S+)", (ROOT / "containers" / "watch.Dockerfile").read_text())
    read = re.findall(r"/etc/prewmanager/([\w.]+)", str(WATCH) + (FOLDER / "compose.yml").read_text())
    assert sorted(set(copied)) == sorted(set(read))
    assert all((FOLDER / name).is_file() for name in copied)


def test_mtail_reads_what_nginx_copies_in_compose_and_kubernetes_alike() -> None:
    nginx, sidecar = _resources("mtail.yaml")[0]["spec"]["template"]["spec"]["containers"]
    (copy,) = (each["value"] for each in nginx["env"] if each["name"] == "PREW_NGINX_LOG_COPY")

    assert WATCH["nginx"]["environment"]["PREW_NGINX_LOG_COPY"] == copy
    assert [*sidecar["command"], *sidecar["args"]] == WATCH["mtail"]["command"]
    assert f"--logs={copy}" in sidecar["args"]


def test_the_operators_resources_have_the_jobs_and_modules_that_the_alerts_know() -> None:
    monitors = _resources("monitors.yaml")
    probes = [each["spec"] for each in monitors if each["kind"] == "Probe"]
    scraped = [each["spec"]["podMetricsEndpoints"][0] for each in monitors if each["kind"] == "PodMonitor"]

    assert [each["relabelings"][0]["replacement"] for each in scraped] == JOBS[:2]
    assert [each["module"] for each in probes] == CANARIES
    assert [each["targets"]["staticConfig"]["labels"]["module"] for each in probes] == CANARIES
    assert {each["jobName"] for each in probes} == {JOBS[2]}


def test_the_operators_alerts_are_the_rules() -> None:
    """`python -m observability.kubernetes --write` writes them."""
    assert kubernetes.FILE.read_text(encoding="utf-8") == kubernetes.resource()
    (rules,) = _resources("rules.yaml")
    assert rules["spec"] == yaml.safe_load((FOLDER / "rules.yml").read_text())


def test_the_pages_command_for_one_server_aims_at_this_machine(tmp_path: Path) -> None:
    page = ROOT / "docs" / "how-to" / "one-server.md"
    (watch,) = (block.commands for block in blocks(page) if "prometheus.yml" in block.commands)
    (command,) = re.findall(r"^sed (?:.*\\\n)*.*$", watch, re.MULTILINE)
    command = command.replace("/opt/prewmanager", str(ROOT)).replace("/etc/prometheus", str(tmp_path))
    subprocess.run(["sh", "-euc", command], check=True)
    jobs = _checked(tmp_path / "prometheus.yml")

    assert [jobs[name][0]["targets"] for name in JOBS[:2]] == [["127.0.0.1:8180"], ["127.0.0.1:3903"]]
    assert [each["targets"][0].partition("/prew")[0] for each in jobs[JOBS[2]][:2]] == ["http://127.0.0.1"] * 2
    assert "blackbox:9115" not in (tmp_path / "prometheus.yml").read_text()


@pytest.mark.parametrize("name", ["prometheus.yml", "compose.yml"])
def test_promtool_accepts_the_configurations(name: str) -> None:
    assert _checked(FOLDER / name)
