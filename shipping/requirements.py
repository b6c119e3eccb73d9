"""The lock file as blocks, one for each distribution, and which of them a target needs."""

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
    """One distribution: `pin` as `name==version`, `hashes` as pip's options."""

    name: str
    pin: str
    hashes: tuple[str, ...]

    @property
    def line(self) -> str:
        """It as a line for pip."""
        return " ".join([self.pin, *self.hashes])


def read_lock(path: Path, target: Target) -> list[Locked]:
    """What `target` needs of a lock file in pip's format.

    Conditions are evaluated here: pip evaluates them for the interpreter that runs it, not for the target, so the
    package would depend on where it is built.
    """
    return sorted(_needed(path.read_text(), target), key=lambda locked: locked.name)


def _needed(text: str, target: Target) -> Iterator[Locked]:
    for block in text.replace("\\\n", " ").splitlines():
        written = block.partition("#")[0].strip()
        if not written:
            continue
        requirement = Requirement(_HASH.sub("", written).strip())
        if requirement.marker is None or requirement.marker.evaluate(target.markers):
            pin = f"{requirement.name}{requirement.specifier}"
            yield Locked(canonicalize_name(requirement.name), pin, tuple(_HASH.findall(written)))
