"""Purges nginx's cache by deleting its files, since nginx itself has no purge.

A file is named by the MD5 of its cache key and contains the key: the object's, not percent-encoded. nginx treats a
deleted file as a miss. It holds the files of hits open for a second, and reads their header for each hit: with
a version in it that nginx does not know, the first eight bytes, a file is a miss as well.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from prewmanager.errors import CacheUnavailable
from prewmanager.previews.inventory import Wanted

_NAME = re.compile(r"^[0-9a-f]{32}$")
# The key follows nginx's own header of some 350 bytes; a key has at most 1,024 bytes.
_KEY = re.compile(rb"\nKEY: ([^\n]*)\n")
_HEAD_BYTES = 4096
_NO_VERSION = bytes(8)  # ngx_http_file_cache_header_t begins with it, in a machine word


class NginxCache:
    """The cache in one folder, `cache` below `PREW_NGINX_STATE_PATH`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def count(self, wanted: Wanted) -> int:
        """Count the copies of the selected objects. Raises `CacheUnavailable`."""
        return sum(1 for _ in self._files(wanted))

    def purge(self, wanted: Wanted) -> int:
        """Delete these copies and return their number. Raises `CacheUnavailable`."""
        count = 0
        for path in self._files(wanted):
            try:
                _delete(path)
            except OSError as error:
                raise CacheUnavailable(f"{path}: {error.strerror}: run this as nginx's user") from error
            count += 1
        return count

    def _files(self, wanted: Wanted) -> Iterator[Path]:
        if not self._folder.is_dir():
            raise CacheUnavailable(
                f"{self._folder}: folder not found; nginx's cache is the folder `cache` in PREW_NGINX_STATE_PATH"
            )
        for parent, _, names in os.walk(self._folder):
            for path in (Path(parent, name) for name in names if _NAME.match(name)):
                key = _key(path)
                if key is not None and wanted(key):
                    yield path


def _delete(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError), path.open("r+b", buffering=0) as file:
        file.write(_NO_VERSION)
    path.unlink(missing_ok=True)


def _key(path: Path) -> str | None:
    """Return a file's cache key; None if the file is gone by now, or not one of the cache."""
    try:
        with path.open("rb") as file:
            found = _KEY.search(file.read(_HEAD_BYTES))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CacheUnavailable(f"{path}: {error.strerror}: run this as nginx's user") from error
    return None if found is None else found[1].decode(errors="replace")
