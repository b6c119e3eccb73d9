"""The contact sheet in a real browser: sixty photos in five presets, a burst, and two hundred waiters."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from devstack.backends import S3, s3_client
from devstack.lambda_server import Lambda
from devstack.programs import LOOPBACK
from devstack.samples.scene import LIGHTS, render
from tests.browser.observed_page import ObservedPage
from tests.lambda_resize.pictures import encode
from tests.support.fakes import until_reported
from tests.support.gated_lambda import GatedLambda
from tests.support.page import RunPage

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.timeout(900)  # nine hundred images, on a machine that may be loaded

PHOTOS = 60
HOSTILE = "photo/<img src=x onerror=alert(1)>.jpg"
PRESETS = {
    "PREW_PRESETS__HERO__WIDTH": "1600",
    "PREW_PRESETS__PLACEHOLDER__HEIGHT": "48",
    "PREW_PRESETS__PLACEHOLDER__FORMAT": "webp",
    "PREW_PRESETS__PLACEHOLDER__BLUR": "2",
}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
LIGHT: dict[str, Any] = DESKTOP | {"color_scheme": "light"}
DEVICES: dict[str, dict[str, Any]] = {
    "light": LIGHT,
    "dark": DESKTOP | {"color_scheme": "dark"},
    "phone": {
        "viewport": {"width": 360, "height": 740},
        "color_scheme": "light",
        "is_mobile": True,
        "has_touch": True,
        "reduced_motion": "reduce",
    },
}


def _jpegs() -> Iterator[bytes]:
    """Yield ten scenes in six crops each: rendering sixty scenes takes a minute."""
    scenes = [Image.fromarray(render(900, 600, light=light, seed=seed)) for seed in (1, 2) for light in LIGHTS.values()]
    for number in range(PHOTOS):
        left = 30 * (number // len(scenes))
        width = 400 if number % 4 == 0 else 700
        yield encode(scenes[number % len(scenes)].crop((left, 0, left + width, 600)), "JPEG", quality=85)


@pytest.fixture(scope="module", name="photos")
def _photos(s3: S3) -> Iterator[list[str]]:
    """The keys of sixty photos, one of which is named like HTML."""
    keys = [HOSTILE, *(f"photo/lakes/{number:02}.jpg" for number in range(1, PHOTOS))]
    client = s3_client(s3)
    for key, jpeg in zip(keys, _jpegs(), strict=True):
        client.put_object(Bucket=s3.bucket, Key=key, Body=jpeg, ContentType="image/jpeg")
    yield keys
    for key in keys:
        client.delete_object(Bucket=s3.bucket, Key=key)


async def test_sixty_photos_load_in_five_presets_on_each_device(
    browser: Browser, run_page: RunPage, function: Lambda, photos: list[str], screenshots: Path
) -> None:
    from playwright.async_api import expect

    with run_page(function, **PRESETS) as site:
        for name, device in DEVICES.items():
            observed = await ObservedPage.open(browser, **device)
            page = observed.page
            await page.goto(site.nginx.url)
            await page.wait_for_selector(".photo")
            for row in await page.query_selector_all(".photo"):
                await row.scroll_into_view_if_needed()
            await expect(page.locator(".frame.empty")).to_have_count(0, timeout=120_000)
            await page.screenshot(path=screenshots / f"{name}-all.jpg", full_page=True, type="jpeg", quality=70)
            captions = await page.eval_on_selector_all("figcaption", "all => all.map((each) => each.innerText)")
            names = await page.eval_on_selector_all(".photo h3 a", "all => all.map((each) => each.textContent)")

            assert len(captions) == PHOTOS * 5
            assert names == sorted(key.removeprefix("photo/") for key in photos)
            assert all(" px" in each and ("KB" in each or "bytes" in each) for each in captions)
            assert {each.splitlines()[-1] for each in captions} == ({"made"} if name == "light" else {"S3"})
            assert await page.locator("img").count() == PHOTOS * 5
            await observed.assert_clean()


@pytest.mark.usefixtures("photos")
async def test_a_burst_is_drawn_with_a_lane_for_each_replica(
    browser: Browser, run_page: RunPage, function: Lambda, screenshots: Path
) -> None:
    from playwright.async_api import expect

    with run_page(function, **PRESETS) as site:
        for name, device in DEVICES.items():
            observed = await ObservedPage.open(browser, **device)
            page = observed.page
            await page.goto(site.nginx.url)
            await page.select_option("select[name=preset]", "hero")
            await page.click("#burst-form button")
            await page.wait_for_selector("#burst-chart svg")
            await page.wait_for_selector("#completed li")
            await page.wait_for_selector("figure img")
            await page.screenshot(path=screenshots / f"{name}-burst.png")

            await expect(page.locator("#burst-status")).to_contain_text("200 responses: 1 made, ")
            assert await page.locator("#burst-chart .wait").count() == 200
            assert await page.locator("#burst-chart .made").count() == 1
            assert await page.locator("#burst-chart .lane").count() >= 2
            await observed.assert_clean()
        assert "Contents" not in s3_client(site.s3).list_objects_v2(Bucket=site.s3.bucket, Prefix="photo/.burst/")


@pytest.mark.usefixtures("photos")
async def test_waiters_are_shown_by_replica_and_then_how_their_flight_completed(
    browser: Browser, run_page: RunPage, s3: S3, screenshots: Path
) -> None:
    from playwright.async_api import expect

    async with GatedLambda(s3).running() as gated:
        with run_page(gated) as site:
            observed = await ObservedPage.open(browser, **LIGHT)
            page = observed.page
            await page.goto(site.nginx.url)
            requests = asyncio.create_task(site.burst("/prew/card/watched/one.jpg", 200))
            await until_reported(lambda: sum(site.metric("prewmanager_waiting", port) for port in site.ports) >= 200)
            # The page's own previews are in flight as well.
            row = page.locator("#in-flight li", has_text="watched/one.jpg")
            await expect(row).to_contain_text("200 waiting")
            await page.screenshot(path=screenshots / "waiting.png")
            waiting = await row.inner_text()
            gated.gate.set()
            await requests
            rows = page.locator("#completed li", has_text="watched/one.jpg")
            await expect(rows).to_have_count(2)
            completed = await rows.all_inner_texts()
            await page.click("#flights-toggle")

            assert waiting.count("100 on ") == 2
            assert sum("made" in each for each in completed) == 1
            assert all("100 waiters" in each for each in completed)
            assert await page.inner_text("#flights-note") == "Paused."
            assert await page.inner_text("#flights-toggle") == "Resume"
            await observed.assert_clean()


async def test_a_search_has_a_next_page_and_reports_what_it_searched(
    browser: Browser, run_page: RunPage, function: Lambda, s3: S3
) -> None:
    from playwright.async_api import expect

    client = s3_client(s3)
    keys = [f"photo/many/{number:03}.jpg" for number in range(70)]
    for key in keys:
        client.put_object(Bucket=s3.bucket, Key=key, Body=b"")
    with run_page(function) as site:
        page = (await ObservedPage.open(browser, **LIGHT)).page
        await page.goto(site.nginx.url)
        await page.fill("input[name=prefix]", "many/")
        await page.click("#search button")
        status = page.locator("#photos-status")
        await expect(status).to_have_text("60 photos so far.")
        await page.click("#more")
        await expect(status).to_have_text("70 photos.")
        await page.fill("input[name=search]", "NOTHING SUCH")
        await page.press("input[name=search]", "Enter")
        await expect(status).to_have_text("0 photos; the last request searched 70 names.")

        assert await page.locator(".photo").count() == 0
        assert await page.locator("#more").is_hidden()
    for key in keys:
        client.delete_object(Bucket=s3.bucket, Key=key)


@pytest.mark.usefixtures("photos")
async def test_a_replicas_own_page_has_no_burst_and_finds_stored_previews(
    browser: Browser, run_page: RunPage, function: Lambda, screenshots: Path
) -> None:
    from playwright.async_api import expect

    with run_page(function) as site:
        site.get("/prew/thumb/lakes/01.jpg")
        observed = await ObservedPage.open(browser, **LIGHT)
        page = observed.page
        await page.goto(f"http://{LOOPBACK}:{site.ports[0]}/-/presets")
        await page.fill("input[name=prefix]", "lakes/01")
        await page.click("#search button")
        await expect(page.locator("#photos-status")).to_have_text("1 photo.")
        await expect(page.locator("figcaption", has_text="thumb")).to_contain_text("found", timeout=30_000)
        await page.screenshot(path=screenshots / "service.png")

        assert await page.locator("#burst").is_hidden()
        assert await page.locator(".photo h3 a").count() == 0
        await observed.assert_clean()
