"""Photos where they are: below other keys than their paths, or at the bucket's root, by every way of rendering."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from devstack.backends import S3, Events, Redis, s3_client, start_s3
from devstack.functions import CLEANER, CLEANER_HANDLER, RESIZE_HANDLER, start_s3_events
from devstack.lambda_server import Lambda, start_lambda
from devstack.programs import LOOPBACK, free_ports
from tests.commands.fork_server import ForkServer
from tests.lambda_resize.pictures import encode
from tests.support.asking import Answer
from tests.support.site import FUNCTION, ROOT, Site

NAME = "2026/11/a.jpg"


@dataclass(frozen=True)
class Place:
    """Where the photos are, whether nginx has a cache, and whether a function renders, or worker processes."""

    keys: str
    cache: str
    by_function: bool


EVERY = [
    Place(keys, cache, lambda_)
    for keys in ("wp-content/uploads/", "/")
    for cache in ("on", "off")
    for lambda_ in (True, False)
]
FEW = [Place("wp-content/uploads/", "off", by_function=False), Place("/", "on", by_function=True)]
PLACES = EVERY if os.environ.get("PREW_TEST_PLACES") else FEW


class Placed:
    """A site whose photos are at a place, with a cleaner."""

    def __init__(self, site: Site, place: Place, cleaner: Lambda, command_line: ForkServer) -> None:
        self.site = site
        self.nginx_cache = [f"--nginx-cache={site.nginx.access_log.parent}/state/cache"] if place.cache == "on" else []
        self.keys = place.keys.removeprefix("/")
        self._cleaner = cleaner
        self._command_line = command_line
        self._client = s3_client(site.s3)

    def put(self, grey: int) -> bytes:
        """Overwrite the photo, and return when its previews are cleaned."""
        body = encode(Image.new("L", (800, 400), grey), "JPEG", quality=95)
        before = self._cleaned()
        self._client.put_object(Bucket=self.site.s3.bucket, Key=f"{self.keys}{NAME}", Body=body)
        self._cleaner.program.wait_ready(lambda: self._cleaned() > before)
        return body

    def delete(self) -> None:
        """Remove the photo, and return when its previews are cleaned."""
        before = self._cleaned()
        self._client.delete_object(Bucket=self.site.s3.bucket, Key=f"{self.keys}{NAME}")
        self._cleaner.program.wait_ready(lambda: self._cleaned() > before)

    def stored(self) -> set[str]:
        """Return all keys of the bucket."""
        listed = self._client.list_objects_v2(Bucket=self.site.s3.bucket).get("Contents", [])
        return {each["Key"] for each in listed}

    def becomes(self, path: str, status: int, grey: int | None = None) -> Answer:
        """Return what nginx answers, once it is that: its cache keeps a copy for a second."""

        def is_so() -> bool:
            answer = self.site.get(path)
            return answer.status == status and (grey is None or _grey(answer.body) == grey)

        self._cleaner.program.wait_ready(is_so)
        return self.site.get(path)

    def from_s3(self, path: str) -> Answer:
        """Return what nginx answers, once that is S3's answer: its cache knows for a second what was not there."""
        self._cleaner.program.wait_ready(lambda: self.site.get(path).headers["X-Preview"] is None)
        return self.site.get(path)

    def run(self, *arguments: str, **changed: str) -> list[dict[str, Any]]:
        """Run a command that succeeds, and return the documents that it prints."""
        done = self._command_line.run([*arguments, "--json"], self.site.environment | changed)
        assert done.returncode == 0, done.stdout + done.stderr
        try:
            whole = json.loads(done.stdout)
        except ValueError:
            whole = [json.loads(line) for line in done.stdout.splitlines()]
        return whole if isinstance(whole, list) else [whole]

    def _cleaned(self) -> int:
        stats = self._cleaner.stats()
        return 0 if stats["in_flight"] else int(stats["by_function"].get(CLEANER, 0))


def _grey(body: bytes) -> int:
    return round(Image.open(io.BytesIO(body)).convert("L").crop((50, 50, 51, 51)).tobytes()[0] / 10) * 10


@pytest.fixture(scope="module", name="command_line")
def _command_line() -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture(scope="module", name="placed", params=PLACES, ids=str)
def _placed(
    request: pytest.FixtureRequest,
    command_line: ForkServer,
    redis_server: Redis,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Placed]:
    place: Place = request.param
    folder = tmp_path_factory.mktemp("placed")
    port, service_port = free_ports(2)
    s3 = start_s3(folder, bucket="placed", events=Events(f"http://{LOOPBACK}:{port}/", ""))
    settings = {"PREW_SOURCE_KEYS": place.keys, "PREW_SERVICE_URL": f"http://{LOOPBACK}:{service_port}"}
    functions = _functions(folder, s3, settings)
    events = start_s3_events(folder, functions, port, places=settings)
    cache = {"PREW_NGINX_CACHE": place.cache, "PREW_NGINX_CACHE_SIZE": "10m", "PREW_NGINX_CACHE_VALID": "1s"}
    function = functions if place.by_function else None
    del settings["PREW_SERVICE_URL"]
    with Site(
        folder, s3, redis_server, function, settings=settings, nginx_variables=cache, ports=[service_port]
    ) as site:
        yield Placed(site, place, functions, command_line)
    for program in (events, functions.program):
        program.stop()
    s3.program.kill()


def _functions(folder: Path, s3: S3, variables: dict[str, str]) -> Lambda:
    handlers = {FUNCTION: RESIZE_HANDLER, CLEANER: CLEANER_HANDLER}
    options = ("--concurrency=2", "--queue-wait=10", "--timeout=10", f"--task-root={ROOT}")
    return start_lambda(folder, handlers, *options, env=os.environ | s3.aws_environment() | variables)


@pytest.mark.timeout(120)
def test_a_photo_is_served_previewed_cleaned_and_kept_by_every_command(placed: Placed) -> None:
    photo = placed.put(50)
    previews = {f"prew/{preset}/{NAME}" for preset in ("thumb", "card", "square")}
    path = f"/prew/card/{NAME}"

    assert placed.site.get(f"/photo/{NAME}").body == photo
    made = placed.site.get(path)
    assert (made.status, made.headers["X-Preview"], _grey(made.body)) == (200, "made", 50)
    assert placed.site.written(f"prew/card/{NAME}")["Body"] == made.body
    assert placed.from_s3(path).body == made.body

    (*_, warmed) = placed.run("warm")
    assert [each["photos"] for each in warmed["presets"]] == [1] * 3
    assert placed.stored() == {f"{placed.keys}{NAME}", *previews}
    findings = placed.run("doctor", "--url", placed.site.nginx.url)
    photos = next(each for each in findings if each["check"] == "nginx: photos from S3")
    assert (photos["state"], photos["detail"]) == ("ok", f"{placed.keys}{NAME}")

    changed = {"PREW_PRESETS__CARD__WIDTH": "600"}
    (*_, repaired) = placed.run("stale", "--fix", **changed)
    assert (repaired["done"], repaired["left"]) == ({"made": 1}, 0)
    (*_, repaired) = placed.run("stale", "--fix")
    assert repaired["done"] == {"made": 1}

    placed.put(200)
    assert placed.stored() == {f"{placed.keys}{NAME}"}
    assert placed.becomes(path, 200, 200).status == 200

    (purged,) = placed.run("purge", "--photo", f"{placed.keys}{NAME}", "--yes", *placed.nginx_cache)
    assert sum(each["previews"] for each in purged["presets"]) == 1
    assert placed.stored() == {f"{placed.keys}{NAME}"}

    placed.site.get(path)
    placed.site.written(f"prew/card/{NAME}")
    placed.delete()
    assert placed.stored() == set()
    placed.becomes(path, 404)
    placed.becomes(f"/photo/{NAME}", 404)


def test_a_preview_has_no_preview_and_is_no_photo(placed: Placed) -> None:
    """Below the bucket's root the previews are, too."""
    placed.put(50)
    placed.site.get(f"/prew/card/{NAME}")
    placed.site.written(f"prew/card/{NAME}")

    statuses = [
        placed.site.get(path).status
        for path in (f"/photo/prew/card/{NAME}", f"/photo/prew%2Fcard/{NAME}", f"/photo/prew%5Ccard/{NAME}")
    ]
    assert statuses == [404] * 3
    assert placed.site.get(f"/prew/thumb/prew/card/{NAME}").status == (404 if placed.keys else 400)
    assert placed.stored() == {f"{placed.keys}{NAME}", f"prew/card/{NAME}"}
