"""The photos of the soak: uploaded, overwritten and removed, with their events."""

from __future__ import annotations

import asyncio
import hashlib
from itertools import count
from random import Random
from typing import Any

from aiohttp import ClientError, ClientSession

from devstack.backends import s3_client
from devstack.s3_events.events import to_event
from tests.soak.pictures import Picture
from tests.soak.system import CLEANER, System
from tests.soak.truth import Photo, Version

_RETRY_S = 0.3


class Library:
    """Photos in the bucket, with what they show.

    Attributes:
        stored: Photos whose previews are all stored.
        changing: Photos that are overwritten and removed meanwhile.
        broken: Photos that are no picture.
    """

    def __init__(self, system: System, session: ClientSession, pictures: list[Picture], random: Random) -> None:
        self.pictures = pictures
        self.stored: list[Photo] = []
        self.changing: list[Photo] = []
        self.broken: list[Photo] = []
        self._random = random
        self._system, self._session = system, session
        self._s3 = s3_client(system.s3)
        self._numbers = count(1)

    async def new(self, folder: str, picture: Picture | None = None) -> Photo:
        """Upload a photo under a new name."""
        picture = picture or self._random.choice(self.pictures)
        photo = Photo(f"{folder}/{next(self._numbers)} {picture.name}")
        version = await self.upload(photo, picture)
        # Nobody asked for it before, so that there is nothing to delete.
        version.handled = version.stored
        return photo

    async def upload(self, photo: Photo, picture: Picture | None) -> Version:
        """Store a photo, or remove it."""
        now = asyncio.get_running_loop().time
        version = Version(picture, now())
        photo.versions.append(version)
        await asyncio.to_thread(self._store, f"photo/{photo.name}", picture)
        version.stored = now()
        return version

    async def change(self, photo: Photo, picture: Picture | None) -> None:
        """Upload, overwrite or remove a photo, and return when its event is handled."""
        version = await self.upload(photo, picture)
        event = self._event(photo, picture)
        while not await self._deliver(event):  # noqa: ASYNC110 -- another process has no event
            await asyncio.sleep(_RETRY_S)
        version.handled = asyncio.get_running_loop().time()

    async def _deliver(self, event: dict[str, Any]) -> bool:
        try:
            async with self._session.post(self._system.function.invoke_url(CLEANER), json=event) as answer:
                await answer.read()
                return answer.status == 200 and "X-Amz-Function-Error" not in answer.headers
        except ClientError:
            return False

    def _store(self, key: str, picture: Picture | None) -> None:
        bucket = self._system.s3.bucket
        if picture is None:
            self._s3.delete_object(Bucket=bucket, Key=key)
        else:
            self._s3.put_object(Bucket=bucket, Key=key, Body=picture.data, ContentType="image/jpeg")

    def _event(self, photo: Photo, picture: Picture | None) -> dict[str, Any]:
        """Return the event of S3 that the upload or removal causes."""
        key = f"/buckets/{self._system.s3.bucket}/photo/{photo.name}"
        message = {"old_entry": {"name": photo.name}}
        change = {"event_type": "delete", "key": key, "message": message}
        event = to_event(change) if picture is None else to_event(change | {"event_type": "update"} | _new_entry(photo))
        assert event is not None
        if picture is not None:
            event["detail"]["object"] |= {"etag": hashlib.md5(picture.data, usedforsecurity=False).hexdigest()}
        return event


def _new_entry(photo: Photo) -> dict[str, Any]:
    return {"message": {"new_entry": {"name": photo.name}}}
