"""Formats by the client's Accept header, and densities, through all parts: rendered once, then served by S3."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator

import pytest
from PIL import Image

from devstack.backends import S3, Redis
from devstack.lambda_server import Lambda
from prewmanager.previews.variants import variants
from prewmanager_presets import Preset
from tests.lambda_resize.pictures import encode
from tests.support.asking import Answer
from tests.support.fakes import until_reported
from tests.support.site import Site

AUTO = {
    "PREW_ANSWER_FIRST": "false",  # these tests ask at once for what was just rendered, and expect it from S3
    "PREW_PRESETS__TILE__WIDTH": "60",
    "PREW_PRESETS__TILE__FORMAT": "auto",
    "PREW_PRESETS__TILE__DPR": "2",
    "PREW_PRESETS__TILE__ANIMATED": "true",
    "PREW_THUMBHASH": "true",
    "PREW_PRESETS__THUMB__COMPANIONS": "card,tile",
}
ACCEPTS = {"avif": "image/avif,image/webp,*/*;q=0.8", "webp": "image/webp,*/*;q=0.8", "jpeg": "*/*"}


@pytest.fixture(scope="module", name="tiles")
def _tiles(s3: S3, redis_server: Redis, function: Lambda, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose preset tile is auto, and available at double density."""
    with Site(tmp_path_factory.mktemp("tiles"), s3, redis_server, function, settings=AUTO) as site:
        yield site


def gets(site: Site, path: str) -> dict[str, Answer]:
    """Return each kind of client's answer to a path, by the format it accepts."""
    return {kind: site.get(path, headers={"Accept": accept}) for kind, accept in ACCEPTS.items()}


def shown(answers: dict[str, Answer]) -> dict[str, tuple[int, str, tuple[int, int]]]:
    """Return status, content type and size of each answer."""
    sizes = {kind: Image.open(io.BytesIO(answer.body)).size for kind, answer in answers.items()}
    return {kind: (each.status, each.headers["Content-Type"], sizes[kind]) for kind, each in answers.items()}


def test_every_client_gets_its_format_and_density(tiles: Site) -> None:
    """Each variant is rendered once, under its own key; then S3 answers, without the service."""
    tiles.put("wide.jpg", encode(Image.radial_gradient("L").resize((240, 120)).convert("RGB"), "JPEG"))
    before = tiles.requests_to_services()
    first = {path: gets(tiles, path) for path in ("/prew/tile/wide.jpg", "/prew/tile@2x/wide.jpg")}
    requests = tiles.requests_to_services()
    again = {path: gets(tiles, path) for path in first}
    encoded_at = gets(tiles, "/prew/tile%402x/wide.jpg")

    for path, size in (("/prew/tile/wide.jpg", (60, 30)), ("/prew/tile@2x/wide.jpg", (120, 60))):
        assert shown(first[path]) == {kind: (200, f"image/{kind}", size) for kind in ACCEPTS}
        assert {answer.headers["X-Preview"] for answer in first[path].values()} == {"made"}
        for kind, answer in again[path].items():
            assert (answer.body, answer.headers["X-Preview"]) == (first[path][kind].body, None)
            assert answer.headers["Vary"] == first[path][kind].headers["Vary"] == "Accept"
            assert answer.headers["X-ThumbHash"] == first[path][kind].headers["X-ThumbHash"] is not None
            # By the cache's tags CloudFront purges.
            shown_of_s3 = {name.lower() for name in answer.headers if name.lower().startswith("x-amz")}
            assert shown_of_s3 == {"x-amz-meta-cache-tag"}
    assert encoded_at["avif"].body == first["/prew/tile@2x/wide.jpg"]["avif"].body
    assert requests == tiles.requests_to_services() == before + 6
    preset = Preset(width=60, format="auto", dpr=(2,), animated=True)
    for name, variant in variants("tile", preset).items():
        stored = tiles.stored(f"prew/{name}/wide.jpg")
        assert stored
        assert stored["Metadata"]["preset-fingerprint"] == variant.fingerprint


async def test_one_invocation_renders_the_companions_as_well(tiles: Site, function: Lambda) -> None:
    await asyncio.to_thread(tiles.put, "also.jpg", encode(Image.new("RGB", (900, 600), "teal"), "JPEG"))
    invocations = function.stats()["invocations"]
    burst = await tiles.burst("/prew/thumb/also.jpg", 50)
    requests = tiles.requests_to_services()
    others = [await asyncio.to_thread(tiles.get, f"/prew/{preset}/also.jpg") for preset in ("card", "tile")]

    assert {status for status, _, _ in burst} == {200}
    assert [answer.headers["X-Preview"] for answer in others] == [None, None]
    assert [Image.open(io.BytesIO(answer.body)).size for answer in others] == [(720, 480), (60, 40)]
    assert all(answer.headers["X-ThumbHash"] for answer in others)
    assert function.stats()["invocations"] - invocations == 1
    assert tiles.requests_to_services() == requests
    await until_reported(lambda: tiles.metric("prewmanager_flights_total", tiles.ports[0], outcome="companion") == 2)


def test_transparency_and_animation_are_kept(tiles: Site) -> None:
    """Without AVIF and WebP a transparent picture is PNG; an animation is WebP for clients that accept it."""
    clear = Image.new("RGBA", (120, 120), (200, 0, 0, 0))
    clear.paste((0, 0, 200, 255), (30, 30, 90, 90))
    frames = [Image.new("RGB", (120, 60), colour) for colour in ("red", "green")]
    tiles.put("clear.png", encode(clear, "PNG"))
    tiles.put("moves.gif", encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100, loop=0))

    clears, moves = gets(tiles, "/prew/tile/clear.png"), gets(tiles, "/prew/tile/moves.gif")

    kinds = ("avif", "webp", "png")
    assert [answer.headers["Content-Type"] for answer in clears.values()] == [f"image/{kind}" for kind in kinds]
    for answer in clears.values():
        assert Image.open(io.BytesIO(answer.body)).convert("RGBA").getpixel((0, 0))[3] == 0  # type: ignore[index]  # of four bands
    seen = [
        (each.headers["Content-Type"], getattr(Image.open(io.BytesIO(each.body)), "n_frames", 1))
        for each in moves.values()
    ]
    assert seen == [("image/webp", 2), ("image/webp", 2), ("image/jpeg", 1)]


def test_unconfigured_variants_are_unknown_presets(tiles: Site) -> None:
    tiles.put("one.jpg", encode(Image.new("RGB", (100, 100)), "JPEG"))
    paths = ["/prew/tile@3x/one.jpg", "/prew/tile.png/one.jpg", "/prew/card.avif/one.jpg", "/prew/card@2x/one.jpg"]

    assert [tiles.get(path).status for path in paths] == [404] * 4
    missing = tiles.get("/prew/tile/none.jpg", headers={"Accept": ACCEPTS["avif"]})
    assert (missing.status, missing.problem["kind"], missing.headers["Vary"]) == (404, "missing", "Accept")
