"""Photos where they are: below other keys than their paths, at the bucket's root, or of a second source."""

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

from devstack.backends import S3, Events, Redis, create_bucket, s3_client, start_s3
from devstack.functions import CLEANER, CLEANER_HANDLER, RESIZE_HANDLER, start_s3_events
from devstack.lambda_server import Lambda, start_lambda
from devstack.programs import LOOPBACK, free_ports
from tests.commands.fork_server import ForkServer
from tests.lambda_resize.pictures import encode
from tests.support.asking import Answer
from tests.support.site import FUNCTION, ROOT, Site

NAME = "2026/11/a.jpg"
LABELS = ["square", "shop/square"]


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
FEW = [Place("/", "on", by_function=True)]
PLACES = EVERY if os.environ.get("PREW_TEST_PLACES") else FEW


@dataclass(frozen=True)
class System:
    """A site of two sources: the main one's photos are at a place. It has a cleaner."""

    site: Site
    place: Place
    cleaner: Lambda
    command_line: ForkServer


class Placed:
    """One source of a system, the main one if its name is empty."""

    def __init__(self, system: System, source: str) -> None:
        self.site, self.source = system.site, source
        cache = f"--nginx-cache={self.site.nginx.access_log.parent}/state/cache"
        self.nginx_cache = [cache] if system.place.cache == "on" else []
        self.keys = "wp-content/uploads/" if source else system.place.keys.removeprefix("/")
        self.bucket = "second" if source else self.site.s3.bucket
        self.host = "localhost" if source else LOOPBACK
        self._cleaner = system.cleaner
        self._command_line = system.command_line
        self._client = s3_client(self.site.s3)

    @property
    def url(self) -> str:
        """Nginx's address of this source."""
        return f"http://{self.host}:{self.site.nginx.port}"

    def get(self, path: str) -> Answer:
        """Send a request through nginx."""
        return self.site.get(path, headers={"Host": self.host})

    def written(self, key: str) -> bytes:
        """Return an object's bytes once it is there: a preview may be written after its answer."""
        self._cleaner.program.wait_ready(lambda: key in self.stored())
        body: bytes = self._client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def put(self, grey: int) -> bytes:
        """Overwrite the photo, and return when its previews are cleaned."""
        body = encode(Image.new("L", (800, 400), grey), "JPEG", quality=95)
        before = self._cleaned()
        self._client.put_object(Bucket=self.bucket, Key=f"{self.keys}{NAME}", Body=body)
        self._cleaner.program.wait_ready(lambda: self._cleaned() > before)
        return body

    def delete(self) -> None:
        """Remove the photo, and return when its previews are cleaned."""
        before = self._cleaned()
        self._client.delete_object(Bucket=self.bucket, Key=f"{self.keys}{NAME}")
        self._cleaner.program.wait_ready(lambda: self._cleaned() > before)

    def stored(self) -> set[str]:
        """Return all keys of the bucket."""
        listed = self._client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return {each["Key"] for each in listed}

    def becomes(self, path: str, status: int, grey: int | None = None) -> Answer:
        """Return what nginx answers, once it is that: its cache keeps a copy for a second."""

        def is_so() -> bool:
            answer = self.get(path)
            return answer.status == status and (grey is None or _grey(answer.body) == grey)

        self._cleaner.program.wait_ready(is_so)
        return self.get(path)

    def from_s3(self, path: str) -> Answer:
        """Return what nginx answers, once that is S3's answer: its cache knows for a second what was not there."""
        self._cleaner.program.wait_ready(lambda: self.get(path).headers["X-Preview"] is None)
        return self.get(path)

    def run(self, *arguments: str, **changed: str) -> list[dict[str, Any]]:
        """Run a command that succeeds, and return the documents that it prints."""
        done = self._command_line.run(
            [*arguments, f"--source={self.source}", "--json"], self.site.environment | changed
        )
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


@pytest.fixture(scope="module", name="system", params=PLACES, ids=str)
def _system(
    request: pytest.FixtureRequest,
    command_line: ForkServer,
    redis_server: Redis,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[System]:
    place: Place = request.param
    folder = tmp_path_factory.mktemp("placed")
    port, service_port = free_ports(2)
    s3 = start_s3(folder, bucket="placed", events=Events(f"http://{LOOPBACK}:{port}/", "", ["second"]))
    create_bucket(s3, "second")
    settings = {
        "PREW_SOURCE_KEYS": place.keys,
        "PREW_SOURCES__SHOP__BUCKET": "second",
        "PREW_SOURCES__SHOP__HOSTS": "localhost shop.test",
        "PREW_SOURCES__SHOP__KEYS": "wp-content/uploads",
    }
    functions = _functions(folder, s3, settings | {"PREW_SERVICE_URL": f"http://{LOOPBACK}:{service_port}"})
    events = start_s3_events(folder, functions, port, places=settings)
    cache = {"PREW_NGINX_CACHE": place.cache, "PREW_NGINX_CACHE_SIZE": "10m", "PREW_NGINX_CACHE_VALID": "1s"}
    function = functions if place.by_function else None
    with Site(
        folder, s3, redis_server, function, settings=settings, nginx_variables=cache, ports=[service_port]
    ) as site:
        yield System(site, place, functions, command_line)
    for program in (events, functions.program):
        program.stop()
    s3.program.kill()


def _functions(folder: Path, s3: S3, variables: dict[str, str]) -> Lambda:
    handlers = {FUNCTION: RESIZE_HANDLER, CLEANER: CLEANER_HANDLER}
    options = ("--concurrency=2", "--queue-wait=10", "--timeout=10", f"--task-root={ROOT}")
    return start_lambda(folder, handlers, *options, env=os.environ | s3.aws_environment() | variables)


@pytest.fixture(name="placed", params=["", "shop"], ids=["main", "shop"])
def _placed(request: pytest.FixtureRequest, system: System) -> Placed:
    return Placed(system, request.param)


@pytest.mark.timeout(120)
def test_a_photo_is_served_previewed_cleaned_and_kept_by_every_command(placed: Placed) -> None:
    photo = placed.put(50)
    previews = {f"prew/{preset}/{NAME}" for preset in ("thumb", "card", "square")}
    path = f"/prew/card/{NAME}"

    assert placed.get(f"/photo/{NAME}").body == photo
    made = placed.get(path)
    assert (made.status, made.headers["X-Preview"], _grey(made.body)) == (200, "made", 50)
    assert placed.written(f"prew/card/{NAME}") == made.body
    assert placed.from_s3(path).body == made.body

    (*_, warmed) = placed.run("warm")
    assert [each["photos"] for each in warmed["presets"]] == [1] * 3
    assert placed.stored() == {f"{placed.keys}{NAME}", *previews}
    findings = placed.run("doctor", "--url", placed.url)
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

    placed.get(path)
    placed.written(f"prew/card/{NAME}")
    placed.delete()
    assert placed.stored() == set()
    placed.becomes(path, 404)
    placed.becomes(f"/photo/{NAME}", 404)


def test_a_preview_has_no_preview_and_is_no_photo(placed: Placed) -> None:
    """Below the bucket's root the previews are, too."""
    placed.put(50)
    placed.get(f"/prew/card/{NAME}")
    placed.written(f"prew/card/{NAME}")

    statuses = [
        placed.get(path).status
        for path in (f"/photo/prew/card/{NAME}", f"/photo/prew%2Fcard/{NAME}", f"/photo/prew%5Ccard/{NAME}")
    ]
    assert statuses == [404] * 3
    assert placed.get(f"/prew/thumb/prew/card/{NAME}").status == (404 if placed.keys else 400)
    assert placed.stored() == {f"{placed.keys}{NAME}", f"prew/card/{NAME}"}


def test_sources_with_the_same_name_never_meet(system: System) -> None:
    """Photo, flights, previews, nginx's cache, results and purges are of one source; the metrics name it."""
    main, shop = Placed(system, ""), Placed(system, "shop")
    photos = [main.put(50), shop.put(200)]
    assert [each.get(f"/photo/{NAME}").body for each in (main, shop)] == photos
    for each, grey in ((main, 50), (shop, 200)):
        assert _grey(each.get(f"/prew/square/{NAME}").body) == grey
        assert _grey(each.written(f"prew/square/{NAME}")) == grey
        assert _grey(each.from_s3(f"/prew/square/{NAME}").body) == grey

    shop.run("purge", "square", "--yes", *shop.nginx_cache)
    assert (f"prew/square/{NAME}" in main.stored(), f"prew/square/{NAME}" in shop.stored()) == (True, False)
    before = main.site.requests_to_services()
    assert [each.get(f"/prew/square/{NAME}").headers["X-Preview"] for each in (main, shop)] == [None, "made"]
    assert main.site.requests_to_services() == before + 1
    port = main.site.ports[0]
    made = [main.site.metric("prewmanager_flights_total", port, preset=each, outcome="made") for each in LABELS]
    assert min(made) >= 1


@pytest.mark.parametrize("host", ["shop.test", "SHOP.test:80"])
def test_a_source_has_each_of_its_hosts(system: System, host: str) -> None:
    shop = Placed(system, "shop")
    photo = shop.put(100)

    assert system.site.get(f"/photo/{NAME}", headers={"Host": host}).body == photo
