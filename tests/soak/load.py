"""Mixed load: a number of clients, each of which does one thing after another until the end."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from random import Random

from tests.soak.clients import STORED, Clients, photo_request, preview_request
from tests.soak.library import Library
from tests.soak.pictures import VARIANTS, damaged
from tests.soak.truth import Photo, Request

BURST = "burst"
_BURST = 25
_CROWD = 200
_STORED = 6
_CHANGING = 4
_CHANGE_EVERY_S = 2.0
_REMOVED = 0.2  # the share of changes
_PAUSE_S = 0.2
_BAD_PATHS = {
    "/prew/nope/a.jpg": 404,
    "/prew/card/": 400,
    "/prew/card/a%2f%2e%2e%2fb.jpg": 400,
    "/prew/card/a//b.jpg": 400,
    "/nope": 404,
    "/-/metrics": 404,
}


class Load:
    """What clients do."""

    def __init__(self, clients: Clients, library: Library, random: Random) -> None:
        self._clients, self._library, self._random = clients, library, random
        self._broken = damaged()
        # How often each is done, by weight.
        self._deeds: dict[Callable[[], Awaitable[object]], float] = {
            self._existing: 30,
            self._conditional: 10,
            self._part: 10,
            self._head: 5,
            self._photo: 8,
            self._missing_preview: 14,
            self._burst: 4,
            self._crowd: 0.5,
            self._missing_photo: 6,
            self._damaged_photo: 4,
            self._changing_photo: 12,
            self._late_upload: 2,
            self._bad_path: 4,
            self._leaver: 6,
            self._slow_reader: 3,
            self._half_a_request: 1,
        }

    async def prepare(self) -> None:
        """Upload photos, and have the previews rendered that the load expects to exist."""
        library = self._library
        library.stored += [await library.new(STORED) for _ in range(_STORED)]
        library.changing += [await library.new("changing") for _ in range(_CHANGING)]
        library.broken += [await library.new("broken", picture) for picture in self._broken]
        requests = [preview_request("first", photo, name) for photo in library.stored for name in VARIANTS]
        for request in requests:
            await self._clients.send(request)

    async def run(self, count: int, done: asyncio.Event) -> None:
        """Let `count` clients work until the event, and finish what they began."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._change_photos(done))
            for _ in range(count):
                group.create_task(self._client(done))

    async def _client(self, done: asyncio.Event) -> None:
        while not done.is_set():
            (deed,) = self._random.choices(list(self._deeds), list(self._deeds.values()))
            await deed()
            await asyncio.sleep(self._random.uniform(0, _PAUSE_S))

    async def _change_photos(self, done: asyncio.Event) -> None:
        while not done.is_set():
            await asyncio.sleep(self._random.uniform(0.5, 1.5) * _CHANGE_EVERY_S)
            picture = None if self._random.random() < _REMOVED else self._random.choice(self._library.pictures)
            await self._library.change(self._random.choice(self._library.changing), picture)

    def _variant(self) -> str:
        return self._random.choice(list(VARIANTS))

    def _stored(self) -> Photo:
        return self._random.choice(self._library.stored)

    async def _existing(self) -> None:
        await self._clients.send(preview_request("existing", self._stored(), self._variant()))

    async def _head(self) -> None:
        photo = self._stored() if self._random.random() < 0.8 else await self._library.new("head")
        await self._clients.send(preview_request("head", photo, self._variant(), "HEAD"))

    async def _conditional(self) -> None:
        """Ask with the ETag of a preview, and for one of four with another's."""
        photo, variant = self._stored(), self._variant()
        picture = photo.versions[-1].picture
        assert picture is not None
        body = self._random.choice(sorted(picture.previews[variant]))
        etag = hashlib.md5(body if self._random.random() < 0.75 else b"", usedforsecurity=False).hexdigest()
        await self._clients.send(preview_request("conditional", photo, variant, If_None_Match=f'"{etag}"'))

    async def _part(self) -> None:
        first = self._random.randrange(0, 4_000)
        asked = self._random.choice([f"bytes={first}-{first + 500}", f"bytes={first}-", "bytes=-300", "bytes=0-0"])
        if self._random.random() < 0.3:
            await self._clients.send(photo_request("part", self._stored(), Range=asked))
        else:
            await self._clients.send(preview_request("part", self._stored(), self._variant(), Range=asked))

    async def _photo(self) -> None:
        await self._clients.send(photo_request("photo", self._stored()))

    async def _missing_preview(self) -> None:
        photo = await self._library.new("new")
        await self._clients.send(preview_request("missing preview", photo, self._variant()))

    async def _burst(self, count: int = _BURST) -> None:
        request = preview_request(BURST, await self._library.new("burst"), self._variant())
        await asyncio.gather(*(self._clients.send(request) for _ in range(count)))

    async def _crowd(self) -> None:
        await self._burst(_CROWD)

    async def _missing_photo(self) -> None:
        photo = Photo(f"none/{self._random.randrange(10**9)}.jpg")
        await self._clients.send(
            self._random.choice(
                [preview_request("missing photo", photo, self._variant()), photo_request("missing photo", photo)]
            )
        )

    async def _damaged_photo(self) -> None:
        fresh = self._random.random() < 0.5
        photo = (
            await self._library.new("broken", self._random.choice(self._broken))
            if fresh
            else self._random.choice(self._library.broken)
        )
        await self._clients.send(preview_request("damaged photo", photo, self._variant()))

    async def _changing_photo(self) -> None:
        photo = self._random.choice(self._library.changing)
        if self._random.random() < 0.2:
            await self._clients.send(photo_request("changing photo", photo))
        else:
            await self._clients.send(preview_request("changing photo", photo, self._variant()))

    async def _late_upload(self) -> None:
        """Upload a photo right after its preview was asked for, and ask again."""
        photo = Photo(f"late/{self._random.randrange(10**9)}.jpg")
        request = preview_request("uploaded late", photo, self._variant())
        await self._clients.send(request)
        await self._library.change(photo, self._random.choice(self._library.pictures))
        await self._clients.send(request)

    async def _bad_path(self) -> None:
        path, status = self._random.choice(list(_BAD_PATHS.items()))
        method = self._random.choice(["GET", "GET", "POST"])
        await self._clients.send(Request("bad", path, method=method, statuses=[status if method == "GET" else 405]))

    async def _leaver(self) -> None:
        request = preview_request("left by another", await self._library.new("left"), self._variant())
        await self._clients.leave(request, self._random.uniform(0.001, 0.3))
        await self._clients.send(request)

    async def _slow_reader(self) -> None:
        await self._clients.read_slowly(preview_request("slow reader", self._stored(), "large"))

    async def _half_a_request(self) -> None:
        await self._clients.half_a_request(self._random.uniform(0.1, 3))
