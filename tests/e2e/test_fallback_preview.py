"""A fallback preview while the function is slow, through all parts."""

from __future__ import annotations

import asyncio
import time

import pytest

from devstack.backends import S3, Redis
from tests.support.fakes import until_reported
from tests.support.gated_lambda import GatedLambda
from tests.support.site import RunSite


@pytest.mark.fault("fallback")
async def test_during_a_render_all_get_the_fallback_preview(run_site: RunSite, redis_server: Redis, s3: S3) -> None:
    async with GatedLambda(s3).running() as function:
        settings = {"PREW_FALLBACK_AFTER": "0"}
        with run_site(redis=redis_server, function=function, settings=settings) as site:
            name = f"fallback/{time.time_ns()}.jpg"
            function.gate.set()
            thumb = await asyncio.to_thread(site.get, f"/prew/thumb/{name}")
            function.gate.clear()
            burst = await site.burst(f"/prew/card/{name}", 50)
            matched = await asyncio.to_thread(site.get, f"/prew/card/{name}", headers={"If-None-Match": '"card"'})
            counted = site.metric("prewmanager_requests_total", site.ports[0], preset="card", source="nearest")
            function.gate.set()
            await until_reported(lambda: site.stored(f"prew/card/{name}") is not None)
            card = await asyncio.to_thread(site.get, f"/prew/card/{name}")

    assert {(status, source, body) for status, source, body in burst} == {(200, "nearest", thumb.body)}
    assert (matched.status, matched.headers["Cache-Control"]) == (200, "public, max-age=5")
    assert matched.headers["ETag"] == thumb.headers["ETag"] != card.headers["ETag"]
    assert counted == 51
    assert (card.headers["X-Preview"], card.headers["Cache-Control"]) == (None, "max-age=60")
    assert function.invocations[f"photo/{name}"] == 2
