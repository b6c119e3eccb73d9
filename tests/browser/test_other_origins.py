"""Pages of other origins in a real browser: a named one reads pixels and headers, another only shows images."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from devstack.backends import S3, Redis
from devstack.lambda_server import Lambda
from devstack.samples.scene import LIGHTS, render
from tests.browser.observed_page import ObservedPage
from tests.lambda_resize.pictures import encode
from tests.support.serving import QuietHandler, serving_http
from tests.support.site import Site

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.timeout(120)

PRESETS = {
    "PREW_THUMBHASH": "true",
    "PREW_ANSWER_FIRST": "false",  # the second request is to be a hit
    "PREW_PRESETS__TILE__WIDTH": "160",
    "PREW_PRESETS__TILE__DPR": "2",
}
PAGE = """<!doctype html><meta charset="utf-8"><title>hints</title><link rel="icon" href="data:,">
<img id="tile" src="/prew/tile/lake.jpg" width="160"><img id="broken" src="/prew/tile/broken.jpg">"""
# What a page can read of an image: headers that CORS exposes, a pixel, and when the first byte came. `X-Request-Id`
# makes the browser ask by OPTIONS first.
READ = """async ([url, cache]) => {
    const response = await fetch(url, {cache, headers: {"X-Request-Id": "a-page-of-another"}});
    await response.arrayBuffer();
    const {responseStart} = performance.getEntriesByName(url).at(-1);
    const image = new Image();
    image.crossOrigin = "anonymous";
    image.src = url;
    await image.decode();
    const context = new OffscreenCanvas(1, 1).getContext("2d");
    context.drawImage(image, 0, 0);
    return {
        status: response.status,
        preview: response.headers.get("x-preview"),
        etag: response.headers.get("etag"),
        thumbhash: response.headers.get("x-thumbhash"),
        pixel: [...context.getImageData(0, 0, 1, 1).data],
        timed: responseStart > 0,
    };
}"""
SHOW = """async (url) => {
    const image = new Image();
    image.src = url;
    await image.decode();
    const context = new OffscreenCanvas(1, 1).getContext("2d");
    context.drawImage(image, 0, 0);
    try {
        return [image.naturalWidth, [...context.getImageData(0, 0, 1, 1).data]];
    } catch (error) {
        return [image.naturalWidth, error.name];
    }
}"""


@dataclass(frozen=True)
class Origins:
    """Pages at origins of their own: one is named, the other is not, and isolates itself."""

    named: str
    other: str


class _Handler(QuietHandler):
    def do_GET(self) -> None:
        """Answer with an empty page, which shows only images that say that they may be shown anywhere."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.end_headers()
        self.wfile.write(b'<!doctype html><title>another origin</title><link rel="icon" href="data:,">')


@pytest.fixture(scope="module", name="origins")
def _origins() -> Iterator[Origins]:
    with contextlib.ExitStack() as exits:
        servers = [exits.enter_context(serving_http(_Handler)) for _ in range(2)]
        yield Origins(*(server.url for server in servers))


@pytest.fixture(scope="module", name="album")
def _album(
    s3: S3, redis_server: Redis, function: Lambda, origins: Origins, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A site that one other origin may read, with a picture of 7 pixels for failures, and a page that is hinted."""
    www = tmp_path_factory.mktemp("www")
    www.chmod(0o755)
    (www / "index.html").write_text(PAGE)
    picture = www / "failed.png"
    picture.write_bytes(encode(Image.new("RGB", (7, 5), "red"), "PNG"))
    nginx = {
        "PREW_NGINX_CORS_ORIGINS": f"{origins.named} https://another.test",
        "PREW_NGINX_HINTED": "tile@2x",
        "PREW_NGINX_PREVIEW_ERROR_PICTURE": str(picture),
        "PREW_NGINX_WWW": str(www),
    }
    folder = tmp_path_factory.mktemp("album")
    with Site(folder, s3, redis_server, function, settings=PRESETS, nginx_variables=nginx) as site:
        photo = Image.fromarray(render(900, 600, light=LIGHTS[next(iter(LIGHTS))], seed=4))
        for name in ("lake.jpg", "read.jpg", "shown.jpg"):
            site.put(name, encode(photo, "JPEG", quality=90))
        site.put("broken.jpg", b"no picture")
        yield site


async def _page(browser: Browser, address: str, **context: Any) -> Page:
    observed = await ObservedPage.open(browser, **context)
    await observed.page.goto(address)
    return observed.page


async def test_a_named_origin_reads_pixels_and_headers_of_a_made_preview_and_of_a_hit(
    browser: Browser, album: Site, origins: Origins
) -> None:
    page = await _page(browser, origins.named)
    url = f"{album.nginx.url}/prew/tile/read.jpg"

    made = await page.evaluate(READ, [url, "default"])
    hit = await page.evaluate(READ, [url, "reload"])

    assert (made["status"], made["preview"], hit["preview"]) == (200, "made", None)
    for read in (made, hit):
        assert len(read["pixel"]) == 4
        assert read["pixel"][3] == 255
        assert read["thumbhash"]
        assert read["etag"]
        assert read["timed"]
    assert made["pixel"] == hit["pixel"]


async def test_an_origin_that_is_not_named_shows_images_and_reads_nothing(
    browser: Browser, album: Site, origins: Origins
) -> None:
    """Also where it isolates itself: the images say that they may be shown anywhere."""
    from playwright.async_api import Error

    page = await _page(browser, origins.other)
    url = f"{album.nginx.url}/prew/tile/shown.jpg"

    assert await page.evaluate(SHOW, url) == [160, "SecurityError"]
    for cache in ("default", "reload"):
        with pytest.raises(Error, match="Failed to fetch"):
            await page.evaluate(READ, [url, cache])


async def test_a_named_origin_reads_the_problem_of_a_failure(browser: Browser, album: Site, origins: Origins) -> None:
    page = await _page(browser, origins.named)

    read = "async (url) => (await (await fetch(url)).json()).status"
    assert await page.evaluate(read, f"{album.nginx.url}/prew/tile/broken.jpg") == 422
    assert await page.evaluate(read, f"{album.nginx.url}/prew/tile//broken.jpg") == 400


@pytest.mark.parametrize(("density", "width"), [(1, 160), (1.5, 320), (2, 320)])
async def test_a_dense_screen_gets_more_pixels_and_a_failed_preview_the_picture(
    browser: Browser, album: Site, density: float, width: int
) -> None:
    """By `Accept-CH` of the page alone: its address names no density."""
    page = await _page(browser, album.nginx.url, device_scale_factor=density)

    assert await page.evaluate("[...document.images].map((image) => image.naturalWidth)") == [width, 7]
