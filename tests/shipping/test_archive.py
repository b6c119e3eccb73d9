"""The zip archives: reproducible, and within Lambda's limits."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from shipping import archive
from shipping.archive import MAX_UNZIPPED_BYTES, MAX_ZIPPED_BYTES, Sizes, TooLargeError


def test_neither_the_order_of_files_nor_the_clock_changes_the_archive(tmp_path: Path) -> None:
    first = archive.write(tmp_path / "1.zip", {"a.py": b"a", "b.py": b"b"})
    second = archive.write(tmp_path / "2.zip", {"b.py": b"b", "a.py": b"a"})

    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    assert first == second
    assert (first.files, first.unzipped) == (2, 2)


def test_everybody_may_read_it_and_libraries_are_executable(tmp_path: Path) -> None:
    """Lambda unpacks it as one user and runs the function as another."""
    archive.write(tmp_path / "1.zip", {"a.py": b"", "libs/lib.so.42": b""})
    with zipfile.ZipFile(tmp_path / "1.zip") as made:
        modes = {entry.filename: stat.filemode(entry.external_attr >> 16) for entry in made.infolist()}

    assert modes == {"a.py": "-rw-r--r--", "libs/lib.so.42": "-rwxr-xr-x"}


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        (Sizes(1, MAX_ZIPPED_BYTES + 1, 1), "50.0 MB zipped, Lambda takes 50 MB"),
        (Sizes(1, 1, MAX_UNZIPPED_BYTES + 1), "250.0 MB unzipped, Lambda takes 250 MB"),
    ],
)
def test_each_limit_of_lambda_is_enforced(sizes: Sizes, says: str) -> None:
    with pytest.raises(TooLargeError, match=says):
        sizes.check()


def test_the_limits_themselves_are_allowed() -> None:
    Sizes(1, MAX_ZIPPED_BYTES, MAX_UNZIPPED_BYTES).check()
