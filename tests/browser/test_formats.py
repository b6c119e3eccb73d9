"""Images in a real browser: `Accept` selects the format, the screen the density; S3 answers the next visit."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from devstack.backends import S3, Redis
from devstack.lambda_server import Lambda
from devstack.samples.scene import LIGHTS, render
from tests.browser.observed_page import ObservedPage
from tests.lambda_resize.pictures import encode
from tests.support.site import Site

if TYPE_CHECKING:
    from playwright.async_api import Browser, Response, Route

pytestmark = pytest.mark.timeout(120)

AUTO = {
    "PREW_ANSWER_FIRST": "false",  # these tests ask at once for what was just rendered, and expect it from S3
    "PREW_PRESETS__HERO__WIDTH": "640",
    "PREW_PRESETS__HERO__FORMAT": "auto",
    "PREW_PRESETS__TILE__WIDTH": "160",
    "PREW_PRESETS__TILE__HEIGHT": "160",
    "PREW_PRESETS__TILE__FORMAT": "auto",
    "PREW_PRESETS__TILE__DPR": "2",
}
PAGE = """<!doctype html><meta charset="utf-8"><title>formats</title><link rel="icon" href="data:,">
<body style="background: repeating-conic-gradient(#fff 0 25%, #9cf 0 50%) 0 0 / 40px 40px">
<img id="hero" src="/prew/hero/lake.jpg">
<img id="tile" src="/prew/tile/lake.jpg" srcset="/prew/tile@2x/lake.jpg 2x" width="160">
<img id="clear" src="/prew/tile/clear.png">
"""
# The headers of Chromium, of a browser without AVIF, and of one without AVIF and WebP.
ACCEPTS = {"avif": None, "webp": "image/webp,image/apng,image/*,*/*;q=0.8", "jpeg": "image/png,image/*;q=0.8,*/*;q=0.5"}
LOADED = """async () => {
    await Promise.all([...document.images].map((image) => image.decode()));
    const describe = (image) => [image.id, image.naturalWidth, image.naturalHeight, new URL(image.currentSrc).pathname];
    return [...document.images].map(describe);
}"""


@pytest.fixture(scope="module", name="album")
def _album(s3: S3, redis_server: Redis, function: Lambda, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a page of its own at /, a photo and a transparent image."""
    www = tmp_path_factory.mktemp("www")
    www.chmod(0o755)
    (www / "index.html").write_text(PAGE)
    nginx = {"PREW_NGINX_WWW": str(www)}
    folder = tmp_path_factory.mktemp("album")
    with Site(folder, s3, redis_server, function, replicas=2, settings=AUTO, nginx_variables=nginx) as site:
        photo = Image.fromarray(render(900, 600, light=LIGHTS[next(iter(LIGHTS))], seed=4))
        disc = Image.radial_gradient("L").point(lambda value: 255 - value if value < 128 else 0)
        clear = Image.merge("RGBA", [disc, Image.new("L", disc.size, 40), Image.new("L", disc.size, 90), disc])
        site.put("lake.jpg", encode(photo, "JPEG", quality=90))
        site.put("clear.png", encode(clear, "PNG"))
        yield site


async def _visit(
    browser: Browser, site: Site, accept: str | None, screenshot: Path
) -> tuple[list[list[Any]], dict[str, dict[str, str]]]:
    """Return the page's images, and the headers of the responses by path, in a browser with an empty cache."""
    observed = await ObservedPage.open(browser, viewport={"width": 1100, "height": 520}, device_scale_factor=2)
    page, headers = observed.page, dict[str, dict[str, str]]()

    def record(response: Response) -> None:
        headers[response.url.partition("/prew/")[2]] = response.headers

    if accept is not None:
        override = {"accept": accept}

        async def rewrite(route: Route) -> None:
            await route.continue_(headers=route.request.headers | override)

        await page.route("**/prew/**", rewrite)
    page.on("response", record)
    await page.goto(site.nginx.url)
    images = await page.evaluate(LOADED)
    await page.screenshot(path=screenshot)
    await page.context.close()
    assert observed.complaints == []
    return images, headers


@pytest.mark.parametrize("kind", list(ACCEPTS))
async def test_images_have_the_accepted_format_and_no_replica_is_asked_again(
    browser: Browser, album: Site, screenshots: Path, kind: str
) -> None:
    images, first = await _visit(browser, album, ACCEPTS[kind], screenshots / f"formats-{kind}.png")
    requests = album.requests_to_services()
    again, second = await _visit(browser, album, ACCEPTS[kind], screenshots / f"formats-{kind}-again.png")

    paths = ("hero/lake.jpg", "tile@2x/lake.jpg", "tile/clear.png")
    transparent = "png" if kind == "jpeg" else kind
    # At 2x, the browser reports the width in CSS pixels.
    assert images == again
    assert images == [
        ["hero", 640, 427, f"/prew/{paths[0]}"],
        ["tile", 160, 160, f"/prew/{paths[1]}"],
        ["clear", 160, 160, f"/prew/{paths[2]}"],
    ]
    for answers in (first, second):
        assert [answers[path]["content-type"] for path in paths] == [
            f"image/{kind}",
            f"image/{kind}",
            f"image/{transparent}",
        ]
        assert {answers[path]["vary"] for path in paths} == {"Accept"}
    assert {first[path]["x-preview"] for path in paths} == {"made"}
    assert [path for path in paths if "x-preview" in second[path]] == []
    assert album.requests_to_services() == requests
    stored = album.stored(f"prew/tile@2x{'' if kind == 'jpeg' else f'.{kind}'}/lake.jpg")
    assert stored is not None
    assert Image.open(BytesIO(stored["Body"])).size == (320, 320)
