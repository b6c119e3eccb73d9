"""Copies of photos under fresh names, whose previews are missing without any preview being deleted."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import PurePosixPath

from devstack.backends import S3Address, s3_client

# A hidden folder: `load_photos` stores nothing there, so everything in it is a copy.
FOLDER = ".burst"
_LIST_LIMIT = 200


class NoPhoto(LookupError):
    """The bucket has no photo to copy."""


class Copies:
    """Makes copies in one bucket, and deletes them with their previews."""

    def __init__(self, s3: S3Address, keys: str, preview: str) -> None:
        """Photos' keys begin with `keys`, which ends with a slash or is empty, those of previews with `preview`."""
        self._client = s3_client(s3)
        self._bucket = s3.bucket
        self._keys = keys
        self._preview = preview

    @contextlib.asynccontextmanager
    async def fresh(self, preset: str) -> AsyncIterator[str]:
        """Yield the key of a preview that was never requested. Raises `NoPhoto`.

        Afterwards all copies are deleted, also those of a process that was killed, with their previews in this preset.
        """
        try:
            yield await asyncio.to_thread(self._copy, preset)
        finally:
            await asyncio.to_thread(self._delete_copies, preset)

    def _copy(self, preset: str) -> str:
        photo = self._photo()
        name = f"{FOLDER}/{secrets.token_hex(8)}{PurePosixPath(photo).suffix}"
        source = {"Bucket": self._bucket, "Key": photo}
        self._client.copy_object(Bucket=self._bucket, Key=f"{self._keys}{name}", CopySource=source)
        return f"{self._preview}/{preset}/{name}"

    def _photo(self) -> str:
        """Return the largest JPEG of the first photos, else the largest photo: it takes longest to resize."""
        listed = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._keys, MaxKeys=_LIST_LIMIT)
        no_photos = f"{self._keys}{FOLDER}/", f"{self._preview}/"
        photos = [each for each in listed.get("Contents", []) if not each["Key"].startswith(no_photos) and each["Size"]]
        jpegs = [each for each in photos if each["Key"].lower().endswith((".jpg", ".jpeg"))]
        if not photos:
            raise NoPhoto
        largest: str = max(jpegs or photos, key=lambda each: each["Size"])["Key"]
        return largest

    def _delete_copies(self, preset: str) -> None:
        for prefix in (f"{self._keys}{FOLDER}/", f"{self._preview}/{preset}/{FOLDER}/"):
            listed = self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix)
            for each in listed.get("Contents", []):
                self._client.delete_object(Bucket=self._bucket, Key=each["Key"])
