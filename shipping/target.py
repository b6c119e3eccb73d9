"""Where a package is to run: Lambda's runtime and architecture, in pip's words."""

from __future__ import annotations

from dataclasses import dataclass

# The newest Python runtime that Lambda lists (docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html).
RUNTIME_PYTHON = "3.14"

# Lambda's name of an architecture → the wheels' name of it.
MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}

# Amazon Linux 2023, on which all runtimes from Python 3.12 on are built, has glibc 2.34. pip takes each tag by itself,
# so all from there down to the oldest that wheels name are listed; 2014 is another name of 2.17.
_OLDEST_GLIBC = 17
_GLIBC = 34


@dataclass(frozen=True)
class Target:
    """One kind of machine: `architecture` is `x86_64` or `arm64`, `python` such as `3.14`."""

    architecture: str
    python: str = RUNTIME_PYTHON

    @property
    def platforms(self) -> list[str]:
        """Platform tags of the wheels that run there, newest first."""
        machine = MACHINES[self.architecture]
        newest_first = range(_GLIBC, _OLDEST_GLIBC - 1, -1)
        return [f"manylinux_2_{minor}_{machine}" for minor in newest_first] + [f"manylinux2014_{machine}"]

    @property
    def markers(self) -> dict[str, str]:
        """What requirements' conditions are judged by: PEP 508's names."""
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
