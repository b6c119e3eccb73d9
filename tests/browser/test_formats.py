"""A page of images in a real browser: its `Accept` chooses the format, its screen the density, and S3 answers alone."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from devstack.backends import S3, Redis
from devstack.lambda_server import Lambda
from devstack.samples.scene import LIGHTS, render
from tests.browser.screenshots import Looked
from tests.support.site import Site

pytestmark = pytest.mark.timeout(120)

AUTO = {
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
# Chromium's own; and what a browser without AVIF, or without both, would say, put in place on the way.
ACCEPTS = {"avif": None, "webp": "image/webp,image/apng,image/*,*/*;q=0.8", "jpeg": "image/png,image/*;q=0.8,*/*;q=0.5"}
LOADED = """async () => {
    await Promise.all([...document.images].map((image) => image.decode()));
    const told = (image) => [image.id, image.naturalWidth, image.naturalHeight, new URL(image.currentSrc).pathname];
    return [...document.images].map(told);
}"""


@pytest.fixture(scope="module", name="album")
def _album(s3: S3, redis_server: Redis, function: Lambda, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a page of its own at /, a photo and a picture that one can see through."""
    www = tmp_path_factory.mktemp("www")
    www.chmod(0o755)
    (www / "index.html").write_text(PAGE)
    nginx = {"PREW_NGINX_WWW": str(www)}
    folder = tmp_path_factory.mktemp("album")
    with Site(folder, s3, redis_server, function, replicas=2, settings=AUTO, nginx_variables=nginx) as site:
        photo, clear = BytesIO(), BytesIO()
        Image.fromarray(render(900, 600, light=LIGHTS[next(iter(LIGHTS))], seed=4)).save(photo, "JPEG", quality=90)
        disc = Image.radial_gradient("L").point(lambda value: 255 - value if value < 128 else 0)
        Image.merge("RGBA", [disc, Image.new("L", disc.size, 40), Image.new("L", disc.size, 90), disc]).save(
            clear, "PNG"
        )
        site.put("lake.jpg", photo.getvalue())
        site.put("clear.png", clear.getvalue())
        yield site


async def _visit(browser: Any, site: Site, accept: str | None, picture: Path) -> tuple[list[list[Any]], dict[str, Any]]:
    """What the page's images are, and the answers to them by path, in a browser that has cached nothing."""
    looked = await Looked.at(browser, viewport={"width": 1100, "height": 520}, device_scale_factor=2)
    page, answers = looked.page, {}

    async def rewritten(route: Any) -> None:
        await route.continue_(headers={**route.request.headers, "accept": accept})

    if accept is not None:
        await page.route("**/prew/**", rewritten)
    page.on("response", lambda answer: answers.update({answer.url.partition("/prew/")[2]: answer.headers}))
    await page.goto(site.nginx.url)
    images = await page.evaluate(LOADED)
    await page.screenshot(path=picture)
    await page.context.close()
    assert looked.complaints == []
    return images, answers


@pytest.mark.parametrize("kind", list(ACCEPTS))
async def test_an_image_comes_in_the_format_that_is_accepted(
    browser: Any, album: Site, screenshots: Path, kind: str
) -> None:
    """It decodes at the preset's size; loaded again by somebody else, no replica hears of it."""
    images, first = await _visit(browser, album, ACCEPTS[kind], screenshots / f"formats-{kind}.png")
    heard = album.requests_to_services()
    again, second = await _visit(browser, album, ACCEPTS[kind], screenshots / f"formats-{kind}-again.png")

    paths = ("hero/lake.jpg", "tile@2x/lake.jpg", "tile/clear.png")
    see_through = "png" if kind == "jpeg" else kind
    # The width of a picture at 2x is told in CSS's pixels.
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
            f"image/{see_through}",
        ]
        assert {answers[path]["vary"] for path in paths} == {"Accept"}
    assert {first[path]["x-preview"] for path in paths} == {"made"}
    assert [path for path in paths if "x-preview" in second[path]] == []
    assert album.requests_to_services() == heard
    stored = album.stored(f"prew/tile@2x{'' if kind == 'jpeg' else f'.{kind}'}/lake.jpg")
    assert stored is not None
    assert Image.open(BytesIO(stored["Body"])).size == (320, 320)
