"""`python -m shipping.audit`: asks OSV, by pip-audit, what is known of each version in the lock files.

It ends with 0 if nothing is known of any, with 1 if something is, and with 2 if not all of them were checked.
"""

from __future__ import annotations

import collections
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from packaging.utils import canonicalize_name

from shipping.packages import ROOT
from shipping.requirements import read_lock

NOT_CHECKED = 2

# Vulnerable for ever, by several advisories: a service that knows none of them knows nothing of the locks either.
_VULNERABLE = "jinja2==2.4.1"


class NotCheckedError(Exception):
    """The service did not answer for all versions; the text says how, in pip-audit's words if it said something."""


@dataclass(frozen=True)
class Known:
    """A known vulnerability of a locked version: `names` are its identifiers, `fixed` the versions without it."""

    pin: str
    names: tuple[str, ...]
    fixed: tuple[str, ...]

    @property
    def line(self) -> str:
        """What the operator reads."""
        fixed = f"fixed in {', '.join(self.fixed)}" if self.fixed else "not fixed"
        return f"{self.pin}: {' '.join(self.names)}; {fixed}"


def main(
    folder: Annotated[Path, typer.Option(help="folder of the lock files")] = ROOT / "requirements",
    osv_url: Annotated[
        str, typer.Option(envvar="OSV_URL", help="address of OSV's queries, or of a mirror's")
    ] = "https://api.osv.dev/v1/query",
) -> None:
    """Print the known vulnerabilities of all locked versions, and the locks that have them."""
    locks = _locks_by_pin(folder)
    try:
        found = _known(locks, osv_url)
    except NotCheckedError as error:
        print(f"not checked by {urlsplit(osv_url).hostname}: {error}", file=sys.stderr)
        raise typer.Exit(NOT_CHECKED) from error
    for known in found:
        print(f"{known.line}; in {', '.join(locks[known.pin])}")
    print(f"{len(locks)} locked versions, {len(found)} known vulnerabilities")
    raise typer.Exit(bool(found))


def _locks_by_pin(folder: Path) -> dict[str, list[str]]:
    """Return the names of the locks that have each `name==version`, for whatever platform or Python."""
    locks = collections.defaultdict(list)
    for path in sorted(folder.glob("*.txt")):
        for pin in sorted({locked.pin for locked in read_lock(path)}):
            locks[_canonical(pin)].append(path.stem)
    if not locks:
        raise SystemExit(f"{folder} has no locks")
    return dict(locks)


def _canonical(pin: str) -> str:
    name, _, version = pin.partition("==")
    return f"{canonicalize_name(name)}=={version}"


def _known(pins: Iterable[str], osv_url: str) -> list[Known]:
    """Return what is known of `pins`. Raises `NotCheckedError`."""
    if not _ask([_VULNERABLE], osv_url):
        raise NotCheckedError(f"it knows nothing of {_VULNERABLE}, which has vulnerabilities")
    return [known for part in _apart(pins) for known in _ask(part, osv_url)]


def _apart(pins: Iterable[str]) -> Iterator[Sequence[str]]:
    """Yield all pins in lists with one version of a name each: pip-audit takes no more."""
    versions = collections.defaultdict(list)
    for pin in pins:
        versions[pin.partition("==")[0]].append(pin)
    for place in range(max(map(len, versions.values()))):
        yield [of_name[place] for of_name in versions.values() if place < len(of_name)]


def _ask(pins: Sequence[str], osv_url: str) -> list[Known]:
    """Return pip-audit's findings. Raises `NotCheckedError`."""
    with tempfile.TemporaryDirectory() as folder:
        requirements, report = Path(folder, "requirements.txt"), Path(folder, "report.json")
        requirements.write_text("\n".join(pins))
        # No dependencies to find, the lock has all of them; markers are left out, which pip-audit would evaluate.
        argv = [sys.executable, "-m", "pip_audit", f"--requirement={requirements}", "--no-deps", "--disable-pip"]
        argv += ["--strict", "--vulnerability-service=osv", f"--osv-url={osv_url}", "--progress-spinner=off"]
        argv += ["--format=json", "--aliases=on", "--desc=off", f"--output={report}"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        # Its exit code is the same for a known vulnerability and for a failure; only the former has a report.
        if not report.exists():
            raise NotCheckedError((done.stderr.strip() or "pip-audit said nothing").splitlines()[-1])
        dependencies = json.loads(report.read_text())["dependencies"]
    checked = {f"{each['name']}=={each['version']}": each["vulns"] for each in dependencies}
    if missing := set(pins) - checked.keys():
        raise NotCheckedError(f"nothing is said of {', '.join(sorted(missing))}")
    return [
        Known(pin, (vuln["id"], *sorted(vuln["aliases"])), tuple(vuln["fix_versions"]))
        for pin, vulns in sorted(checked.items())
        for vuln in vulns
    ]


if __name__ == "__main__":
    typer.run(main)
