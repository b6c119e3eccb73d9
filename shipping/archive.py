"""Reproducible zip archives, within Lambda's limits."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
# docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html; Lambda@Edge has the same zip limit on origin events.
MAX_ZIPPED_BYTES = 50 * MIB
MAX_UNZIPPED_BYTES = 250 * MIB

_TIME = (1980, 1, 1, 0, 0, 0)  # the format's earliest
_UNIX = 3
_FILE = 0o100644
_LIBRARY = 0o100755


class TooLargeError(Exception):
    """The package exceeds a limit of Lambda."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of one package, in bytes."""

    files: int
    zipped: int
    unzipped: int

    def check(self) -> None:
        """Raise `TooLargeError` if one exceeds Lambda's limit."""
        for what, size, limit in (
            ("zipped", self.zipped, MAX_ZIPPED_BYTES),
            ("unzipped", self.unzipped, MAX_UNZIPPED_BYTES),
        ):
            if size > limit:
                raise TooLargeError(f"{size / MIB:.1f} MB {what}, Lambda takes {limit / MIB:.0f} MB")


def write(path: Path, files: Mapping[str, bytes]) -> Sizes:
    """Write `files` (name → content) as a zip: sorted, with one fixed time, readable by everybody."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.create_system = _UNIX
            # Lambda unpacks the archive as one user and runs the function as another.
            entry.external_attr = (_LIBRARY if ".so" in name else _FILE) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    return Sizes(len(files), path.stat().st_size, sum(map(len, files.values())))
