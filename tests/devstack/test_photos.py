"""Loading a folder into the real S3."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from devstack.backends import S3, s3_client
from devstack.photos import load_photos
from tests.support.many_objects import put_many

UNUSUAL = "имя с пробелом + 100% #1?.avif"  # noqa: RUF001 -- the letters that people use


@pytest.fixture(name="prefix")
def _prefix() -> str:
    """What one test's keys in the shared bucket begin with."""
    return f"{uuid.uuid4().hex}/"


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "nested/more/b.webp", UNUSUAL, ".hidden/c.jpg", ".d.jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "photos"


def test_each_file_but_hidden_ones_becomes_an_object_of_its_type(s3: S3, folder: Path, prefix: str) -> None:
    loaded = load_photos(folder, s3, prefix)
    objects = [s3_client(s3).get_object(Bucket=s3.bucket, Key=key) for key in loaded.keys]

    names = ["a.jpg", UNUSUAL, "nested/more/b.webp"]
    assert [f"{prefix}{name}" for name in names] == loaded.keys
    assert [name.encode() for name in names] == [each["Body"].read() for each in objects]
    assert [each["ContentType"] for each in objects] == ["image/jpeg", "image/avif", "image/webp"]


def test_only_new_and_changed_files_are_uploaded(s3: S3, folder: Path, prefix: str) -> None:
    """A changed file of the same size counts as changed."""
    load_photos(folder, s3, prefix)
    unchanged = load_photos(folder, s3, prefix)
    (folder / "a.jpg").write_bytes(b"b.jpg")
    (folder / "new.jpg").write_bytes(b"new")
    changed = load_photos(folder, s3, prefix)
    body = s3_client(s3).get_object(Bucket=s3.bucket, Key=f"{prefix}a.jpg")["Body"].read()

    assert (unchanged.uploaded, changed.uploaded, body) == (0, 2, b"b.jpg")


def test_objects_beyond_the_first_page_of_the_listing_are_recognised(s3: S3, tmp_path: Path, prefix: str) -> None:
    names = [f"{number:04}.jpg" for number in range(1005)]
    put_many(s3, s3.bucket, (f"{prefix}{name}" for name in names), body=b"x")
    for name in [*names, "9999.jpg"]:
        (tmp_path / name).write_bytes(b"x")
    loaded = load_photos(tmp_path, s3, prefix)

    assert (len(loaded.keys), loaded.uploaded) == (1006, 1)


@pytest.mark.parametrize("name", [b"\xff.jpg", b"line\nbreak.jpg", b"back\\slash.jpg"])
def test_an_invalid_name_is_reported_and_left_out(s3: S3, folder: Path, prefix: str, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(b"x")
    loaded = load_photos(folder, s3, prefix)

    assert (len(loaded.skipped), len(loaded.keys), loaded.uploaded) == (1, 3, 3)


def test_a_key_that_is_too_long_is_left_out(s3: S3, folder: Path, prefix: str) -> None:
    """S3's limit of 1024 bytes includes the prefix."""
    deep = folder / ("я" * 120) / ("я" * 120) / ("я" * 120) / ("я" * 120)
    deep.mkdir(parents=True)
    (deep / f"{'я' * 40}.jpg").write_bytes(b"x")

    assert len(load_photos(folder, s3, prefix).skipped) == 1
