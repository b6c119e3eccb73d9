"""A real Prometheus, and beside it mtail and the blackbox exporter, for a site of a test; its rules in a hurry."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from devstack.programs import LOOPBACK, Program, answers, find, free_ports
from tests.observability.promql import FOLDER
from tests.support.site import Site

# What a rule's duration becomes where a test cannot wait: minutes are seconds.
_HASTE = {"m": "s", "h": "m", "d": "h"}
_ENVIRONMENT = {"PATH": os.environ["PATH"]}


def hurried(expr: str) -> str:
    """Return an expression or duration in which a minute lasts a second; its thresholds stay."""
    expr = re.sub(r"\b(\d+)([mhd])\b", lambda found: found[1] + _HASTE[found[2]], expr)
    return re.sub(
        r"(process_start_time_seconds\{[^}]*\} < )(\d+)", lambda found: f"{found[1]}{int(found[2]) // 60}", expr
    )


class Prometheus:
    """A server that scrapes a site's replicas every second, with our alerts."""

    def __init__(self, folder: Path, targets: dict[str, list[str]], *, in_a_hurry: bool = False) -> None:
        """`targets` by job; `prewmanager-canary` are addresses that the exporter at its first target asks for."""
        (port,) = free_ports(1)
        rules = yaml.safe_load((FOLDER / "rules.yml").read_text())
        for rule in (each for group in rules["groups"] for each in group["rules"] if in_a_hurry):
            rule |= {name: hurried(rule[name]) for name in ("expr", "for") if name in rule}
        (folder / "rules.yml").write_text(yaml.safe_dump(rules))
        configuration = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
        configuration["rule_files"] = [str(folder / "rules.yml")]
        configuration["global"] = {"evaluation_interval": "1s"}
        jobs = [each for each in configuration["scrape_configs"] if each["job_name"] in targets]
        for job in jobs:
            job |= {"scrape_interval": "1s", "scrape_timeout": "1s"}
            _aim(job, targets[job["job_name"]])
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration | {"scrape_configs": jobs}))
        argv = [
            find("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={LOOPBACK}:{port}",
        ]
        self._address = f"{LOOPBACK}:{port}"
        self.program = Program("prometheus", argv, folder / "prometheus.log", _ENVIRONMENT)

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError), urlopen(f"http://{self._address}/-/ready", timeout=1) as response:
            return bool(response.status == 200)
        return False

    def asked(self, path: str, **parameters: str) -> Any:
        with urlopen(f"http://{self._address}/api/v1/{path}?{urlencode(parameters)}", timeout=5) as response:
            return json.load(response)["data"]

    def shows(self, expr: str) -> bool:
        """Whether an expression has a series with a number."""
        values = [float(each["value"][1]) for each in self.asked("query", query=expr)["result"]]
        return any(math.isfinite(value) for value in values)

    def rules(self) -> list[dict[str, Any]]:
        """All rules with their states."""
        return [rule for group in self.asked("rules")["groups"] for rule in group["rules"]]

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        return {rule["name"] for rule in self.rules() if rule["state"] == "firing"}


def _aim(job: dict[str, Any], targets: list[str]) -> None:
    """Replace the targets of a job; those of the canaries keep their modules, in the same order."""
    if job["job_name"] != "prewmanager-canary":
        job["static_configs"] = [{"targets": targets}]
        return
    exporter, *addresses = targets
    for static, address in zip(job["static_configs"], addresses, strict=True):
        static["targets"] = [address]
    job["relabel_configs"][-1]["replacement"] = exporter


def mtail(folder: Path, log: Path) -> tuple[Program, str]:
    """Start mtail on nginx's log, and return it with its address."""
    (port,) = free_ports(1)
    argv = [find("mtail"), f"--progs={FOLDER / 'nginx.mtail'}", f"--logs={log}", "--emit_prog_label=false"]
    argv += [f"--address={LOOPBACK}", f"--port={port}", "--logtostderr"]
    program = Program("mtail", argv, folder / "mtail.log", _ENVIRONMENT)
    program.wait_ready(lambda: answers(port))
    return program, f"{LOOPBACK}:{port}"


def blackbox(folder: Path) -> tuple[Program, str]:
    """Start the blackbox exporter, and return it with its address."""
    (port,) = free_ports(1)
    argv = [find("prometheus-blackbox-exporter"), f"--config.file={FOLDER / 'blackbox.yml'}"]
    argv += [f"--web.listen-address={LOOPBACK}:{port}"]
    program = Program("blackbox", argv, folder / "blackbox.log", _ENVIRONMENT)
    program.wait_ready(lambda: answers(port))
    return program, f"{LOOPBACK}:{port}"


@contextlib.contextmanager
def watching(
    folder: Path, site: Site, *, in_a_hurry: bool = True, replicas: list[int] | None = None
) -> Iterator[Prometheus]:
    """Watch a site, its nginx and what clients see while the block runs; canaries ask for the photo `canary.jpg`."""
    with contextlib.ExitStack() as exits:
        counting, counts = mtail(folder, site.nginx.access_log)
        exits.callback(counting.stop)
        probing, probes = blackbox(folder)
        exits.callback(probing.stop)
        url = site.nginx.url
        targets = {
            "prewmanager": [f"{LOOPBACK}:{port}" for port in replicas or site.ports],
            "prewmanager-nginx": [counts],
            "prewmanager-canary": [
                probes,
                f"{url}/prew/card/canary.jpg",
                f"{url}/prew/card/canary/none.jpg",
                f"{url}/nginx-health",
            ],
        }
        prometheus = Prometheus(folder, targets, in_a_hurry=in_a_hurry)
        exits.callback(prometheus.program.stop)
        prometheus.program.wait_ready(prometheus.is_ready)
        yield prometheus
