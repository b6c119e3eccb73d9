"""What ends a start: one line that names what to correct, and repeats no value; never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.fork_server import ForkServer

GOOD = {
    "PREW_SOURCE_BUCKET": "photos",
    "PREW_PRESETS__CARD__WIDTH": "720",
    "PREW_HOST": "127.0.0.1",
    "PREW_LAMBDA_FUNCTION": "prew-resize",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ACCESS_KEY_ID": "hunter2",
    "AWS_SECRET_ACCESS_KEY": "hunter2",
}
NOT_STARTED = 2
COLLECTOR = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.mark.fault("start-refused")
@pytest.mark.parametrize(
    "wrong",
    [
        {"PREW_HOST": "redis://:hunter2@host"},
        {"PREW_HOST": "nowhere.invalid"},
        {"PREW_REDIS_URL": "redis://host#hunter2"},
        {"PREW_REDIS_URL": "redis+sentinel://:hunter2@host"},
        {"PREW_REDIS_URL": "redis+cluster://:hunter2@,host"},
        {"AWS_REGION": "hunter2/"},
        {"AWS_PROFILE": "hunter2"},
        {"AWS_MAX_ATTEMPTS": "hunter2"},
        {"AWS_RETRY_MODE": "hunter2"},
        {"AWS_DEFAULTS_MODE": "hunter2"},
        {"AWS_CA_BUNDLE": "/hunter2"},
        {"AWS_SECRET_ACCESS_KEY": ""},
        {"AWS_SESSION_TOKEN": "hunter2\n"},
        {"http_proxy": "http://user:hunter2@[host"},
        {"http_proxy": "socks5://user:hunter2@host"},
        COLLECTOR | {"OTEL_BSP_MAX_QUEUE_SIZE": "-1"},
        COLLECTOR | {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "hunter2"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://user:hunter2@collector"},
    ],
    ids=",".join,
)
def test_a_start_ends_with_one_line(command_line: ForkServer, wrong: dict[str, str]) -> None:
    done = command_line.run(["serve"], GOOD | wrong)

    assert done.returncode == NOT_STARTED
    assert done.stderr.splitlines()[-1].startswith("prewmanager: ")
    assert done.stderr.count("prewmanager: ") == 1
    assert "hunter2" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.fault("start-refused")
@pytest.mark.parametrize(
    "wrong",
    [
        {
            "PREW_PORT": "hunter2",
            "PREW_REDIS_URL": "redis+cluster://:hunter2@,host",
            "PREW_LAMBDA_FUNCTION": "hunter2 hunter2",
        },
        {"AWS_ENDPOINT_URL_S3": "http://user:hunter2@host"},
    ],
    ids=",".join,
)
@pytest.mark.parametrize("command", ["doctor", "presets --json", "stats", "warm card", "stale", "purge card"])
def test_every_command_names_all_wrong_variables_and_repeats_none(
    command_line: ForkServer, command: str, wrong: dict[str, str]
) -> None:
    done = command_line.run(command.split(), GOOD | wrong)
    output = done.stdout + done.stderr

    assert done.returncode in {1, NOT_STARTED}
    assert {name for name in wrong if name in output} == set(wrong)
    assert "hunter2" not in output
    assert "Traceback" not in output


@pytest.mark.fault("start-refused")
def test_several_workers_end_with_one_line(command_line: ForkServer) -> None:
    done = command_line.run(["serve", "--workers", "2"], GOOD | {"AWS_RETRY_MODE": "hunter2"})

    assert done.returncode == NOT_STARTED
    assert done.stderr.count("prewmanager: ") == 1
    assert "hunter2" not in done.stderr


@pytest.mark.fault("start-refused")
def test_doctor_finds_what_the_sdk_refuses(command_line: ForkServer) -> None:
    done = command_line.run(["doctor", "--json"], GOOD | {"AWS_PROFILE": "hunter2"})
    failed = [each for each in json.loads(done.stdout) if each["state"] == "failed"]

    assert done.returncode == 1
    assert [each["check"] for each in failed] == ["settings"]
    assert failed[0]["detail"].startswith("AWS_PROFILE")
    assert "hunter2" not in done.stdout + done.stderr


@pytest.mark.fault("start-refused")
@pytest.mark.parametrize("command", ["stats", "stale", "warm", "purge"])
def test_commands_end_with_one_line(command_line: ForkServer, command: str, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_bytes(b"[hunter2\n\xff")
    done = command_line.run([command], GOOD | {"AWS_CONFIG_FILE": str(config)})

    assert done.returncode == NOT_STARTED
    assert done.stderr.startswith("prewmanager: ")
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr


def test_what_this_version_does_not_know_is_a_line_of_the_log_and_of_each_command(command_line: ForkServer) -> None:
    """Only with PREW_STRICT=false, and without the value."""
    lenient = GOOD | {"PREW_STRICT": "false", "PREW_BANDWIDTH": "hunter2"}
    refused = command_line.run(["serve"], lenient | {"PREW_HOST": "nowhere.invalid"})
    shown = command_line.run(["presets"], lenient)
    logged = json.loads(refused.stderr.splitlines()[0])

    line = "PREW_BANDWIDTH: unknown setting; ignored"
    assert (logged["event"], logged["level"], logged["detail"]) == ("settings.unknown", "warning", line)
    assert (shown.returncode, shown.stderr) == (0, f"prewmanager: {line}\n")
