"""Reads from the lock file the distributions that a target needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from shipping.target import Target

_HASH = re.compile(r"--hash=\S+")


@dataclass(frozen=True)
class Locked:
    """One distribution: `pin` is `name==version`, `hashes` are pip's options."""

    name: str
    pin: str
    hashes: tuple[str, ...]

    @property
    def version(self) -> str:
        """The one version that the pin allows."""
        return self.pin.partition("==")[2]

    @property
    def line(self) -> str:
        """The line for pip."""
        return " ".join([self.pin, *self.hashes])


def read_lock(path: Path, target: Target | None = None) -> list[Locked]:
    """Return the distributions in a lock file of pip's format that `target` needs; without one, all of them.

    Environment markers are evaluated here: pip would evaluate them for its own interpreter instead of the target, and
    the package would depend on where it is built.
    """
    return sorted(_needed(path.read_text(), target), key=lambda locked: locked.name)


def _needed(text: str, target: Target | None) -> Iterator[Locked]:
    for block in text.replace("\\\n", " ").splitlines():
        written = block.partition("#")[0].strip()
        if not written:
            continue
        requirement = Requirement(_HASH.sub("", written).strip())
        if not (target and requirement.marker) or requirement.marker.evaluate(target.markers):
            pin = f"{requirement.name}{requirement.specifier}"
            yield Locked(canonicalize_name(requirement.name), pin, tuple(_HASH.findall(written)))
