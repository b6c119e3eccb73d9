"""`python -m shipping.sbom`: writes what images and functions' packages contain, as CycloneDX, into `dist/`.

From the locks and production's base images alone. The same input gives the same bytes.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from lambda_resize.settings import SettingsError
from shipping.packages import ROOT, configured, distributions, file_name
from shipping.requirements import Locked, read_lock
from shipping.target import RUNTIME_PYTHON, Target

PRODUCTION = ROOT / "compose.prod.yml"
SCHEMA = SchemaVersion.V1_6

# The lock that each of production's images installs; nginx's installs none.
_LOCKS = {"prewmanager": ROOT / "requirements" / "service.txt", "prewmanager-nginx": None}
_BASE = re.compile(r"(?P<name>[\w./-]+):(?P<tag>[\w.-]+)@sha256:(?P<digest>[0-9a-f]{64})")
_NAMESPACE = uuid.UUID("dd2c81d0-8ba5-4d29-9f3c-6b2c9e1f4a77")


@dataclass(frozen=True)
class Bill:
    """What one image or package contains; `name` is that of its file, without the ending."""

    name: str
    kind: ComponentType
    locked: tuple[Locked, ...]
    base: str = ""


def main(
    folder: Annotated[Path, typer.Option(help="folder for the documents")] = ROOT / "dist",
    edge_config: Annotated[Path, typer.Option(help="JSON file with the edge function's settings")] = ROOT / "edge.json",
) -> None:
    """Write a document for each image and each package."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        bills = [*images(), *packages(edge_config)]
    except SettingsError as error:
        raise SystemExit(f"{edge_config}: {error}") from error
    for bill in bills:
        path = folder / f"{bill.name}.cdx.json"
        path.write_text(document(bill))
        print(f"{path.name:<36} {len(bill.locked):3} packages {bill.base}".rstrip())


def images() -> Iterator[Bill]:
    """Yield the bills of production's images. They are the same for each architecture."""
    for service in yaml.safe_load(PRODUCTION.read_text())["services"].values():
        (base,) = service["build"]["args"].values()
        lock = _LOCKS[service["image"]]
        yield Bill(service["image"], ComponentType.CONTAINER, tuple(_installed(lock, base)) if lock else (), base)


def _installed(lock: Path, base: str) -> list[Locked]:
    """Return what an image installs from a lock, by the Python of its base: `python:3.13-slim`."""
    python = base.partition(":")[2].partition("-")[0]
    return read_lock(lock, Target("x86_64", python))


def packages(edge_config: Path) -> Iterator[Bill]:
    """Yield the bills of the functions' packages. Raises `SettingsError`."""
    for package in configured(edge_config):
        for architecture in package.architectures:
            target = Target(architecture, RUNTIME_PYTHON)
            name = file_name(package, target).removesuffix(".zip")
            yield Bill(name, ComponentType.APPLICATION, tuple(distributions(package, target)))


def document(bill: Bill) -> str:
    """Return the CycloneDX document. Raises `ValueError` if it does not fit its schema."""
    parts = [_distribution(each) for each in bill.locked] + ([_image(bill.base)] if bill.base else [])
    whole = Component(name=bill.name, version=_version(), type=bill.kind, bom_ref=bill.name)
    bom = Bom(components=parts, serial_number=_serial_number(bill))
    bom.metadata.component = whole
    metadata: Any = bom.metadata
    metadata.timestamp = None  # the library's default is now, which would be the only change from run to run
    bom.register_dependency(whole, parts)
    text = str(make_outputter(bom, OutputFormat.JSON, SCHEMA).output_as_string(indent=2)) + "\n"
    if invalid := JsonStrictValidator(SCHEMA).validate_str(text):
        raise ValueError(f"{bill.name}: {invalid}")
    return text


def _distribution(locked: Locked) -> Component:
    """Return a package of PyPI. Which of the archives with these hashes is installed depends on the platform."""
    purl = PackageURL("pypi", None, locked.name, locked.version)
    archives = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(str(purl)),
        comment="one of the archives with these hashes",
        hashes=_hashes(each.rpartition(":")[2] for each in locked.hashes),
    )
    return Component(
        name=locked.name,
        version=locked.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=str(purl),
        external_references=[archives],
    )


def _image(reference: str) -> Component:
    """Return a base image of Docker Hub, as `name:tag@sha256:…`; the digest is that of all architectures' index."""
    found = _BASE.fullmatch(reference)
    if found is None:
        raise ValueError(f"{reference} is not name:tag@sha256:digest")
    where = {"repository_url": f"docker.io/library/{found['name']}", "tag": found["tag"]}
    purl = PackageURL("oci", None, found["name"], f"sha256:{found['digest']}", where)
    return Component(
        name=found["name"],
        version=found["tag"],
        type=ComponentType.CONTAINER,
        purl=purl,
        bom_ref=str(purl),
        hashes=_hashes([found["digest"]]),
    )


def _hashes(sha256: Iterable[str]) -> list[HashType]:
    return [HashType(alg=HashAlgorithm.SHA_256, content=each) for each in sha256]


def _serial_number(bill: Bill) -> uuid.UUID:
    """Return a number that is another one for other contents."""
    return uuid.uuid5(_NAMESPACE, "\n".join([bill.name, _version(), bill.base, *(each.line for each in bill.locked)]))


def _version() -> str:
    """Return the project's version; what is shipped does not import the service."""
    (version,) = re.findall(r'^__version__ = "(.+)"$', (ROOT / "prewmanager" / "__init__.py").read_text(), re.MULTILINE)
    return str(version)


if __name__ == "__main__":
    typer.run(main)
