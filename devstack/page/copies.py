"""Photos under names of their own, so that a preview is missing without anybody's being deleted."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import PurePosixPath

from devstack.backends import S3Address, s3_client

# A hidden folder: `load_photos` never puts anything there, so everything in it is a copy.
FOLDER = ".herd"
_LISTED = 200


class NoPhoto(LookupError):
    """The bucket has no photo to be copied."""


class Copies:
    """Makes copies in one bucket, and deletes them with their previews."""

    def __init__(self, s3: S3Address, source: str, preview: str) -> None:
        """`source` and `preview` are the first path segments of photos and previews."""
        self._client = s3_client(s3)
        self._bucket = s3.bucket
        self._source = source
        self._preview = preview

    @contextlib.asynccontextmanager
    async def fresh(self, preset: str) -> AsyncIterator[str]:
        """The key of a preview that nobody ever asked for. Raises `NoPhoto`.

        Copies that an earlier process left behind are deleted as well, with their previews in this preset.
        """
        try:
            yield await asyncio.to_thread(self._copy, preset)
        finally:
            await asyncio.to_thread(self._sweep, preset)

    def _copy(self, preset: str) -> str:
        photo = self._photo()
        name = f"{FOLDER}/{secrets.token_hex(8)}{PurePosixPath(photo).suffix}"
        source = {"Bucket": self._bucket, "Key": photo}
        self._client.copy_object(Bucket=self._bucket, Key=f"{self._source}/{name}", CopySource=source)
        return f"{self._preview}/{preset}/{name}"

    def _photo(self) -> str:
        """The largest JPEG among the first photos, which takes longest to scale; any photo where there is none."""
        listed = self._client.list_objects_v2(Bucket=self._bucket, Prefix=f"{self._source}/", MaxKeys=_LISTED)
        photos = [each for each in listed.get("Contents", []) if f"/{FOLDER}/" not in each["Key"] and each["Size"]]
        jpegs = [each for each in photos if each["Key"].lower().endswith((".jpg", ".jpeg"))]
        if not photos:
            raise NoPhoto
        largest: str = max(jpegs or photos, key=lambda each: each["Size"])["Key"]
        return largest

    def _sweep(self, preset: str) -> None:
        for prefix in (f"{self._source}/{FOLDER}/", f"{self._preview}/{preset}/{FOLDER}/"):
            listed = self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix)
            for each in listed.get("Contents", []):
                self._client.delete_object(Bucket=self._bucket, Key=each["Key"])
