"""nginx in front of S3 and the service: the shipped templates, rendered without Docker and envsubst."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devstack.programs import LOOPBACK, Program, ProgramError, answers, find, free_ports

SOURCES = Path(__file__).resolve().parents[1] / "nginx"
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))", re.ASCII)
_SUFFIX = ".template"


@dataclass(frozen=True)
class Nginx:
    """A running nginx, which writes only below one folder."""

    program: Program
    port: int
    access_log: Path

    @property
    def url(self) -> str:
        """The `http://` address, without a trailing slash."""
        return f"http://{LOOPBACK}:{self.port}"


def start_nginx(
    folder: Path, variables: Mapping[str, str], *, port: int | None = None, locations: Mapping[str, str] | None = None
) -> Nginx:
    """Render the configuration into `folder` and start nginx in the foreground, on a free loopback port unless given.

    `variables` are those of nginx/README.md; PREW_NGINX_S3_SERVER is required. `locations` are further locations of the
    server, by file name. nginx's error log goes to the program's log. Raises `ProgramError` if a variable is missing or
    invalid, or nginx does not start.
    """
    port = port or free_ports(1)[0]
    local = {"PREW_NGINX_LISTEN": f"{LOOPBACK}:{port}", "PREW_NGINX_ACCESS_LOG": str(folder / "access.json")}
    environment = render(folder, {**variables, **local})
    add_locations(folder, locations or {})
    beside = 'set -e; for each in cache-watch role-credentials log-watch; do sh "$0/$each.sh" "$$"; done; exec "$@"'
    watched = ["sh", "-c", beside, str(SOURCES)]
    argv = [*watched, *command(folder), "-g", "daemon off;"]
    program = Program("nginx", argv, folder / "nginx.log", {**os.environ, **variables, **environment})
    program.wait_ready(lambda: answers(port))
    return Nginx(program, port, folder / "access.json")


def command(folder: Path) -> list[str]:
    """Return the command that runs nginx on the configuration in `folder`; `-t` or `-g …` may be appended.

    `-e` replaces the compiled-in error log, which only root may open.
    """
    return [find("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]


def render(folder: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Write the configuration for these variables into `folder`, as the official image's entry point does.

    Returns the variables as the entry point's scripts extend them.
    """
    local = {
        "PREW_NGINX_STATE_PATH": str(folder / "state"),
        "PREW_NGINX_ERROR_PICTURE": str(SOURCES / "static" / "404.jpg"),
        "PREW_NGINX_USER": _user_name(),
    }
    environment = effective_environment({**local, **variables})
    Path(environment["PREW_NGINX_STATE_PATH"]).mkdir(parents=True, exist_ok=True)
    shutil.copytree(SOURCES / "snippets", folder / "snippets", dirs_exist_ok=True)
    templates = SOURCES / "templates"
    for template in templates.rglob(f"*{_SUFFIX}"):
        target = folder / template.relative_to(templates).with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(substitute(template.read_text(), environment))
    return environment


def add_locations(folder: Path, locations: Mapping[str, str]) -> None:
    """Make the server include these files, instead of earlier ones."""
    shutil.rmtree(folder / "locations", ignore_errors=True)
    for name, text in locations.items():
        (folder / "locations").mkdir(exist_ok=True)
        (folder / "locations" / f"{name}.conf").write_text(text)


def effective_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the PREW_ variables as checked, completed and extended by the entry point's scripts.

    Raises `ProgramError` with the message of a script that refuses them.
    """
    scripts = sorted((SOURCES / "docker-entrypoint.d").glob("*.envsh"))
    sourced = "; ".join(f'. "{script}"' for script in scripts)
    # Where nginx's modules are is a matter of the machine, like PATH.
    given = {name: os.environ[name] for name in ("PATH", "PREW_NGINX_JS_MODULE") if name in os.environ}
    environment = given | dict(variables)
    # The scripts ask nginx for its version.
    environment["PATH"] = f"{environment.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    done = subprocess.run(
        ["sh", "-eu", "-c", f"{sourced}; env -0"], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ProgramError(done.stderr.strip())
    pairs = (entry.partition("=") for entry in done.stdout.split("\0") if entry)
    return {name: value for name, _, value in pairs if name.startswith("PREW_")}


def substitute(text: str, environment: Mapping[str, str]) -> str:
    """Substitute `$NAME` and `${NAME}` for these variables only, as envsubst does with a list of names."""
    return _VARIABLE.sub(lambda found: environment.get(found[1] or found[2], found[0]), text)


def _user_name() -> str:
    # With a root master, the workers run as another user, who may not enter a private temporary folder.
    return pwd.getpwuid(os.getuid()).pw_name
