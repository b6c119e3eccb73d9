"""Which files go into a package."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from shipping import contents


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("pyvips/vimage.py", True),
        ("pyvips/vimage.pyi", False),
        ("obstore/_obstore.abi3.so", True),
        ("pyvips_binary.libs/libvips-e42572c0.so.42", True),
        ("cffi/parse_c_type.h", False),
        ("pycparser/_c_ast.cfg", True),
        ("pyvips/__pycache__/vimage.cpython-314.pyc", False),
        ("numpy/tests/test_it.py", False),
        ("cffi-2.1.1.dist-info/METADATA", True),
        ("cffi-2.1.1.dist-info/licenses/LICENSE", True),
        ("cffi-2.1.1.dist-info/RECORD", False),
        ("obstore/py.typed", False),
    ],
)
def test_code_libraries_licences_and_the_version_are_kept(name: str, kept: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    assert contents.is_kept(name) is kept


def test_a_wheel_and_a_source_archive_become_what_would_be_installed(tmp_path: Path) -> None:
    wheel = tmp_path / "one-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as written:
        written.writestr("one/__init__.py", "1")
        written.writestr("one-1.0.dist-info/RECORD", "")
    source = tmp_path / "two-2.0.tar.gz"
    with tarfile.open(source, "w:gz") as packed:
        for name in ("setup.py", "two/__init__.py", "tests/test_two.py", "LICENSE.txt"):
            entry = tarfile.TarInfo(f"two-2.0/{name}")
            entry.size = len(name)
            packed.addfile(entry, io.BytesIO(name.encode()))

    assert contents.of_archives([wheel, source]) == {
        "one/__init__.py": b"1",
        "two/__init__.py": b"two/__init__.py",
        "two-2.0.dist-info/licenses/LICENSE.txt": b"LICENSE.txt",
    }


def test_two_parts_with_the_same_file_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"in two parts: a\.py"):
        contents.merged({"a.py": b"1"}, {"a.py": b"2", "b.py": b""})
