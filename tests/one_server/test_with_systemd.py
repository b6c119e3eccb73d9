"""docs/how-to/one-server.md, unchanged, on a separate machine with a real systemd: `make test-one-server`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import blocks
from tests.one_server.machine import Machine, running_machine, why_not

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "one-server.md"
UNITS = ("s3", "redis", "decoder", "web", "nginx")
PROBE = Path(__file__).with_name("probe.py")
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module", name="machine")
def _machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine installed by all of the page's own commands, with one photo."""
    if not os.environ.get("PREW_TEST_ONE_SERVER"):
        pytest.skip("takes minutes and the network: `make test-one-server`")
    if reason := why_not():
        pytest.skip(reason)
    photos = tmp_path_factory.mktemp("photos")
    (photos / "a b.jpg").write_bytes((ROOT / "nginx" / "static" / "404.jpg").read_bytes())
    commands = [block.commands for block in blocks(PAGE)]
    first = next(number for number, each in enumerate(commands) if "systemctl" in each)
    # The user may exist already, and git checks who owns a repository.
    before = "export REPOSITORY=/mnt/repository\ngit config --global safe.directory '*'\n" + "\n".join(commands[:first])
    with running_machine(tmp_path_factory.mktemp("machine"), ROOT, photos, before) as machine:
        for each in commands[first:]:
            machine.run(each)
        yield machine


def test_the_installed_site_serves(machine: Machine) -> None:
    answers = [
        machine.run(f"curl -s -o /dev/null -w '%{{http_code}} %header{{x-preview}}' http://127.0.0.1/{path}")
        for path in ("photo/a%20b.jpg", "prew/card/a%20b.jpg", "prew/card/a%20b.jpg", "prew/card/none.jpg")
    ]

    assert [each.strip() for each in answers] == ["200", "200 made", "200", "404"]


def test_each_unit_runs_sandboxed_as_its_own_user(machine: Machine) -> None:
    users = set()
    for unit in UNITS:
        pid = machine.run(f"systemctl show --value --property MainPID prewmanager-{unit}.service").strip()
        status = machine.run(f"cat /proc/{pid}/status")
        fields = dict(re.findall(r"^(\w+):\s+(\S+)", status, re.MULTILINE))

        users.add(fields["Uid"])
        assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
        assert int(fields["CapEff"], 16) == (1 << 10 if unit == "nginx" else 0)
        machine.run(f"! nsenter -t {pid} --mount --root touch /usr/x")

    assert len(users - {"0"}) == len(UNITS)


@pytest.mark.fault("decoder-taken-over")
def test_the_parts_ports_are_open_to_those_who_need_them(machine: Machine) -> None:
    """Connects as a unit's user: what a decoder of the service could reach, and any other program of the machine."""
    ports = {"S3": 8333, "service": 8180, "filer": 8888, "master": 9333, "volume": 9340, "filer's gRPC": 18888}

    def reached(user: str) -> set[str]:
        connect = "exec 3<>/dev/tcp/127.0.0.1/{port}"
        return {
            name
            for name, port in ports.items()
            if "open" in machine.run(f"runuser -u {user} -- bash -c '{connect.format(port=port)}' && echo open || true")
        }

    assert reached("prewmanager-web") == {"S3"}
    assert reached("prewmanager-nginx") == {"S3", "service"}
    assert reached("nobody") == reached("prewmanager-redis") == set()
    assert reached("prewmanager-s3") == set(ports) - {"service"}


@pytest.fixture(name="decoder")
def _decoder(machine: Machine) -> str:
    """The id of the decoder's first process, the parent of those that decode."""
    return machine.run("systemctl show --value --property MainPID prewmanager-decoder.service").strip()


@pytest.mark.fault("decoder-taken-over")
def test_a_decoder_reaches_nothing_of_the_other_parts(machine: Machine) -> None:
    """Code of an attacker's, in the sandbox of the decoder's unit; and beside it as the service, to see that it can."""
    machine.run(f"cat > /srv/probe.py <<'END'\n{PROBE.read_text()}\nEND")
    command = "/usr/bin/env -i /opt/prewmanager/.venv/bin/python -I /srv/probe.py"
    drop_in = "/run/systemd/system/prewmanager-decoder.service.d/90-probe.conf"
    machine.run(f"mkdir -p $(dirname {drop_in}); printf '[Service]\\nExecStartPre={command}\\n' > {drop_in}")
    machine.run("systemctl daemon-reload; systemctl restart prewmanager-decoder.service")
    machine.run(f"rm {drop_in}; systemctl daemon-reload; journalctl --sync")
    journal = machine.run("journalctl --unit=prewmanager-decoder.service --output=cat")
    reached = json.loads(next(line for line in journal.splitlines() if line.startswith('{"S3"')))
    of_service = json.loads(machine.run(f"runuser -u prewmanager-web -- {command}"))

    assert reached == {"S3": [], "Redis": [], "sockets": [], "settings": [], "environments": []}
    assert (of_service["S3"], of_service["Redis"]) == (["connected"], ["connected"])
    assert "/run/prewmanager-decoder.sock" in of_service["sockets"]
    assert of_service["environments"]


@pytest.mark.fault("decoder-taken-over")
def test_the_decoder_has_no_key_and_the_service_no_decoder(machine: Machine, decoder: str) -> None:
    machine.run("curl -fs -o /dev/null http://127.0.0.1/prew/thumb/a%20b.jpg")
    processes = machine.run("pgrep -u prewmanager-decoder").split()
    environments = machine.run(f"cat {' '.join(f'/proc/{each}/environ' for each in processes)} | tr '\\0' '\\n'")
    loaded = {
        user: machine.run(f"pgrep -u {user} | xargs -I{{}} grep -l libvips /proc/{{}}/maps || true").split()
        for user in ("prewmanager-decoder", "prewmanager-web")
    }

    network = {machine.run(f"readlink /proc/{pid}/ns/net") for pid in ("1", decoder)}

    assert len(network) == 2
    assert decoder in processes
    assert len(processes) == 3  # one keeps two
    assert {line.partition("=")[0] for line in environments.split()} == {"MALLOC_ARENA_MAX"}
    assert len(loaded["prewmanager-decoder"]) == 3
    assert loaded["prewmanager-web"] == []


@pytest.fixture(name="slow_preset")
def _slow_preset(machine: Machine) -> Iterator[str]:
    """A preset whose encoder takes longer than the time limit, in one step that nothing interrupts."""
    photo = "/srv/photos/slow.jpg"
    machine.run(f"cp '/srv/photos/a b.jpg' {photo}; cp {photo} /srv/photos/killed.jpg; cp {photo} /srv/photos/next.jpg")
    copy = "/opt/prewmanager/.venv/bin/weed filer.copy"
    machine.run(f"{copy} /srv/photos/*.jpg http://127.0.0.1:8888/buckets/photos/photo/")
    fields = {"WIDTH": "4000", "HEIGHT": "4000", "ENLARGE": "true", "FORMAT": "avif", "AVIF_EFFORT": "9"}
    lines = [f"PREW_PRESETS__SLOW__{name}={value}" for name, value in fields.items()]
    machine.run("cp /etc/prewmanager/site.env /srv/site.env")
    machine.run(f"printf '%s\\n' {' '.join(lines)} >> /etc/prewmanager/site.env")
    machine.run("systemctl restart prewmanager-web.service")
    machine.run("until curl -fs -o /dev/null http://127.0.0.1/prew/thumb/next.jpg; do sleep 0.2; done")
    yield "slow"
    machine.run("cp /srv/site.env /etc/prewmanager/site.env; systemctl restart prewmanager-web.service")


@pytest.mark.fault("decoder-dies")
def test_a_decoder_that_is_ended_is_replaced(machine: Machine, decoder: str, slow_preset: str) -> None:
    """By the kernel at the time limit, and by a signal as of a crash, which is tried once more."""
    ask = f"curl -s -o /dev/null -w '%{{http_code}}' http://127.0.0.1/prew/{slow_preset}"
    slow = machine.run(f"{ask}/slow.jpg")
    killed = machine.run(
        f"{ask}/killed.jpg > /srv/status & asked=$!\n"
        f"while kill -0 $asked 2>/dev/null; do sleep 0.5; pkill -KILL -P {decoder} || true; done; cat /srv/status"
    )
    replaced = machine.run("journalctl --sync; journalctl --unit=prewmanager-decoder.service --output=cat")
    honest = machine.run("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1/prew/card/next.jpg")

    assert (slow, killed, honest) == ("504", "422", "200")
    assert '"status": -14' in replaced  # SIGALRM
    assert '"status": -9' in replaced


@pytest.mark.fault("decoder-taken-over")
@pytest.mark.parametrize(
    ("call", "allowed"), [("list_objects_v2(Bucket='photos')", True), ("create_bucket(Bucket='other')", False)]
)
def test_the_services_key_is_for_its_bucket_alone(machine: Machine, call: str, *, allowed: bool) -> None:
    script = f"""import aioboto3, asyncio
async def main():
    async with aioboto3.Session().client('s3') as s3:
        await s3.{call}
asyncio.run(main())"""
    with_key = "set -a; . /etc/prewmanager/site.env; . /etc/prewmanager/secrets.env"
    output = machine.run(f'({with_key}; /opt/prewmanager/.venv/bin/python -c "{script}") 2>&1 || true')

    assert ("AccessDenied" not in output) == allowed
    assert "Traceback" not in output or not allowed


@pytest.mark.fault("unit-killed")
def test_systemd_restarts_each_unit_that_is_killed(machine: Machine) -> None:
    for unit in UNITS:
        machine.run(f"systemctl kill --kill-whom=main --signal=KILL prewmanager-{unit}.service")
    machine.run("until curl -fs http://127.0.0.1:8333/healthz; do sleep 0.2; done")
    machine.run("until prewmanager-admin doctor --url http://127.0.0.1; do sleep 1; done")
