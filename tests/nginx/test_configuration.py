"""The configuration in every variant: rendered, and checked by nginx itself and by gixy."""

from __future__ import annotations

import itertools
import json
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from devstack.nginx_server import SOURCES, command, effective_environment, render, substitute
from devstack.programs import Program, ProgramError, answers, find, free_ports
from prewmanager.config.reading import read_settings
from prewmanager.errors import InvalidSettings

MINIMAL = {"PREW_NGINX_S3_SERVER": "127.0.0.1:443", "PREW_NGINX_SERVICES": "127.0.0.1:8180 127.0.0.1:8181"}
# The two values of each option; every variant has one of each.
OPTIONS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "https": (
        {
            "PREW_NGINX_S3_SCHEME": "http",
            "PREW_NGINX_BUCKET_PATH": "/photos",
            "PREW_SOURCES__SHOP__BUCKET": "shop",
            "PREW_SOURCES__SHOP__HOSTS": "shop.test",
        },
        {"PREW_NGINX_BUCKET_PATH": ""},
    ),
    "cache": ({"PREW_NGINX_WWW": "http://127.0.0.1:8190"}, {"PREW_NGINX_CACHE": "on", "PREW_NGINX_CACHE_SIZE": "10m"}),
    "files": (
        {},
        {
            "PREW_NGINX_WWW": "/srv/www",
            "PREW_NGINX_LISTEN": "127.0.0.1:8081",
            "PREW_SOURCE_PREFIX": "originals",
            "PREW_PREVIEW_PREFIX": "sizes_2",
            "PREW_NGINX_CONNECTIONS": "512",
            "PREW_NGINX_SIGNED": "photo hero",
            "PREW_NGINX_SIGNING_KEYS_FILE": str(Path(__file__).with_name("signing_keys")),
        },
    ),
    "limit": (
        {},
        {
            "PREW_NGINX_MISS_RATE": "300r/m",
            "PREW_NGINX_TRUSTED_PROXIES": "10.0.0.0/8 2600:9000::/28",
            "PREW_NGINX_AUTO_PRESETS": "card hero",
            "PREW_NGINX_CORS_ORIGINS": "https://shop.test http://localhost:3000",
            "PREW_NGINX_HINTED": "card@2x tile@3x",
            "PREW_SOURCE_KEYS": "/",
            "PREW_NGINX_PREVIEW_ERROR_PICTURE": str(SOURCES / "static" / "404.jpg"),
        },
    ),
    "credentials": ({}, {"PREW_NGINX_CREDENTIALS_FILE": __file__, "AWS_REGION": "eu-west-1"}),
}


def _variants() -> Iterator[tuple[str, dict[str, str]]]:
    for sides in itertools.product((0, 1), repeat=len(OPTIONS)):
        chosen = dict(zip(OPTIONS, sides, strict=True))
        variables = [OPTIONS[name][side] for name, side in chosen.items()]
        yield (
            " ".join(name for name, side in chosen.items() if side) or "plain",
            dict(itertools.chain.from_iterable(each.items() for each in variables)),
        )


@pytest.fixture(scope="module", name="rendered")
def _rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder with the complete configuration of every variant, by the variant's name."""
    root = tmp_path_factory.mktemp("variants")
    folders = {name: root / name.replace(" ", "-") for name, _ in _variants()}
    for name, variables in _variants():
        render(folders[name], {**MINIMAL, **variables})
    return folders


def test_nginx_accepts_every_variant_without_a_warning(rendered: dict[str, Path]) -> None:
    for name, folder in rendered.items():
        done = subprocess.run([*command(folder), "-t"], capture_output=True, text=True, check=False)

        assert done.returncode == 0, f"{name}: {done.stderr}"
        assert "[warn]" not in done.stderr, name


def test_gixy_finds_nothing(rendered: dict[str, Path]) -> None:
    """The check left out expects proxy_pass to decode the path; test_keys.py shows that it does not."""
    left_out = ["--skips", "proxy_pass_normalized"]
    files = [str(folder / "nginx.conf") for folder in rendered.values()]
    argv = [find("gixy"), "--format", "json", *left_out, *files]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert json.loads(done.stdout) == []
    assert done.returncode == 0


def test_gixy_reads_the_locations(tmp_path: Path) -> None:
    """The check left out does match: gixy follows the includes down to proxy_pass."""
    render(tmp_path, MINIMAL)
    argv = [find("gixy"), "--format", "json", str(tmp_path / "nginx.conf")]
    found = json.loads(subprocess.run(argv, capture_output=True, text=True, check=False).stdout)

    assert {issue["plugin"] for issue in found} == {"proxy_pass_normalized"}


def test_all_our_variables_are_replaced_and_nginxs_own_are_kept(rendered: dict[str, Path]) -> None:
    for folder in rendered.values():
        text = "".join(path.read_text() for path in folder.rglob("*.conf"))

        assert "PREW_" not in text
        assert "$request_uri" in text


def test_readme_has_exactly_the_variables_of_the_scripts_with_their_defaults() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", (SOURCES / "README.md").read_text(), re.MULTILINE))
    script = (SOURCES / "docker-entrypoint.d" / "17-prewmanager-defaults.envsh").read_text()
    defaults = dict(re.findall(r'^export (\w+)="\$\{\1:-(.*)\}"$', script, re.MULTILINE))
    described = {
        "PREW_NGINX_S3_HOST": "the host of `PREW_NGINX_S3_SERVER`",
        "PREW_SOURCE_KEYS": "`PREW_SOURCE_PREFIX`",
        "PREW_NGINX_RESOLVER": "`NGINX_LOCAL_RESOLVERS`, or empty",
        "PREW_NGINX_BALANCE": "`hash` if several services are listed, else `random`",
        "PREW_NGINX_TLS_KEY": "the same file",
        "PREW_NGINX_CACHE_VALID": "`10m` with `PREW_NGINX_PURGE_LISTEN`, else `1m`",
        "PREW_NGINX_CONNECTIONS": "half of the open files that are allowed, at most `16384`",
    }
    plain = {name: f"`{value}`" if value else "empty" for name, value in defaults.items()}

    assert table == {**plain, **described, "PREW_NGINX_S3_SERVER": "required"}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PREW_NGINX_S3_SERVER", ""),
        ("PREW_NGINX_S3_SERVER", "s3.test"),
        ("PREW_NGINX_S3_SERVER", "s3.test:https"),
        ("PREW_NGINX_S3_SERVER", "s3:9abc"),
        ("PREW_NGINX_S3_SERVER", "s3:90000"),
        ("PREW_NGINX_S3_SERVER", "s3:0"),
        ("PREW_NGINX_S3_SERVER", ":9000"),
        ("PREW_NGINX_S3_SERVER", "http://s3:9000"),
        ("PREW_NGINX_S3_SERVER", "a b:9000"),
        ("PREW_NGINX_S3_SERVER", "s3;x:9000"),
        ("PREW_NGINX_SERVICES", "prewmanager"),
        ("PREW_NGINX_SERVICES", "one:8180 two:x"),
        ("PREW_NGINX_SERVICES", "one:8180;two:8180"),
        ("PREW_NGINX_CLIENT_REQUESTS", "many"),
        ("PREW_NGINX_S3_REFERER", 'a"; deny all; "'),
        ("PREW_NGINX_S3_REFERER", "$host"),
        ("PREW_NGINX_HOSTS", "images.example.com;"),
        ("PREW_NGINX_HOSTS", "http://images.example.com"),
        ("PREW_NGINX_TLS_CERTIFICATE", "/no/such.pem"),
        ("PREW_NGINX_TLS_KEY", "/no/such.key"),
        ("PREW_NGINX_WWW", "http://page:8x"),
        ("PREW_NGINX_WWW", "http://page:8190/x"),
        ("PREW_NGINX_WWW", "https://page:8190"),
        ("PREW_NGINX_CACHE_SIZE", "1 g"),
        ("PREW_NGINX_CACHE_SIZE", "1gb"),
        ("PREW_NGINX_CACHE_SIZE", "0"),
        ("PREW_NGINX_CACHE_VALID", "10 minutes"),
        ("PREW_NGINX_CACHE_INACTIVE", "1d;"),
        ("PREW_NGINX_S3_SCHEME", "ftp"),
        ("PREW_NGINX_BUCKET_PATH", "photos"),
        ("PREW_NGINX_BUCKET_PATH", "/photos/"),
        ("PREW_NGINX_BUCKET_PATH", "/a b"),
        ("PREW_NGINX_BUCKET_PATH", "/$uri"),
        ("PREW_NGINX_CACHE", "yes"),
        ("PREW_NGINX_BALANCE", "round_robin"),
        ("PREW_PROXY_READ_TIMEOUT", "60s"),
        ("PREW_PROXY_READ_TIMEOUT", "0"),
        ("PREW_PROXY_READ_TIMEOUT", "0.0"),
        ("PREW_PROXY_READ_TIMEOUT", "6e1"),
        ("PREW_PROXY_READ_TIMEOUT", ".5"),
        ("PREW_PROXY_READ_TIMEOUT", "60."),
        ("PREW_NGINX_CONNECTIONS", "many"),
        ("PREW_NGINX_MISS_RATE", "20"),
        ("PREW_NGINX_MISS_RATE", "0r/s"),
        ("PREW_NGINX_MISS_RATE", "1.5r/s"),
        ("PREW_NGINX_MISS_BURST", "0"),
        ("PREW_NGINX_TRUSTED_PROXIES", "10.0.0.0/8 proxy.test"),
        ("PREW_NGINX_TRUSTED_PROXIES", "10.0.0.0/8;"),
        ("PREW_SOURCE_PREFIX", "a/b"),
        ("PREW_SOURCE_KEYS", "a//b/"),
        ("PREW_SOURCE_KEYS", "a/../b"),
        ("PREW_SOURCE_KEYS", "a b"),
        ("PREW_SOURCE_KEYS", "prew/x/"),
        ("PREW_PREVIEW_PREFIX", "a.b"),
        ("PREW_PREVIEW_PREFIX", "photo"),
    ],
)
@pytest.mark.fault("settings-invalid")
def test_an_invalid_value_aborts_startup_with_the_variables_name(variable: str, value: str) -> None:
    with pytest.raises(ProgramError, match=variable):
        effective_environment({**MINIMAL, variable: value})


@pytest.mark.fault("settings-invalid")
def test_a_cache_needs_a_folder_whose_socket_has_a_short_path() -> None:
    variables = {**MINIMAL, "PREW_NGINX_STATE_PATH": "/" + 92 * "x"}

    assert effective_environment(variables)["PREW_NGINX_CACHE"] == "off"
    with pytest.raises(ProgramError, match="PREW_NGINX_STATE_PATH must be at most 92 bytes"):
        effective_environment({**variables, "PREW_NGINX_CACHE": "on"})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PREW_NGINX_S3_SERVER", "[::1]:9000"),
        ("PREW_NGINX_S3_SERVER", "photos.s3-x.test:65535"),
        ("PREW_NGINX_SERVICES", "[fd00::2]:8180 replica_2:1"),
        ("PREW_NGINX_WWW", "http://[::1]:8190"),
        ("PREW_NGINX_CACHE_SIZE", "512"),
    ],
)
def test_other_forms_that_nginx_understands_are_accepted(variable: str, value: str) -> None:
    assert effective_environment({**MINIMAL, variable: value})[variable] == value


@pytest.mark.parametrize(
    "value", ["60", "60.5", "75.125", "60s", "6e1", "60.", "+60", "6_0", " 60", "1e999", "60.1234"]
)
@pytest.mark.fault("settings-invalid")
def test_nginx_and_the_service_accept_the_same_timeouts(
    value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Both read PREW_PROXY_READ_TIMEOUT."""
    service = {"PREW_SOURCE_BUCKET": "photos", "PREW_PRESETS__CARD__WIDTH": "720", "PREW_PROXY_READ_TIMEOUT": value}
    for name, text in service.items():
        monkeypatch.setenv(name, text)
    try:
        seconds = read_settings().proxy_read_timeout
    except InvalidSettings:
        with pytest.raises(ProgramError, match="PREW_PROXY_READ_TIMEOUT"):
            effective_environment({**MINIMAL, "PREW_PROXY_READ_TIMEOUT": value})
        return
    render(tmp_path, {**MINIMAL, "PREW_PROXY_READ_TIMEOUT": value})
    assert subprocess.run([*command(tmp_path), "-t"], capture_output=True, check=False).returncode == 0
    assert f"proxy_read_timeout {seconds * 1000:.0f}ms;" in (tmp_path / "prewmanager" / "service.conf").read_text()


def test_an_empty_value_is_a_default() -> None:
    """Compose files pass unset variables on as empty ones."""
    environment = effective_environment({**MINIMAL, "PREW_NGINX_LISTEN": "", "PREW_NGINX_CACHE": ""})

    assert environment["PREW_NGINX_LISTEN"] == "8080"
    assert environment["PREW_NGINX_CACHE"] == "off"


def test_s3s_host_is_by_default_the_servers_without_the_port() -> None:
    environment = effective_environment({**MINIMAL, "PREW_NGINX_S3_SERVER": "photos.s3.test:443"})

    assert environment["PREW_NGINX_S3_HOST"] == "photos.s3.test"


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="the machine has no IPv6")
def test_a_port_alone_is_open_for_ipv4_and_ipv6(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    render(tmp_path, {**MINIMAL, "PREW_NGINX_LISTEN": str(port)})
    nginx = Program("nginx", [*command(tmp_path), "-g", "daemon off;"], tmp_path / "nginx.log")
    nginx.wait_ready(lambda: answers(port))
    try:
        for host in ("127.0.0.1", "[::1]"):
            with urlopen(f"http://{host}:{port}/nginx-health") as response:
                assert response.status == 200
    finally:
        nginx.stop()


SAMPLE = "${SET} $SET ${UNSET} $UNSET $SETTER $SET/x ${SET}ter $1 $$SET ${SET $ ${} $host"
SUBSTITUTED = "a$b a$b ${UNSET} $UNSET $SETTER a$b/x a$bter $1 $a$b ${SET $ ${} $host"


def test_only_defined_variables_are_replaced() -> None:
    assert substitute(SAMPLE, {"SET": "a$b"}) == SUBSTITUTED


def test_envsubst_does_the_same() -> None:
    done = subprocess.run(
        [find("envsubst"), "${SET} "],
        env={"SET": "a$b", "host": "wrong"},
        input=SAMPLE,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == SUBSTITUTED
