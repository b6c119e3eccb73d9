"""A photo overwritten or removed in S3: events reach the cleaner, which deletes outdated previews."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from PIL import Image

from devstack.backends import Events, Redis, s3_client, start_s3
from devstack.functions import CLEANER, CLEANER_HANDLER, RESIZE_HANDLER, start_s3_events
from devstack.lambda_server import Lambda, start_lambda
from devstack.programs import LOOPBACK, free_ports
from tests.lambda_resize.pictures import encode
from tests.support.site import FUNCTION, ROOT, Site

NAME = "a b/ü+%.jpg"
PATH = "a%20b/%C3%BC%2B%25.jpg"


@pytest.fixture(scope="module", name="site")
def _site(redis_server: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The system with an S3 that sends events."""
    folder = tmp_path_factory.mktemp("events")
    port, *service_ports = free_ports(3)
    s3 = start_s3(folder, bucket="watched", events=Events(f"http://{LOOPBACK}:{port}/"))
    handlers = {FUNCTION: RESIZE_HANDLER, CLEANER: CLEANER_HANDLER}
    options = ("--concurrency=2", "--queue-wait=10", "--timeout=10", f"--task-root={ROOT}")
    service = {"PREW_SERVICE_URL": f"http://{LOOPBACK}:{service_ports[0]}"}
    function = start_lambda(folder, handlers, *options, env=os.environ | s3.aws_environment() | service)
    events = start_s3_events(folder, function, port)
    with Site(folder, s3, redis_server, function, replicas=2, ports=service_ports) as site:
        yield site
    for program in (events, function.program):
        program.stop()
    s3.program.kill()


def _photo(grey: int) -> bytes:
    return encode(Image.new("L", (800, 400), grey), "JPEG", quality=95)


def _grey(body: bytes) -> int:
    return round(Image.open(io.BytesIO(body)).convert("L").crop((50, 50, 51, 51)).tobytes()[0] / 10) * 10


@contextmanager
def _cleaned(site: Site, events: int) -> Iterator[None]:
    """Returns when the cleaner has processed the block's events, which arrive after some milliseconds."""
    function = site.function
    assert isinstance(function, Lambda)
    before = _events(function)
    yield
    function.program.wait_ready(lambda: _events(function) >= before + events and not function.stats()["in_flight"])
    assert _events(function) == before + events


def _events(function: Lambda) -> int:
    return int(function.stats()["by_function"].get(CLEANER, 0))


def _got(site: Site, path: str) -> tuple[int, str | None]:
    answer = site.get(path)
    assert answer.status == 200
    return _grey(answer.body), answer.headers["X-Preview"]


@pytest.mark.fault("photo-changed")
def test_an_overwritten_photo_changes_its_previews_at_the_next_request(site: Site) -> None:
    with _cleaned(site, 2):
        site.put(NAME, _photo(50))
        site.put("other.jpg", _photo(50))
    paths = [f"/prew/card/{PATH}", f"/prew/thumb/{PATH}"]

    assert [_got(site, path) for path in [*paths, "/prew/card/other.jpg"]] == [(50, "made")] * 3
    with _cleaned(site, 1):
        site.put(NAME, _photo(200))
    assert [_got(site, path) for path in paths] == [(200, "made")] * 2
    assert [_got(site, path) for path in [*paths, "/prew/card/other.jpg"]] == [(200, None)] * 2 + [(50, None)]


def test_a_preview_of_the_same_bytes_stays(site: Site) -> None:
    """A late event, or one without a change, causes no second rendering."""
    with _cleaned(site, 1):
        site.put("same.jpg", _photo(50))
    made = _got(site, "/prew/card/same.jpg")
    with _cleaned(site, 1):
        site.put("same.jpg", _photo(50))

    assert (made, _got(site, "/prew/card/same.jpg")) == ((50, "made"), (50, None))


@pytest.mark.fault("photo-changed")
def test_a_removed_photo_has_no_previews_left(site: Site) -> None:
    with _cleaned(site, 1):
        site.put("gone.jpg", _photo(50))
    made = _got(site, "/prew/card/gone.jpg")
    with _cleaned(site, 1):
        s3_client(site.s3).delete_object(Bucket=site.s3.bucket, Key="photo/gone.jpg")

    assert (made, site.get("/prew/card/gone.jpg").status) == ((50, "made"), 404)
    assert site.stored("prew/card/gone.jpg") is None


@pytest.mark.fault("photo-uploaded-late")
def test_a_photo_that_was_missing_appears_with_its_event(site: Site) -> None:
    """Whatever its variants and replicas have found before."""
    paths = ["/prew/card/late.jpg", "/prew/thumb/late.jpg", "/prew/card/late.jpg"]
    missing = [site.get(path).status for path in paths]
    with _cleaned(site, 1):
        site.put("late.jpg", _photo(50))

    assert missing == [404] * 3
    assert [site.get(path).status for path in paths] == [200] * 3


@pytest.mark.fault("photo-uploaded-late")
def test_a_corrupt_photo_that_was_replaced_appears_with_its_event(site: Site) -> None:
    with _cleaned(site, 1):
        site.put("repaired.jpg", b"no picture")
    corrupt = [site.get(f"/prew/{preset}/repaired.jpg").status for preset in ("card", "thumb")]
    with _cleaned(site, 1):
        site.put("repaired.jpg", _photo(50))

    assert corrupt == [422, 422]
    assert [site.get(f"/prew/{preset}/repaired.jpg").status for preset in ("card", "thumb")] == [200, 200]
