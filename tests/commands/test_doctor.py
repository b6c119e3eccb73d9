"""`prewmanager doctor`: a healthy site, and one fault after another, each in a real program."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from redis import Redis as BlockingRedis

import devstack.backends
from devstack.backends import S3, Redis, S3Keys, s3_client, start_redis, start_s3
from devstack.lambda_server import start_lambda
from devstack.nginx_server import Nginx, start_nginx
from devstack.programs import LOOPBACK, Program, free_ports
from prewmanager.adapters.aws import s3_inventory
from prewmanager.adapters.aws.s3_permissions import S3Permissions
from prewmanager.commands.checks import State, request_path
from prewmanager.commands.checks.bucket import check_photos
from prewmanager.previews.layout import Layout
from prewmanager_presets import Preset
from tests.commands.conftest import Shop, environment_of
from tests.commands.fork_server import ForkServer
from tests.support.fakes import until_reported
from tests.support.gated_lambda import GatedLambda, failed, function_error
from tests.support.private_listing import private_listing
from tests.support.site import ROOT, nginx_variables

Findings = dict[str, dict[str, str]]


@pytest.fixture(autouse=True, name="port")
def _port(shop: Shop) -> int:
    """A free port for the service of each test."""
    port = free_ports(1)[0]
    shop.environment |= {"PREW_HOST": LOOPBACK, "PREW_PORT": str(port)}
    return port


async def _examine(shop: Shop, *arguments: str, exit_code: int = 1, **changed: str) -> Findings:
    findings = await shop.run_beside("doctor", *arguments, exit_code=exit_code, **changed)
    return {each["check"]: each for each in findings}


@contextlib.contextmanager
def _running(program: Program) -> Iterator[None]:
    try:
        yield
    finally:
        program.stop()


def _failed(findings: Findings) -> set[str]:
    return {name for name, each in findings.items() if each["state"] == "failed"}


async def test_a_healthy_site_has_nothing_wrong(shop: Shop, function: GatedLambda) -> None:
    shop.put("photo/a b.jpg", "prew/card/a b.jpg")
    before = shop.keys()
    findings = await _examine(shop, exit_code=0)

    assert _failed(findings) == set()
    assert findings["function: makes a preview"]["state"] == "ok"
    assert list(function.invocations.values()) == [1, 1]
    assert shop.keys() == before


async def test_invalid_settings_are_findings(shop: Shop) -> None:
    findings = await _examine(shop, PREW_LOCK_TTL="10")

    assert _failed(findings) == {"settings"}
    assert "PREW_LOCK_TTL=10" in findings["settings"]["detail"]


@pytest.mark.fault("settings-invalid")
async def test_an_empty_endpoint_is_an_unset_one_for_every_client(guarded: Shop) -> None:
    """For the SDK, for obstore, and in the worker processes that render."""
    changed = {"AWS_ENDPOINT_URL_S3": "", "AWS_ENDPOINT_URL": f"{guarded.s3.endpoint}/"}
    findings = await _examine(guarded, exit_code=0, **changed)

    assert findings["function: makes a preview"]["state"] == "ok"


async def test_a_wrong_bucket_is_reported_with_its_variable(shop: Shop, function: GatedLambda) -> None:
    findings = await _examine(shop, PREW_SOURCE_BUCKET="no-such-bucket", PREW_PREVIEW_BUCKET=shop.bucket)

    assert "PREW_SOURCE_BUCKET" in findings["photos: list"]["fix"]
    assert "NoSuchBucket" in findings["photos: list"]["detail"]
    assert function.calls == 1


@pytest.mark.usefixtures("function")
async def test_a_redis_that_is_down_is_reported_with_its_host_but_not_its_password(shop: Shop) -> None:
    findings = await _examine(shop, PREW_REDIS_URL="redis://:secret@127.0.0.1:1/0")

    assert _failed(findings) == {"redis"}
    assert "127.0.0.1:1" in findings["redis"]["detail"]
    assert "secret" not in str(findings)


@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.fault("s3-private-listing")
async def test_doctor_says_whether_s3_separates_missing_photos_from_denied_ones(
    shop: Shop, function: GatedLambda, *, lists: bool
) -> None:
    shop.put("photo/a.jpg")
    function.script.extend([failed("unsupported")] if lists else [])
    function.script.append(failed("missing", denied=not lists))
    with private_listing(shop.s3, lists=lists) as proxy:
        findings = await asyncio.to_thread(shop.run, "doctor", "--json", AWS_ENDPOINT_URL_S3=proxy.s3.endpoint)
    states = {each["check"]: each["state"] for each in json.loads(findings.stdout)}

    assert findings.returncode == 0
    assert states["function: missing photos"] == states["previews: list"] == ("ok" if lists else "skipped")


@pytest.mark.usefixtures("function")
@pytest.mark.fault("redis-full")
async def test_a_redis_without_memory_fails_the_checks_of_memory_and_writes(shop: Shop, tmp_path: Path) -> None:
    redis = start_redis(tmp_path, options=["--maxmemory", "1000", "--maxmemory-policy", "noeviction"])
    with _running(redis.program):
        findings = await _examine(shop, PREW_REDIS_URL=redis.url)

    assert _failed(findings) == {"redis memory", "redis writes"}
    assert "maxmemory" in findings["redis writes"]["fix"]


@pytest.mark.usefixtures("function")
@pytest.mark.fault("redis-read-only")
async def test_a_redis_replica_that_accepts_no_writes_is_reported(
    shop: Shop, redis_server: Redis, tmp_path: Path
) -> None:
    replica = start_redis(tmp_path, options=["--replicaof", LOOPBACK, str(redis_server.port)])
    with _running(replica.program):
        findings = await _examine(shop, PREW_REDIS_URL=replica.url)

    assert "to the primary" in findings["redis writes"]["fix"]


async def test_a_wrong_function_is_reported_with_its_variable_and_not_invoked(shop: Shop, tmp_path: Path) -> None:
    service = start_lambda(tmp_path, {"other": "lambda_resize.handler.handler"}, f"--task-root={ROOT}")
    with _running(service.program):
        findings = await _examine(shop, AWS_ENDPOINT_URL_LAMBDA=service.url, PREW_LAMBDA_FUNCTION="prew-resize")

    assert _failed(findings) == {"function: invoke"}
    assert "PREW_LAMBDA_FUNCTION" in findings["function: invoke"]["fix"]


async def test_a_lambda_that_is_not_there(shop: Shop) -> None:
    findings = await _examine(shop, AWS_ENDPOINT_URL_LAMBDA="http://127.0.0.1:1", PREW_LAMBDA_FUNCTION="prew-resize")

    assert "AWS_ENDPOINT_URL_LAMBDA" in findings["function: invoke"]["fix"]


async def test_a_function_that_is_too_slow(shop: Shop, tmp_path: Path) -> None:
    shop.put("photo/a.jpg")
    root = ROOT / "tests" / "adapters" / "functions"
    options = ("--timeout=1", f"--task-root={root}")
    service = start_lambda(tmp_path, {"sleeps": "resize_functions.sleeps"}, *options)
    with _running(service.program):
        findings = await _examine(shop, AWS_ENDPOINT_URL_LAMBDA=service.url, PREW_LAMBDA_FUNCTION="sleeps")

    assert _failed(findings) == {"function: makes a preview"}
    assert "raise the function's memory" in findings["function: makes a preview"]["fix"]


@pytest.mark.parametrize("user", ["reader", "stranger"])
async def test_a_function_that_may_not_read_or_write_is_reported(guarded: Shop, user: str, tmp_path: Path) -> None:
    environment = guarded.environment | {"AWS_ACCESS_KEY_ID": user, "AWS_SECRET_ACCESS_KEY": user}
    handlers = {"prew-resize": "lambda_resize.handler.handler"}
    service = start_lambda(tmp_path, handlers, f"--task-root={ROOT}", env=environment)
    with _running(service.program):
        findings = await _examine(guarded, AWS_ENDPOINT_URL_LAMBDA=service.url, PREW_LAMBDA_FUNCTION="prew-resize")

    assert _failed(findings) == {"function: makes a preview"}
    assert "the function's own role" in findings["function: makes a preview"]["fix"]


async def test_a_function_that_raises(shop: Shop, function: GatedLambda) -> None:
    shop.put("photo/a.jpg")
    function.script.append(function_error())
    findings = await _examine(shop)

    assert "see the function's log" in findings["function: makes a preview"]["fix"]


async def test_a_photo_that_is_no_picture_is_no_fault_of_the_function(shop: Shop, function: GatedLambda) -> None:
    """The function answers; whether it may write remains unknown."""
    shop.put("photo/a.jpg")
    function.script.append(failed("unsupported"))
    findings = await _examine(shop, exit_code=0)

    assert findings["function: makes a preview"]["state"] == "skipped"


async def test_without_a_photo_the_function_is_invoked_for_a_missing_one(shop: Shop, function: GatedLambda) -> None:
    """So that it has to read S3."""
    function.script.append(failed("missing"))
    findings = await _examine(shop, exit_code=0)

    assert findings["function: makes a preview"]["fix"] == "upload a photo"
    assert list(function.invocations) == ["photo/__doctor__/none.jpg"]


@pytest.fixture(name="guarded_s3", scope="module")
def _guarded_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """An S3 whose users, named by their keys, have different permissions; buckets are also hosts of s3.test."""
    permissions = {
        "reader": ["Read:photos", "List:photos"],
        "blind": ["Read:photos", "Write:photos"],
        "stranger": ["Read:another"],
    }
    users = [
        {"name": name, "credentials": [{"accessKey": name, "secretKey": name}], "actions": actions}
        for name, actions in permissions.items()
    ]
    default = devstack.backends._identities

    def identities(bucket: str, keys: S3Keys) -> dict[str, object]:
        known: Any = default(bucket, keys)
        return {"identities": [*known["identities"], *users]}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devstack.backends, "_identities", identities)
        s3 = start_s3(tmp_path_factory.mktemp("guarded"), options=["-s3.domainName=s3.test"])
    yield s3
    s3.program.kill()


@pytest.fixture(name="guarded")
def _guarded(guarded_s3: S3, port: int, command_line: ForkServer) -> Iterator[Shop]:
    """A shop on it with one photo, with the owner's credentials; worker processes render its previews."""
    client = s3_client(guarded_s3)
    site = {"PREW_HOST": LOOPBACK, "PREW_PORT": str(port)}
    shop = Shop(guarded_s3, "photos", client, command_line, environment_of(guarded_s3, "photos", **site))
    shop.put("photo/a.jpg", body=(ROOT / "nginx" / "static" / "404.jpg").read_bytes())
    yield shop
    client.close()


async def test_missing_permission_to_list_is_reported(guarded: Shop) -> None:
    """S3 then answers 403 for missing previews."""
    findings = await _examine(guarded, AWS_ACCESS_KEY_ID="blind", AWS_SECRET_ACCESS_KEY="blind")

    assert "previews: list" in _failed(findings)
    assert "s3:ListBucket on photos" in findings["previews: list"]["fix"]


async def test_a_role_that_may_only_read_suffices_for_the_service(guarded: Shop) -> None:
    findings = await _examine(guarded, AWS_ACCESS_KEY_ID="reader", AWS_SECRET_ACCESS_KEY="reader")
    deletes = findings["previews: delete"]

    assert (deletes["state"], deletes["fix"]) == ("skipped", "allow these credentials s3:DeleteObject on photos/prew/*")
    assert [name for name in _failed(findings) if not name.startswith("function")] == []


async def test_workers_without_permission_to_write_are_reported(guarded: Shop) -> None:
    findings = await _examine(guarded, AWS_ACCESS_KEY_ID="reader", AWS_SECRET_ACCESS_KEY="reader")

    assert _failed(findings) == {"function: makes a preview"}
    assert "allow these credentials" in findings["function: makes a preview"]["fix"]
    assert "s3:PutObject" in findings["function: makes a preview"]["fix"]


@pytest.mark.parametrize(
    ("host", "wrong"),
    [("photos.s3.test", set()), ("fotos.s3.test", {"nginx: photos from S3", "nginx: previews from S3"})],
)
async def test_a_wrong_host_for_nginx_is_reported_with_its_variable(
    guarded: Shop, port: int, tmp_path: Path, host: str, wrong: set[str]
) -> None:
    """In virtual-hosted style, another host is another bucket."""
    guarded.put("prew/card/a.jpg")
    changed = {"PREW_NGINX_BUCKET_PATH": "", "PREW_NGINX_S3_HOST": host, "PREW_NGINX_AUTO_PRESETS": ""}
    nginx = await asyncio.to_thread(_nginx, guarded, tmp_path, port, **changed)
    with _running(nginx.program):
        async with guarded.serving():
            findings = await _examine(guarded, "--url", nginx.url, exit_code=1 if wrong else 0)
    guarded.client.delete_object(Bucket=guarded.bucket, Key="prew/card/a.jpg")

    assert _failed(findings) == wrong
    assert all("PREW_NGINX_S3_HOST" in findings[name]["fix"] for name in wrong)


@pytest.mark.parametrize("wrong", [{"AWS_ACCESS_KEY_ID": "nobody"}, {"AWS_SECRET_ACCESS_KEY": "wrong"}])
async def test_wrong_credentials_are_not_reported_as_something_else(guarded: Shop, wrong: dict[str, Any]) -> None:
    guarded.put("prew/__doctor__/left.jpg")
    findings = await _examine(guarded, **wrong)
    left = guarded.json("stats")
    guarded.client.delete_object(Bucket=guarded.bucket, Key="prew/__doctor__/left.jpg")

    failures = _failed(findings)
    assert {"photos: list", "previews: list", "previews: read", "function: makes a preview"} <= failures
    assert {findings[name]["fix"] for name in failures if ":" in name} == {
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role"
    }
    assert {each["preset"] for each in left} == {"card", "thumb"}


async def test_worker_processes_render_the_preview(guarded: Shop) -> None:
    findings = await _examine(guarded, exit_code=0)

    assert "image/jpeg" in findings["function: makes a preview"]["detail"]
    assert guarded.keys("prew/") == set()


@pytest.mark.usefixtures("function")
async def test_replicas_with_other_presets_or_without_an_answer_are_reported(shop: Shop, port: int) -> None:
    ports = [port, *free_ports(1)]
    addresses = [f"{LOOPBACK}:{each}" for each in [*ports, 1]]
    async with (
        shop.serving(PREW_PORT=str(ports[0])),
        shop.serving(PREW_PORT=str(ports[1]), PREW_PRESETS__CARD__WIDTH="500"),
    ):
        findings = await shop.run_beside("doctor", *(f"--replica={each}" for each in addresses), exit_code=1)

    same, other, away = [each for each in findings if each["check"] == "replicas: presets"]
    assert (same["state"], other["state"], away["state"]) == ("ok", "failed", "failed")
    assert addresses[1] in other["detail"]
    assert f"card is {Preset(width=500).fingerprint}, here {Preset(width=720).fingerprint}" in other["detail"]
    assert "thumb" not in other["detail"]
    assert "restart all of them" in other["fix"]
    assert "--replica" in away["fix"]


@pytest.mark.usefixtures("function")
async def test_a_port_in_use_is_a_fault_unless_the_service_has_it(shop: Shop, port: int) -> None:
    async with await asyncio.start_server(lambda _, writer: writer.close(), LOOPBACK, port):
        others = await _examine(shop, PREW_PORT=str(port))
    async with shop.serving():
        ours = await _examine(shop, exit_code=0)

    assert _failed(others) == {"port"}
    assert "PREW_PORT" in others["port"]["fix"]
    assert "the service listens" in ours["port"]["detail"]


@pytest.fixture(name="wrong_clock")
async def _wrong_clock() -> AsyncIterator[str]:
    """The address of an S3 that is an hour behind."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(
            text="<ListBucketResult/>", content_type="application/xml", headers={"Date": formatdate(0, usegmt=True)}
        )

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}"


async def test_a_clock_other_than_s3s_is_reported(wrong_clock: str, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.aws_environment().items():
        monkeypatch.setenv(name, value)
    async with s3_inventory.s3_client(region="us-east-1", endpoint_url=wrong_clock) as client:
        findings, _ = await check_photos(S3Permissions(client, "photos"), "photos", Layout("photo", "prew"))

    clock = next(each for each in findings if each.check == "clock")
    assert clock.state is State.FAILED
    assert "NTP" in clock.fix


def _nginx(shop: Shop, folder: Path, port: int, **changed: str) -> Nginx:
    ours = {"PREW_NGINX_BUCKET_PATH": f"/{shop.bucket}", "PREW_NGINX_AUTO_PRESETS": "thumb"}
    return start_nginx(folder, nginx_variables(shop.s3, [port]) | ours | changed)


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({}, set()),
        ({"PREW_NGINX_BUCKET_PATH": "/another"}, {"nginx: photos from S3", "nginx: previews from S3"}),
        ({"PREW_NGINX_SERVICES": "127.0.0.1:1"}, {"nginx: missing previews to the service"}),
        ({"PREW_NGINX_AUTO_PRESETS": "card thumb"}, {"nginx: formats by Accept"}),
    ],
)
@pytest.mark.usefixtures("function")
async def test_an_nginx_with_another_bucket_service_or_auto_presets_is_reported(
    shop: Shop, port: int, tmp_path: Path, changed: dict[str, str], wrong: set[str]
) -> None:
    shop.environment["PREW_PRESETS__THUMB__FORMAT"] = "auto"
    shop.put("photo/a b+c%.jpg", "prew/card/a b+c%.jpg")
    shop.allow_anonymous_reads()
    nginx = await asyncio.to_thread(_nginx, shop, tmp_path, port, **changed)
    with _running(nginx.program):
        async with shop.serving():
            findings = await _examine(shop, "--url", nginx.url, exit_code=1 if wrong else 0)

    assert _failed(findings) == wrong


async def test_an_answer_without_vary_for_an_auto_preset_is_reported() -> None:
    async with TestServer(web.Application()) as server:
        presets = {"card": Preset(width=1, format="auto"), "thumb": Preset(width=1)}
        finding = await request_path.check_formats(str(server.make_url("/prew")), presets)

    assert finding.state is State.FAILED
    assert finding.detail.startswith("card: ")


@pytest.mark.usefixtures("function")
async def test_an_unreachable_nginx_is_the_only_finding(shop: Shop) -> None:
    findings = await _examine(shop, "--url", "http://127.0.0.1:1/")

    assert _failed(findings) == {"nginx"}


def test_the_table_has_each_finding_with_its_fix(shop: Shop) -> None:
    done = shop.run("doctor", COLUMNS="250", PREW_REDIS_URL="redis://127.0.0.1:1/0")

    assert done.returncode == 1
    assert "check PREW_REDIS_URL" in done.stdout


@pytest.mark.usefixtures("function")
@pytest.mark.fault("two-sites-one-redis")
async def test_another_site_with_the_same_names_in_redis_is_reported(shop: Shop, redis_server: Redis) -> None:
    async with shop.serving(PREW_SOURCE_PREFIX="pictures"):
        with BlockingRedis.from_url(redis_server.url) as redis:
            await until_reported(lambda: any(redis.scan_iter(f"prew:site:{shop.namespace}/prew/*")))
        findings = await _examine(shop)

    assert _failed(findings) == {"redis sites"}
    assert f"photos in {shop.bucket}/pictures at {shop.s3.endpoint}" in findings["redis sites"]["detail"]


async def test_a_function_that_dies_at_a_photo_is_a_fault(shop: Shop, tmp_path: Path) -> None:
    shop.put("photo/a.jpg")
    root = ROOT / "tests" / "adapters" / "functions"
    service = start_lambda(tmp_path, {"dies": "resize_functions.dies"}, f"--task-root={root}")
    with _running(service.program):
        findings = await _examine(shop, AWS_ENDPOINT_URL_LAMBDA=service.url, PREW_LAMBDA_FUNCTION="dies")

    assert _failed(findings) == {"function: makes a preview"}
    assert "it died at photo/a.jpg" in findings["function: makes a preview"]["detail"]
    assert "memory" in findings["function: makes a preview"]["fix"]


async def test_a_function_with_wrong_credentials_of_its_own_is_reported(guarded: Shop, tmp_path: Path) -> None:
    environment = guarded.environment | {"AWS_SECRET_ACCESS_KEY": "wrong"}
    handlers = {"prew-resize": "lambda_resize.handler.handler"}
    service = start_lambda(tmp_path, handlers, f"--task-root={ROOT}", env=environment)
    with _running(service.program):
        findings = await _examine(guarded, AWS_ENDPOINT_URL_LAMBDA=service.url, PREW_LAMBDA_FUNCTION="prew-resize")

    assert _failed(findings) == {"function: makes a preview"}
    assert "the function's own credentials" in findings["function: makes a preview"]["fix"]


async def test_the_photo_to_render_is_an_option(guarded: Shop) -> None:
    guarded.put("photo/a-text.jpg")
    one = await _examine(guarded, "--photo=photo/a-text.jpg", exit_code=0)
    other = await _examine(guarded, "--photo=photo/a.jpg", exit_code=0)
    missing = await _examine(guarded, "--photo=photo/none.jpg")
    guarded.client.delete_object(Bucket=guarded.bucket, Key="photo/a-text.jpg")

    assert "unsupported" in one["function: makes a preview"]["detail"]
    assert other["function: makes a preview"]["state"] == "ok"
    assert "photo/none.jpg is not in photos" in missing["photos: read"]["detail"]


@pytest.mark.usefixtures("function")
async def test_previews_of_a_preset_that_is_gone_are_reported(shop: Shop) -> None:
    shop.put("photo/a.jpg", "prew/card/a.jpg", "prew/hero/a.jpg", "prew/hero.webp/a.jpg")
    findings = await _examine(shop)

    assert _failed(findings) == {"previews: presets"}
    assert findings["previews: presets"]["detail"].startswith("hero, hero.webp: ")
    assert "purge --orphans" in findings["previews: presets"]["fix"]


@pytest.mark.usefixtures("function")
@pytest.mark.fault("eviction")
@pytest.mark.usefixtures("function")
async def test_what_may_be_meant_so_is_a_finding_and_no_failure(shop: Shop) -> None:
    """Previews under an earlier prefix may be another site's, a variable a newer version's."""
    shop.put("photo/a.jpg", "prew/card/a.jpg", "old/card/a.jpg", "letters/a.jpg", "letters/cards/a.jpg")
    findings = await _examine(shop, exit_code=0, PREW_STRICT="false", PREW_BANDWIDTH="7")
    prefix, unknown = findings["previews: earlier prefix"], findings["settings: unknown"]

    assert (prefix["state"], prefix["detail"]) == ("skipped", "old: has folders with presets' names")
    assert "purge --former-prefix old" in prefix["fix"]
    assert (unknown["state"], unknown["detail"]) == ("skipped", "PREW_BANDWIDTH: unknown setting; ignored")


async def test_a_redis_that_has_evicted_keys_is_reported_whatever_its_policy(shop: Shop, tmp_path: Path) -> None:
    redis = start_redis(tmp_path, options=["--maxmemory", "3mb", "--maxmemory-policy", "volatile-ttl"])
    with _running(redis.program):
        with BlockingRedis.from_url(redis.url) as client:
            while not client.info("stats")["evicted_keys"]:
                client.set(f"filler:{client.incr('filled')}", b"x" * 50_000, ex=60)
            client.config_set("maxmemory", "100mb")
        findings = await _examine(shop, PREW_REDIS_URL=redis.url)

    assert _failed(findings) == {"redis memory"}
    assert findings["redis memory"]["fix"].startswith("raise Redis's maxmemory;")


@pytest.mark.usefixtures("function")
async def test_an_nginx_that_is_frozen_is_reported_as_such(shop: Shop, port: int, tmp_path: Path) -> None:
    nginx = await asyncio.to_thread(_nginx, shop, tmp_path, port)
    with _running(nginx.program):
        frozen = [nginx.program.pid, *_children(nginx.program.pid)]
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            findings = await _examine(shop, "--url", nginx.url)
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)

    assert _failed(findings) == {"nginx"}
    assert "frozen" in findings["nginx"]["fix"]


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize(
    "changed", [{"PREW_SOURCE_PREFIX": "pictures"}, {"PREW_PRESETS__CARD__WIDTH": "500"}], ids=["site", "presets"]
)
@pytest.mark.usefixtures("function")
async def test_an_nginx_that_sends_misses_to_replicas_of_other_settings_is_reported(
    shop: Shop, tmp_path: Path, changed: dict[str, str]
) -> None:
    (other,) = free_ports(1)
    nginx = await asyncio.to_thread(_nginx, shop, tmp_path, other, PREW_NGINX_AUTO_PRESETS="")
    with _running(nginx.program):
        async with shop.serving(PREW_PORT=str(other), PREW_REDIS_URL="", **changed):
            findings = await _examine(shop, "--url", nginx.url)

    assert _failed(findings) == {"nginx: missing previews to the service"}
    assert "8 of 8 answers" in findings["nginx: missing previews to the service"]["detail"]


@pytest.mark.usefixtures("function")
async def test_a_cache_that_serves_an_old_preview_is_reported(shop: Shop, port: int, tmp_path: Path) -> None:
    shop.put("photo/a.jpg", "prew/card/a.jpg")
    shop.allow_anonymous_reads()
    nginx = await asyncio.to_thread(_nginx, shop, tmp_path, port, PREW_NGINX_AUTO_PRESETS="", PREW_NGINX_CACHE="on")
    with _running(nginx.program):
        async with shop.serving():
            same = await _examine(shop, "--url", nginx.url, exit_code=0)
            shop.put("prew/card/a.jpg", body=b"rendered again")
            other = await _examine(shop, "--url", nginx.url, "--photo=photo/a.jpg")

    assert same["nginx: previews from S3"]["state"] == "ok"
    assert _failed(other) == {"nginx: previews from S3"}
    assert "--nginx-cache" in other["nginx: previews from S3"]["fix"]
