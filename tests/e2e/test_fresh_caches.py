"""A photo is overwritten: two nginx with caches and a CDN forget its previews, and no others."""

from __future__ import annotations

import io
import itertools
import os
import time
from collections.abc import Callable, Iterator

import pytest
from PIL import Image

from devstack.backends import Events, Redis, s3_client, start_s3
from devstack.functions import CLEANER, CLEANER_HANDLER, RESIZE_HANDLER, start_s3_events
from devstack.lambda_server import Lambda, start_lambda
from devstack.nginx_server import Nginx, start_nginx
from devstack.programs import LOOPBACK, free_ports
from prewmanager_presets.tags import photo_tag
from tests.lambda_resize.pictures import encode
from tests.support.asking import ask
from tests.support.cdn import Cdn, running_cdn
from tests.support.site import FUNCTION, ROOT, Site, nginx_variables

PRESETS = ("thumb", "card", "square")
ACCEPTS = ("image/avif,*/*", "image/webp,*/*", "*/*")
AUTO = {f"PREW_PRESETS__{each.upper()}__FORMAT": "auto" for each in PRESETS}
PREVIEWS = list(itertools.product(PRESETS, ACCEPTS))
DISTRIBUTION = "E2EXAMPLE"


@pytest.fixture(scope="module", name="cdn")
def _cdn() -> Iterator[Cdn]:
    with running_cdn() as cdn:
        yield cdn


@pytest.fixture(scope="module", name="purge_ports")
def _purge_ports() -> list[int]:
    return free_ports(2)


def _cached(port: int) -> dict[str, str]:
    return AUTO | {"PREW_NGINX_CACHE": "on", "PREW_NGINX_PURGE_LISTEN": f"{LOOPBACK}:{port}", "PREW_NGINX_WORKERS": "1"}


@pytest.fixture(scope="module", name="site")
def _site(
    redis_server: Redis, cdn: Cdn, purge_ports: list[int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """The system with an S3 that sends events, and caches that two replicas tell what has changed."""
    folder = tmp_path_factory.mktemp("fresh")
    port, *service_ports = free_ports(3)
    s3 = start_s3(folder, bucket="fresh", events=Events(f"http://{LOOPBACK}:{port}/"))
    handlers = {FUNCTION: RESIZE_HANDLER, CLEANER: CLEANER_HANDLER}
    options = ("--concurrency=2", "--queue-wait=30", "--timeout=20", f"--task-root={ROOT}")
    service = {"PREW_SERVICE_URL": f"http://{LOOPBACK}:{service_ports[0]}"}
    function = start_lambda(folder, handlers, *options, env=os.environ | s3.aws_environment() | service)
    events = start_s3_events(folder, function, port)
    nginxes = " ".join(f"nginx:{LOOPBACK}:{each}" for each in purge_ports)
    settings = AUTO | {
        "PREW_PURGES": f"cloudfront:{DISTRIBUTION} {nginxes}",
        "AWS_ENDPOINT_URL_CLOUDFRONT": cdn.url,
    }
    site = Site(folder, s3, redis_server, function, replicas=2, ports=service_ports)
    site.settings, site.nginx_variables = settings, _cached(purge_ports[0])
    with site:
        cdn.origin_port = site.nginx.port
        yield site
    for program in (events, function.program):
        program.stop()
    s3.program.kill()


@pytest.fixture(scope="module", name="nginxes")
def _nginxes(site: Site, purge_ports: list[int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Nginx]]:
    """The site's nginx, and another one that has a cache of its own."""
    folder = tmp_path_factory.mktemp("second")
    second = start_nginx(folder, nginx_variables(site.s3, site.ports) | _cached(purge_ports[1]))
    yield [site.nginx, second]
    second.program.stop()


def _photo(grey: int) -> bytes:
    return encode(Image.new("L", (400, 200), grey), "JPEG", quality=95)


def _grey(body: bytes) -> int:
    return round(Image.open(io.BytesIO(body)).convert("L").crop((50, 50, 51, 51)).tobytes()[0] / 10) * 10


def _put(site: Site, name: str) -> None:
    """Upload a photo, and return when its event is handled."""
    function = site.function
    assert isinstance(function, Lambda)

    def handled() -> int:
        return int(function.stats()["by_function"].get(CLEANER, 0)) - int(function.stats()["in_flight"])

    before = handled()
    site.put(name, _photo(50))
    function.program.wait_ready(lambda: handled() > before)


def _in_nginx(nginx: Nginx, name: str) -> list[tuple[str | None, int]]:
    answers = [ask(nginx.port, f"/prew/{preset}/{name}", headers={"Accept": accept}) for preset, accept in PREVIEWS]
    return [(each.headers["X-Cache"], _grey(each.body)) for each in answers]


def _in_cdn(cdn: Cdn, name: str) -> list[tuple[bool, int]]:
    found = [cdn.get(f"/prew/{preset}/{name}", accept) for preset, accept in PREVIEWS]
    return [(hit, _grey(body)) for hit, body in found]


@pytest.mark.fault("caches-in-front")
@pytest.mark.timeout(120)
def test_an_overwritten_photos_nine_previews_are_new_everywhere(
    site: Site, cdn: Cdn, nginxes: list[Nginx], record_testsuite_property: Callable[[str, object], None]
) -> None:
    for name in ("a.jpg", "b.jpg"):
        _put(site, name)
    for name in ("a.jpg", "b.jpg"):
        _in_cdn(cdn, name)
        for nginx in nginxes:
            while {hit for hit, _ in _in_nginx(nginx, name)} != {"HIT"}:
                pass
    cdn.invalidations.clear()
    cdn.purged.clear()

    began = time.monotonic()
    site.put("a.jpg", _photo(200))
    assert cdn.purged.wait(60)
    record_testsuite_property("seconds until the caches were purged", time.monotonic() - began)
    in_cdn, in_nginx = _in_cdn(cdn, "a.jpg"), [_in_nginx(nginx, "a.jpg") for nginx in nginxes]
    record_testsuite_property("seconds until all were new", time.monotonic() - began)

    assert in_cdn == [(False, 200)] * 9
    assert [{grey for _, grey in each} for each in in_nginx] == [{200}] * 2
    assert _in_cdn(cdn, "b.jpg") == [(True, 50)] * 9
    assert [_in_nginx(nginx, "b.jpg") for nginx in nginxes] == [[("HIT", 50)] * 9] * 2
    assert cdn.invalidations == [[f"#{photo_tag(site.s3.bucket, 'photo/a.jpg')}"]]
    tagged = site.written("prew/card.webp/a.jpg")["Metadata"]["cache-tag"]
    assert tagged == f"{photo_tag(site.s3.bucket, 'photo/a.jpg')},preset-card"


def test_a_new_photo_costs_no_invalidation_and_previews_without_tags_go_by_their_paths(site: Site, cdn: Cdn) -> None:
    """As those that were stored before there were tags."""
    cdn.invalidations.clear()
    cdn.purged.clear()
    _put(site, "new.jpg")
    _put(site, "old.jpg")
    client = s3_client(site.s3)
    client.put_object(Bucket=site.s3.bucket, Key="prew/card/old.jpg", Body=_photo(50), Metadata={"source-etag": "x"})
    site.put("old.jpg", _photo(200))
    assert cdn.purged.wait(60)

    assert [sorted(each) for each in cdn.invalidations] == [
        sorted(f"/prew/{preset}{suffix}/old.jpg" for preset in PRESETS for suffix in ("", ".webp", ".avif"))
    ]
