"""Dashboard and alerts use existing metrics, and load in the real programs."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from devstack.programs import find
from prewmanager.errors import UnknownPreset, failure_classes
from prewmanager.flights.result import FlightResult
from prewmanager.polishing.fates import Fate
from prewmanager.previews.outcome import Failure, Source
from prewmanager.resizing.render import InvocationCost
from prewmanager.telemetry.metrics import Metrics
from prewmanager.web.problems import server_failures
from tests.observability.promql import COUNTED_BY_OTHERS, FOLDER, alerts, matched, metrics, panels
from tests.support.fakes import made, preview

ASKED = [*panels(), *alerts()]


@pytest.fixture(name="metrics_text", scope="module")
def _metrics_text() -> str:
    """A process's /metrics after one flight."""
    return asyncio.run(_after_a_flight())


async def _after_a_flight() -> str:
    all_metrics = Metrics()
    all_metrics.load_is(running=1, queued=0)
    all_metrics.redis_is(up=True)
    all_metrics.redis_has_evicted(0)
    all_metrics.polish.expect()
    all_metrics.purges.expect(["nginx:nginx:8081"])
    all_metrics.expect({"card": preview().preset.fingerprint}, server_failures())
    known = FlightResult(Failure("corrupt", ""), Source.CACHED)
    all_metrics.completed(preview(), known, waiters=1, seconds=0.1)
    result = FlightResult(made(), Source.MADE, (("lambda", 100.0),))
    all_metrics.completed(preview(), result, waiters=1, seconds=0.1)
    all_metrics.costs.invoked("card", InvocationCost(cold_start=True, gb_seconds=0.1))
    return all_metrics.text()


@pytest.fixture(name="promtool")
def _promtool() -> str:
    return find("promtool")


def run(*argv: str, text: str = "") -> str:
    """Return a program's output; on failure the output is the message."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, input=text, cwd=FOLDER)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(("title", "expr"), ASKED, ids=[title for title, _ in ASKED])
def test_every_metric_exists(metrics_text: str, title: str, expr: str) -> None:
    known = set(re.findall(r"^([a-z_]+)(?:\{| )", metrics_text, re.MULTILINE)) | set(
        re.findall(r"^# TYPE (prewmanager_requests_total) ", metrics_text, re.MULTILINE)
    )
    sources = {source.value for source in Source}

    assert metrics(expr), title
    assert metrics(expr) <= known | COUNTED_BY_OTHERS
    fates = {fate.value for fate in Fate} if "prewmanager_polish_total" in metrics(expr) else set()
    assert matched(expr, "outcome") <= sources | failure_classes().keys() | fates
    assert matched(expr, "source") <= sources | {UnknownPreset.__name__, "service"}


def test_every_metric_of_ours_is_shown(metrics_text: str) -> None:
    ours = set(re.findall(r"^# TYPE (prewmanager_\w+) ", metrics_text, re.MULTILINE))
    shown = {re.sub(r"_bucket$", "", name) for _, expr in ASKED for name in metrics(expr)}

    assert ours - shown == set()


def test_promtool_finds_nothing_wrong_with_the_metrics(promtool: str, metrics_text: str) -> None:
    assert run(promtool, "check", "metrics", text=metrics_text) == ""


def test_nginx_is_watched_by_what_its_lines_say(tmp_path: Path) -> None:
    """Real lines of nginx are counted by tests/e2e/test_incidents.py; these are rare or hostile ones."""
    lines = [
        ("/prew/card/a.jpg", 200, "", "200"),
        ("/prew/card/b.jpg", 200, "MISS", "404 : 200"),
        ('/prew/card/c\\".jpg', 502, "", "404 : 502, 502"),
        ("/photo/a.jpg", 429, "", ""),
        ("/photo/a.jpg", 200, "HIT", ""),
        ("/photo/b.jpg", 502, "", "504"),
        ("/", 404, "", ""),
    ]
    hostile = '"user_agent":"\\"upstream_status\\":\\"999"}'
    log = tmp_path / "access.json"
    log.write_text(
        "".join(
            f'{{"uri":"{uri}","status":{status},"bytes":1,"cache":"{cache}","upstream_status":"{upstream}",{hostile}\n'
            for uri, status, cache, upstream in lines
        )
    )
    program = f"--progs={FOLDER / 'nginx.mtail'}"
    found = json.loads(
        run(find("mtail"), "--one_shot", "--one_shot_format=json", program, f"--logs={log}", f"--log_dir={tmp_path}")
    )
    requests, s3 = (_counts(found, name) for name in ("requests", "s3_answers"))

    assert requests == {
        ("preview", "s3", "200"): 1,
        ("preview", "service", "200"): 1,
        ("preview", "service", "502"): 1,
        ("photo", "nginx", "429"): 1,
        ("photo", "cache", "200"): 1,
        ("photo", "s3", "502"): 1,
        ("other", "nginx", "404"): 1,
    }
    assert s3 == {("200",): 1, ("404",): 2, ("504",): 1}


def _counts(found: Any, name: str) -> dict[tuple[str, ...], int]:
    (metric,) = found[f"prewmanager_nginx_{name}_total"]
    return {tuple(each["Labels"]): each["Value"]["Value"] for each in metric["LabelValues"]}


def test_the_rules_load_in_prometheus(promtool: str) -> None:
    run(promtool, "check", "config", "prometheus.yml")


def test_alerts_fire_when_they_should(promtool: str) -> None:
    files = sorted(path.name for path in FOLDER.glob("*_test.yml"))
    tests = [test for file in files for test in yaml.safe_load((FOLDER / file).read_text())["tests"]]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    run(promtool, "test", "rules", *files)

    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == {name for name, _ in alerts()}


def test_prometheus_understands_every_panel(promtool: str, tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": expr} for number, (_, expr) in zip(itertools.count(), panels())]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))

    assert f"{len(rules)} rules found" in run(promtool, "check", "rules", str(file))


def test_the_dashboard_is_what_the_code_builds() -> None:
    pytest.importorskip("grafana_foundation_sdk", reason="make test-observability installs Grafana's SDK")
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    from observability.dashboard import FILE, dashboard

    register_default_plugins()
    written: Any = json.loads(FILE.read_text())
    read = json.loads(json.dumps(Dashboard.from_json(written), cls=JSONEncoder))

    assert dashboard() == FILE.read_text()
    assert read == written


def test_the_table_of_incidents_names_alerts_and_panels_that_exist() -> None:
    page = (FOLDER.parent / "docs" / "how-to" / "incidents.md").read_text()
    durations = {
        rule["alert"]: rule.get("for", "0s")
        for group in yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"]
        for rule in group["rules"]
    }
    named = re.findall(r"`(Prewmanager\w+)` \((at once|\d+ min)\)", page)
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| ") and "`Prewmanager" in line]
    shown = {title for row in rows for title in re.findall(r"(?<!\*)\*([^*]+)\*", row[3])}

    assert {(name, durations[name]) for name, _ in named} == {
        (name, "0s" if text == "at once" else f"{text.split()[0]}m") for name, text in named
    }
    assert shown <= {title for title, _ in panels()}
    assert len(rows) == 13
