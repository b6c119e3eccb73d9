"""`python -m tests.soak.polish [N [PHOTO]]`: polishes 1,000 previews, made under load, while photos are overwritten.

A tenth of the photos is overwritten while previews are being polished, each with its event. At the end each preview has
to be there, of its photo as it is, and polished at most once. The bytes before and after are printed.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pyvips
from aiohttp import ClientSession
from redis import Redis as RedisClient
from rich.console import Console

from benchmarks.photos import jpeg
from devstack.backends import S3, s3_client, start_redis, start_s3
from lambda_resize import cleaner
from prewmanager.adapters.redis.polish_queue import POLISH_KEY_PREFIX
from tests.lambda_resize.bucket_event import eventbridge_event
from tests.support.site import Site

OVERWRITTEN = 10  # each so many-th photo
PER_SECOND = 6.0
SETTINGS = {
    "PREW_POLISH": "true",
    "PREW_MAX_POLISHES_PER_SECOND": "50",
    "PREW_PRESETS__CARD__FORMAT": "auto",
    "PREW_PRESETS__CARD__WIDTH": "720",
    "PREW_PRESETS__CARD__EFFORT": "fast",
}


@dataclass
class Made:
    """What was asked for, and the bytes that the one who waited got, by key and photo."""

    sizes: dict[tuple[str, str], int] = field(default_factory=dict)
    photos: dict[str, str] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)


class Run:
    """One run on a site."""

    def __init__(self, site: Site, s3: S3, number: int, photos: list[bytes]) -> None:
        self._site, self._bucket, self._client = site, s3.bucket, s3_client(s3)
        self._photos = photos
        self.made = Made()
        self.names = [f"soak/{place}.jpg" for place in range(number)]
        self.changed = self.names[::OVERWRITTEN]

    def key(self, name: str) -> str:
        """Return the preview's key: every other one is asked for as WebP."""
        return f"prew/card{'.webp' if self._is_webp(name) else ''}/{name}"

    def _is_webp(self, name: str) -> bool:
        return self.names.index(name) % 2 == 1

    def upload(self, name: str, version: int) -> None:
        """Store a photo that no other name or version has."""
        photo = self._photos[(self.names.index(name) + version) % len(self._photos)]
        comment = f"{name} {version}".encode()
        marked = photo[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + photo[2:]
        stored = self._client.put_object(Bucket=self._bucket, Key=f"photo/{name}", Body=marked)
        self.made.photos[name] = stored["ETag"].strip('"')

    def event(self, name: str) -> None:
        """Have the cleaner handle the event of a photo."""
        cleaner.handler(eventbridge_event(self._bucket, f"photo/{name}"), None)

    async def ask(self, session: ClientSession, name: str) -> None:
        """Ask for a preview, and note its bytes where it was made."""
        accept = "image/webp" if self._is_webp(name) else "image/jpeg"
        photo = self.made.photos[name]
        url = f"{self._site.nginx.url}/prew/card/{name}"
        while True:
            async with session.get(url, headers={"Accept": accept}) as response:
                body = await response.read()
                self.made.statuses[response.status] += 1
                if response.headers.get("X-Preview") == "made":
                    self.made.sizes[self.key(name), photo] = len(body)
            if response.status != HTTPStatus.SERVICE_UNAVAILABLE:
                return
            await asyncio.sleep(1)  # as Retry-After says

    async def ask_for_all(self, session: ClientSession) -> None:
        """Ask for all previews at a steady rate, and for those that are there in between."""
        asking = set()
        for place, name in enumerate(self.names):
            known = random.choice(self.names[: place + 1])
            for each in (name, known):
                asking.add(asyncio.create_task(self.ask(session, each)))
            await asyncio.sleep(1 / PER_SECOND)
        await asyncio.gather(*asking)

    async def overwrite(self, session: ClientSession, within_s: float) -> None:
        """Overwrite a tenth of the photos while previews are being polished; their events come up to a second later."""
        await asyncio.sleep(within_s / 2)
        # In any order: some are polished, some wait, some are being polished.
        for name in random.sample(self.changed, len(self.changed)):
            while self.key(name) not in {key for key, _ in self.made.sizes}:  # noqa: ASYNC110 -- of the other task
                await asyncio.sleep(0.1)
            await asyncio.to_thread(self.upload, name, 1)
            await asyncio.sleep(random.uniform(0, 1))
            await asyncio.to_thread(self.event, name)
            await self.ask(session, name)

    def stored(self, name: str) -> dict[str, Any] | None:
        """Return what S3 says of a preview."""
        try:
            found: dict[str, Any] = self._client.head_object(Bucket=self._bucket, Key=self.key(name))
        except self._client.exceptions.ClientError:
            return None
        return found

    def violations(self) -> list[str]:
        """Return what is not as it has to be."""
        done = Counter(each["key"] for each in self.lines() if each["outcome"] == "done")
        found = []
        for name in self.names:
            head = self.stored(name)
            most = 2 if name in self.changed else 1  # once of each photo
            if head is None:
                found.append(f"{name}: lost")
            elif head["Metadata"]["source-etag"] != self.made.photos[name]:
                found.append(f"{name}: of an earlier photo")
            if done[self.key(name)] > most:
                found.append(f"{name}: polished {done[self.key(name)]} times")
        return found

    def lines(self) -> list[dict[str, Any]]:
        """Return the log's lines about polishing, of all replicas."""
        logs = "".join(self._site.log_of(replica) for replica in range(self._site.replicas)).splitlines()
        return [json.loads(line) for line in logs if '"event":"polish"' in line.replace('": "', '":"')]


def _some_photos(real: str | None) -> list[bytes]:
    """Return eight photos of 1,400 x 1,100: parts of a real one of at least 2,450 x 2,010, or drawn."""
    if real is None:
        return [jpeg(700, 550, seed) for seed in range(1, 9)]
    whole = pyvips.Image.new_from_file(real)
    return [bytes(whole.crop(150 * place, 130 * place, 1400, 1100).jpegsave_buffer(Q=92)) for place in range(8)]


async def _drained(client: RedisClient, key: str, within_s: float) -> int:
    """Wait until nothing waits any more; return how many still do."""
    ends = time.monotonic() + within_s
    while (waiting := int(str(client.zcard(key)))) and time.monotonic() < ends:  # noqa: ASYNC110 -- of another process
        await asyncio.sleep(1)
    return waiting


async def _soak(run: Run, client: RedisClient, key: str) -> int:
    within_s = len(run.names) / PER_SECOND
    for name in run.names:
        run.upload(name, 0)
    async with ClientSession() as session:
        await asyncio.gather(run.ask_for_all(session), run.overwrite(session, within_s))
        left = await _drained(client, key, 600)
        for name in run.changed:  # the second pass of the cleaner
            await asyncio.to_thread(run.event, name)
        for name in run.names:
            if run.stored(name) is None:
                await run.ask(session, name)
    await asyncio.sleep(2)
    return left


def _report(run: Run, left: int, console: Console) -> int:
    """Print what came of it, and return the exit code."""
    fates = Counter(each["outcome"] for each in run.lines())
    done = [each for each in run.lines() if each["outcome"] == "done"]
    heads = {name: run.stored(name) for name in run.names}
    before = {name: run.made.sizes.get((run.key(name), run.made.photos[name])) for name in run.names}
    pairs = {name: (before[name] or 0, head["ContentLength"]) for name, head in heads.items() if head and before[name]}
    polished = sum(1 for head in heads.values() if head and "polished" in head["Metadata"])
    violations = run.violations()
    console.print(
        f"{len(run.names)} previews, {len(run.changed)} photos overwritten meanwhile; answers {dict(run.made.statuses)}"
    )
    console.print(f"polished at the end: {polished}; outcomes: {dict(fates)}; {left} still wait")
    for kind in ("jpg", "webp"):
        of = [pair for name, pair in pairs.items() if (".webp" in run.key(name)) == (kind == "webp")]
        first, last = (sum(pair[side] for pair in of) for side in (0, 1))
        console.print(
            f"{kind}: {first:,} bytes before, {last:,} after ({last / max(first, 1):.3f}), of {len(of)} previews"
        )
    first, last = (sum(pair[side] for pair in pairs.values()) for side in (0, 1))
    console.print(f"all: {first:,} bytes before, {last:,} after ({last / max(first, 1):.3f}); {len(done)} writes")
    console.print(f"violations: {violations or 'none'}")
    return 1 if violations or left else 0


def main() -> int:
    """Run on a site of two replicas with two workers each, and return the exit code."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        redis, s3 = start_redis(folder), start_s3(folder)
        os.environ.update(s3.aws_environment())
        try:
            with (
                Site(folder, s3, redis, replicas=2, settings=SETTINGS) as site,
                RedisClient.from_url(redis.url) as client,
            ):
                os.environ["PREW_SERVICE_URL"] = f"http://127.0.0.1:{site.ports[0]}"
                run = Run(site, s3, number, _some_photos(sys.argv[2] if len(sys.argv) > 2 else None))
                key = f"{POLISH_KEY_PREFIX}{s3.bucket}@127.0.0.1:{s3.port}/prew"
                left = asyncio.run(_soak(run, client, key))
                return _report(run, left, Console(width=160))
        finally:
            redis.program.kill()
            s3.program.kill()


if __name__ == "__main__":
    sys.exit(main())
