"""The target of a package: Lambda's runtime and architecture, in pip's terms."""

from __future__ import annotations

from dataclasses import dataclass

# The newest Python runtime that Lambda lists (docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html).
RUNTIME_PYTHON = "3.14"

# Architectures: Lambda's name → that in wheel tags.
MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}

# Amazon Linux 2023, the base of all runtimes since Python 3.12, has glibc 2.34. pip accepts only the listed tags, so
# the list has all from there down to the oldest in use; 2014 is an alias of 2.17.
_OLDEST_GLIBC = 17
_GLIBC = 34


@dataclass(frozen=True)
class Target:
    """A kind of machine: `architecture` is `x86_64` or `arm64`, `python` a version such as `3.14`."""

    architecture: str
    python: str = RUNTIME_PYTHON

    @property
    def platforms(self) -> list[str]:
        """Platform tags of compatible wheels, newest first."""
        machine = MACHINES[self.architecture]
        newest_first = range(_GLIBC, _OLDEST_GLIBC - 1, -1)
        return [f"manylinux_2_{minor}_{machine}" for minor in newest_first] + [f"manylinux2014_{machine}"]

    @property
    def markers(self) -> dict[str, str]:
        """The target's values of the environment markers of PEP 508."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": MACHINES[self.architecture],
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }
