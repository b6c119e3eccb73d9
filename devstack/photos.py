"""Loads a folder of photos into the bucket; unchanged photos are not uploaded again."""

from __future__ import annotations

import hashlib
import mimetypes
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from devstack.backends import S3Address, s3_client

_MAX_KEY_BYTES = 1024  # S3's
_THREADS = 4
_TYPES = {".webp": "image/webp", ".avif": "image/avif", ".heic": "image/heic"}  # missing in older Pythons


@dataclass(frozen=True)
class Loaded:
    """The photos now in the bucket, how many were uploaded, and the files whose names cannot be keys."""

    keys: list[str]
    uploaded: int
    skipped: list[str]


def photo_files(folder: Path) -> Iterator[Path]:
    """Return all files in `folder` and below, sorted, except hidden ones."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(names) if not name.startswith("."))


def load_photos(folder: Path, s3: S3Address, keys: str = "photo/", console: Console | None = None) -> Loaded:
    """Store every file of `folder` under its relative path with `keys` before it; a progress bar is on `console`.

    A file is uploaded if the object is missing or differs in size or MD5, which is the ETag of a single-part upload.
    """
    present = _objects(s3, keys)
    stored: list[str] = []
    skipped: list[str] = []
    changed: list[tuple[Path, str]] = []
    for path in photo_files(folder):
        key = f"{keys}{path.relative_to(folder).as_posix()}"
        if not _is_key(key):
            skipped.append(repr(key))
            continue
        stored.append(key)
        if present.get(key) != _size_and_md5(path):
            changed.append((path, key))
    _upload(changed, s3, console)
    return Loaded(stored, len(changed), skipped)


def _is_key(key: str) -> bool:
    try:
        return len(key.encode()) <= _MAX_KEY_BYTES and key.isprintable() and "\\" not in key
    except UnicodeEncodeError:  # a file name that is not UTF-8
        return False


def _objects(s3: S3Address, prefix: str) -> dict[str, tuple[int, str]]:
    pages = s3_client(s3).get_paginator("list_objects_v2").paginate(Bucket=s3.bucket, Prefix=prefix)
    entries = (entry for page in pages for entry in page.get("Contents", []))
    return {entry["Key"]: (entry["Size"], entry["ETag"].strip('"')) for entry in entries}


def _size_and_md5(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _upload(files: list[tuple[Path, str]], s3: S3Address, console: Console | None) -> None:
    if not files:
        return
    client = s3_client(s3)
    with ThreadPoolExecutor(_THREADS) as threads:
        uploads = [threads.submit(_send, client, s3.bucket, path, key) for path, key in files]
        done = as_completed(uploads)
        for upload in track(
            done,
            "loading photos",
            len(files),
            console=console,
            transient=True,
            disable=not (console and console.is_terminal),
        ):
            upload.result()


def _send(client, bucket: str, path: Path, key: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 -- a boto3 client
    kind = _TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    with path.open("rb") as body:
        client.put_object(Bucket=bucket, Key=key, Body=body, ContentType=kind)
