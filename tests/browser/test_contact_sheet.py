"""The contact sheet in a real browser: sixty photos in five presets, a herd, and two hundred who wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from devstack.backends import S3, s3_client
from devstack.lambda_server import Lambda
from devstack.programs import LOOPBACK
from devstack.samples.scene import LIGHTS, render
from tests.browser.screenshots import Looked
from tests.support.fakes import until_reported
from tests.support.gated_lambda import GatedLambda
from tests.support.site import Site

pytestmark = pytest.mark.timeout(900)  # nine hundred pictures, on a machine that may be busy

PHOTOS = 60
HOSTILE = "photo/<img src=x onerror=alert(1)>.jpg"
PRESETS = {
    "PREW_PRESETS__HERO__WIDTH": "1600",
    "PREW_PRESETS__PLACEHOLDER__HEIGHT": "48",
    "PREW_PRESETS__PLACEHOLDER__FORMAT": "webp",
    "PREW_PRESETS__PLACEHOLDER__BLUR": "2",
}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
LOOKS: dict[str, dict[str, Any]] = {
    "light": DESKTOP | {"color_scheme": "light"},
    "dark": DESKTOP | {"color_scheme": "dark"},
    "phone": {
        "viewport": {"width": 360, "height": 740},
        "color_scheme": "light",
        "is_mobile": True,
        "has_touch": True,
        "reduced_motion": "reduce",
    },
}

RunPage = Callable[..., contextlib.AbstractContextManager[Site]]


def _pictures() -> Iterator[bytes]:
    """Ten scenes, each cut in as many ways as it takes: rendering them all would take a minute."""
    scenes = [Image.fromarray(render(900, 600, light=light, seed=seed)) for seed in (1, 2) for light in LIGHTS.values()]
    for number in range(PHOTOS):
        left = 30 * (number // len(scenes))
        width = 400 if number % 4 == 0 else 700
        file = BytesIO()
        scenes[number % len(scenes)].crop((left, 0, left + width, 600)).save(file, "JPEG", quality=85)
        yield file.getvalue()


@pytest.fixture(scope="module", name="photos")
def _photos(s3: S3) -> Iterator[list[str]]:
    """Sixty photos, one of them with a name that wants to be HTML; deleted afterwards."""
    keys = [HOSTILE, *(f"photo/lakes/{number:02}.jpg" for number in range(1, PHOTOS))]
    client = s3_client(s3)
    for key, picture in zip(keys, _pictures(), strict=True):
        client.put_object(Bucket=s3.bucket, Key=key, Body=picture, ContentType="image/jpeg")
    yield keys
    for key in keys:
        client.delete_object(Bucket=s3.bucket, Key=key)


async def _scroll_to_the_end(page: Any) -> None:
    """As somebody who looks at every photo."""
    from playwright.async_api import expect

    for row in await page.query_selector_all(".photo"):
        await row.scroll_into_view_if_needed()
    await expect(page.locator(".frame.empty")).to_have_count(0, timeout=120_000)


async def test_sixty_photos_in_five_presets(
    browser: Any, run_page: RunPage, function: Lambda, photos: list[str], screenshots: Path
) -> None:
    """Light, dark and on a phone every preview is there with its facts; nothing complains, and axe finds no fault."""
    with run_page(function, **PRESETS) as site:
        for name, how in LOOKS.items():
            looked = await Looked.at(browser, **how)
            page = looked.page
            await page.goto(site.nginx.url)
            await page.wait_for_selector(".photo")
            await _scroll_to_the_end(page)
            await page.screenshot(path=screenshots / f"{name}-all.jpg", full_page=True, type="jpeg", quality=70)
            captions = await page.eval_on_selector_all("figcaption", "all => all.map((each) => each.innerText)")
            names = await page.eval_on_selector_all(".photo h3 a", "all => all.map((each) => each.textContent)")

            assert len(captions) == PHOTOS * 5
            assert names == sorted(key.removeprefix("photo/") for key in photos)
            assert all(" px" in each and ("KB" in each or "bytes" in each) for each in captions)
            assert {each.splitlines()[-1] for each in captions} == ({"made"} if name == "light" else {"S3"})
            assert await page.locator("img").count() == PHOTOS * 5
            assert await looked.faults() == []
            assert not await looked.is_too_wide()
            assert looked.complaints == []


@pytest.mark.usefixtures("photos")
async def test_a_herd_is_drawn(browser: Any, run_page: RunPage, function: Lambda, screenshots: Path) -> None:
    """Two hundred fired from the page: one made it, the rest joined, drawn in a lane for each of the two replicas."""
    with run_page(function, **PRESETS) as site:
        for name, how in LOOKS.items():
            looked = await Looked.at(browser, **how)
            page = looked.page
            await page.goto(site.nginx.url)
            await page.select_option("select[name=preset]", "hero")
            await page.click("#herd-form button")
            await page.wait_for_selector("#herd-chart svg")
            await page.wait_for_selector("#landed li")
            said = await page.text_content("#herd-said")
            await page.wait_for_selector("figure img")
            await page.screenshot(path=screenshots / f"{name}-herd.png")

            assert said.startswith("200 answers: 1 made, ")
            assert await page.locator("#herd-chart .wait").count() == 200
            assert await page.locator("#herd-chart .made").count() == 1
            assert await page.locator("#herd-chart .lane").count() >= 2
            assert await looked.faults() == []
            assert looked.complaints == []
        assert "Contents" not in s3_client(site.s3).list_objects_v2(Bucket=site.s3.bucket, Prefix="photo/.herd/")


@pytest.mark.usefixtures("photos")
async def test_two_hundred_wait_in_sight(browser: Any, run_page: RunPage, s3: S3, screenshots: Path) -> None:
    """While the function is held, the page says how many wait at each replica; then that one made it for all."""
    from playwright.async_api import expect

    async with GatedLambda(s3).running() as held:
        with run_page(held) as site:
            looked = await Looked.at(browser, **LOOKS["light"])
            page = looked.page
            await page.goto(site.nginx.url)
            requests = asyncio.create_task(site.burst("/prew/card/watched/one.jpg", 200))
            await until_reported(lambda: sum(site.metric("prewmanager_waiting", port) for port in site.ports) >= 200)
            # The page's own previews are under way as well.
            row = page.locator("#under-way li", has_text="watched/one.jpg")
            await expect(row).to_contain_text("200 waiting")
            await page.screenshot(path=screenshots / "waiting.png")
            waiting = await row.inner_text()
            held.gate.set()
            await requests
            rows = page.locator("#landed li", has_text="watched/one.jpg")
            await expect(rows).to_have_count(2)
            result = await rows.all_inner_texts()
            await page.click("#flights-toggle")

            assert waiting.count("100 at ") == 2
            assert sum("made" in each for each in result) == 1
            assert all("100 waited" in each for each in result)
            assert await page.inner_text("#flights-note") == "Paused."
            assert await looked.faults() == []
            assert looked.complaints == []


async def test_search_and_the_next_page(browser: Any, run_page: RunPage, function: Lambda, s3: S3) -> None:
    """A part of a name finds it; a long list has a button for more; what is not there is said."""
    from playwright.async_api import expect

    client = s3_client(s3)
    for number in range(70):
        client.put_object(Bucket=s3.bucket, Key=f"photo/many/{number:03}.jpg", Body=b"")
    with run_page(function) as site:
        looked = await Looked.at(browser, **LOOKS["light"])
        page = looked.page
        await page.goto(site.nginx.url)
        await page.fill("input[name=prefix]", "many/")
        await page.click("#search button")
        await expect(page.locator("#photos-said")).to_have_text("60 photos, and there are more.")
        await page.click("#more")
        await expect(page.locator("#photos-said")).to_have_text("70 photos.")
        await page.fill("input[name=search]", "NOTHING SUCH")
        await page.press("input[name=search]", "Enter")
        await expect(page.locator("#photos-said")).to_have_text("0 photos, 70 names looked at just now.")

        assert await page.locator(".photo").count() == 0
        assert await page.locator("#more").is_hidden()
    for number in range(70):
        client.delete_object(Bucket=s3.bucket, Key=f"photo/many/{number:03}.jpg")


@pytest.mark.usefixtures("photos")
async def test_the_services_own_page(browser: Any, run_page: RunPage, function: Lambda, screenshots: Path) -> None:
    """On a replica's port: the same page without a herd, and previews from the service, which finds what is there."""
    from playwright.async_api import expect

    with run_page(function) as site:
        site.get("/prew/thumb/lakes/01.jpg")
        looked = await Looked.at(browser, **LOOKS["light"])
        page = looked.page
        await page.goto(f"http://{LOOPBACK}:{site.ports[0]}/-/presets")
        await page.fill("input[name=prefix]", "lakes/01")
        await page.click("#search button")
        await expect(page.locator("#photos-said")).to_have_text("1 photo.")
        await expect(page.locator("figcaption", has_text="thumb")).to_contain_text("found", timeout=30_000)
        await page.screenshot(path=screenshots / "service.png")

        assert await page.locator("#herd").is_hidden()
        assert await page.locator(".photo h3 a").count() == 0
        assert await looked.faults() == []
        assert looked.complaints == []
