"""The configuration: from the environment, checked by nginx itself and by gixy, in every variant."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from devstack.nginx_server import SOURCES, command, effective_environment, render, substitute
from devstack.programs import ProgramError, find

MINIMAL = {"PREW_NGINX_S3_SERVER": "127.0.0.1:443", "PREW_NGINX_SERVICES": "127.0.0.1:8180 127.0.0.1:8181"}
VARIANTS = {
    "https": {},
    "http, path-style": {"PREW_NGINX_S3_SCHEME": "http", "PREW_NGINX_BUCKET_PATH": "/photos"},
    "cache": {"PREW_NGINX_CACHE": "on", "PREW_NGINX_CACHE_SIZE": "10m"},
    "files": {"PREW_NGINX_WWW": "/srv/www"},
    "everything": {
        "PREW_NGINX_CACHE": "on",
        "PREW_NGINX_WWW": "/srv/www",
        "PREW_NGINX_BUCKET_PATH": "/my.photos",
        "PREW_NGINX_LISTEN": "127.0.0.1:8081",
        "PREW_SOURCE_PREFIX": "originals",
        "PREW_PREVIEW_PREFIX": "sizes_2",
        "PREW_NGINX_CONNECTIONS": "512",
    },
}


@pytest.fixture(name="rendered", params=list(VARIANTS.values()), ids=list(VARIANTS))
def _rendered(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with the whole configuration of one variant."""
    render(tmp_path, {**MINIMAL, **request.param})
    return tmp_path


def test_nginx_has_nothing_to_say(rendered: Path) -> None:
    """`nginx -t` accepts every variant without a warning."""
    done = subprocess.run([*command(rendered), "-t"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr


def test_gixy_finds_nothing(rendered: Path) -> None:
    """The one check left out expects proxy_pass to decode a path after the host, which it does not with variables.

    That both upstreams get the raw path is what test_keys.py shows.
    """
    left_out = ["--skips", "proxy_pass_normalized"]
    argv = [find("gixy"), "--format", "json", *left_out, str(rendered / "nginx.conf")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert json.loads(done.stdout) == []
    assert done.returncode == 0


def test_gixy_reads_the_locations(tmp_path: Path) -> None:
    """The check that is left out does find its pattern: gixy follows the includes down to proxy_pass."""
    render(tmp_path, MINIMAL)
    argv = [find("gixy"), "--format", "json", str(tmp_path / "nginx.conf")]
    found = json.loads(subprocess.run(argv, capture_output=True, text=True, check=False).stdout)

    assert {issue["plugin"] for issue in found} == {"proxy_pass_normalized"}


def test_all_variables_of_the_templates_are_replaced(rendered: Path) -> None:
    """No name of ours is left, and nginx's own variables are."""
    text = "".join(path.read_text() for path in rendered.rglob("*.conf"))

    assert "PREW_" not in text
    assert "$request_uri" in text


def test_the_table_of_variables_is_complete() -> None:
    """README.md names each variable of the scripts with its default, and no other."""
    table = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", (SOURCES / "README.md").read_text(), re.MULTILINE))
    script = (SOURCES / "docker-entrypoint.d" / "17-prewmanager-defaults.envsh").read_text()
    defaults = dict(re.findall(r'^export (\w+)="\$\{\1:-(.*)\}"$', script, re.MULTILINE))
    described = {
        "PREW_NGINX_S3_HOST": "the host of `PREW_NGINX_S3_SERVER`",
        "PREW_NGINX_RESOLVER": "`NGINX_LOCAL_RESOLVERS`, or empty",
    }
    plain = {name: f"`{value}`" if value else "empty" for name, value in defaults.items()}

    assert table == {**plain, **described, "PREW_NGINX_S3_SERVER": "required"}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PREW_NGINX_S3_SERVER", ""),
        ("PREW_NGINX_S3_SERVER", "s3.test"),
        ("PREW_NGINX_S3_SERVER", "s3.test:https"),
        ("PREW_NGINX_S3_SCHEME", "ftp"),
        ("PREW_NGINX_BUCKET_PATH", "photos"),
        ("PREW_NGINX_BUCKET_PATH", "/photos/"),
        ("PREW_NGINX_BUCKET_PATH", "/a b"),
        ("PREW_NGINX_BUCKET_PATH", "/$uri"),
        ("PREW_NGINX_CACHE", "yes"),
        ("PREW_PROXY_READ_TIMEOUT", "60s"),
        ("PREW_PROXY_READ_TIMEOUT", "0"),
        ("PREW_NGINX_CONNECTIONS", "many"),
        ("PREW_SOURCE_PREFIX", "a/b"),
        ("PREW_PREVIEW_PREFIX", "a.b"),
        ("PREW_PREVIEW_PREFIX", "photo"),
    ],
)
def test_a_wrong_value_stops_the_start(variable: str, value: str) -> None:
    """The message names the variable."""
    with pytest.raises(ProgramError, match=variable):
        effective_environment({**MINIMAL, variable: value})


def test_an_empty_value_is_a_default() -> None:
    """Compose files hand on unset variables as empty ones."""
    environment = effective_environment({**MINIMAL, "PREW_NGINX_LISTEN": "", "PREW_NGINX_CACHE": ""})

    assert environment["PREW_NGINX_LISTEN"] == "8080"
    assert environment["PREW_NGINX_CACHE"] == "off"


def test_s3s_host_follows_its_server() -> None:
    """Without a name of its own the host is the server's, without the port."""
    environment = effective_environment({**MINIMAL, "PREW_NGINX_S3_SERVER": "photos.s3.test:443"})

    assert environment["PREW_NGINX_S3_HOST"] == "photos.s3.test"


def test_names_are_looked_up_again_where_a_resolver_is_given(tmp_path: Path) -> None:
    """A resolver adds `resolve` to every server of both upstreams (what nginx below 1.27.3 does not know)."""
    render(tmp_path, {**MINIMAL, "PREW_NGINX_RESOLVER": "127.0.0.53 [::1]"})
    text = (tmp_path / "prewmanager" / "upstreams.conf").read_text()

    assert "resolver 127.0.0.53 [::1];" in text
    servers = re.findall(r"server (\S+) .* resolve;", text)
    assert servers == ["127.0.0.1:443", "127.0.0.1:8180", "127.0.0.1:8181"]


SAMPLE = "${SET} $SET ${UNSET} $UNSET $SETTER $SET/x ${SET}ter $1 $$SET ${SET $ ${} $host"
SUBSTITUTED = "a$b a$b ${UNSET} $UNSET $SETTER a$b/x a$bter $1 $a$b ${SET $ ${} $host"


def test_only_defined_variables_are_replaced() -> None:
    """Both spellings of a known name are replaced once; everything else stays."""
    assert substitute(SAMPLE, {"SET": "a$b"}) == SUBSTITUTED


def test_envsubst_does_the_same() -> None:
    """The program that the official image uses agrees on the sample."""
    try:
        envsubst = find("envsubst")
    except ProgramError:
        pytest.skip("gettext's envsubst is not installed")
    done = subprocess.run(
        [envsubst, "${SET} "],
        env={"SET": "a$b", "host": "wrong"},
        input=SAMPLE,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == SUBSTITUTED
