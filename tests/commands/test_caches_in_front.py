"""`purge` and `stale --fix` purge the caches of PREW_PURGES; a recorder is in the place of Fastly's API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from prewmanager_presets.tags import photo_tag
from tests.commands.conftest import Shop
from tests.nginx.recorder import Recorder, Reply, recording
from tests.support.gated_lambda import GatedLambda

TOKEN = "a-secret-token"


@pytest.fixture(name="fastly")
def _fastly(shop: Shop) -> Iterator[Recorder]:
    with recording("fastly") as recorder:
        recorder.respond = lambda _: Reply(200, b"{}")
        fastly = {"PREW_PURGES": "fastly:S1", "PREW_FASTLY_TOKEN": TOKEN}
        shop.environment |= fastly | {"PREW_FASTLY_URL": f"http://{recorder.address}/"}
        yield recorder


def _purged(fastly: Recorder) -> list[Any]:
    return [json.loads(seen.body)["surrogate_keys"] for seen in fastly.seen]


def test_a_purge_names_the_photos_tag_or_its_presets(shop: Shop, fastly: Recorder) -> None:
    shop.put("photo/a.jpg", "prew/card/a.jpg", "prew/thumb/a.jpg")
    counted = shop.json("purge", "card")
    before = _purged(fastly)
    purged = shop.json("purge", "--photo", "photo/a.jpg", "--yes")
    shop.put("prew/card/a.jpg", "prew/thumb/gone.jpg")
    shop.json("purge", "card", "--prefix", "a", "--yes")
    shop.json("purge", "--orphans", "--yes")

    assert (counted["caches"], purged["caches"], before) == (["fastly:S1"], ["fastly:S1"], [])
    assert _purged(fastly) == [[photo_tag(shop.bucket, "photo/a.jpg")], ["preset-card"], ["preset-thumb"]]


async def test_what_stale_repairs_is_purged_and_previews_without_tags_are_stale(
    shop: Shop, function: GatedLambda, fastly: Recorder
) -> None:
    shop.put("photo/a.jpg", "prew/card/a.jpg", "prew/card/gone.jpg")
    found = shop.json("stale", "card", exit_code=1)
    before = _purged(fastly)
    await shop.run_beside("stale", "card", "--fix")
    # The function in this test stores no tags.
    left = shop.json("stale", "card", exit_code=1)
    without = shop.json("stale", "card", PREW_PURGES="", PREW_FASTLY_TOKEN="")

    assert (found["left"], before, len(function.invocations)) == (2, [], 1)
    assert [sorted(each) for each in _purged(fastly)] == [
        sorted(photo_tag(shop.bucket, f"photo/{name}.jpg") for name in ("a", "gone"))
    ]
    assert [each["reason"] for each in left["stale"]] == ["untagged"]
    assert without["left"] == 0


@pytest.mark.fault("cache-away")
def test_a_cache_that_refuses_is_an_error_after_everything_else_without_the_token(shop: Shop, fastly: Recorder) -> None:
    fastly.respond = lambda _: Reply(401, b"no such token")
    shop.put("prew/card/a.jpg")
    done = shop.run("purge", "card", "--yes")

    assert (done.returncode, shop.keys()) == (1, set())
    assert "fastly:S1: answers 401: no such token" in done.stderr
    assert TOKEN not in done.stdout + done.stderr
