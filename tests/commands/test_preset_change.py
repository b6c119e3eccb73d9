"""A preset is changed while a site runs, as docs/how-to/change-a-preset.md says: nobody sees a broken picture."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from aiohttp import ClientSession

from devstack.backends import Redis
from tests.commands.conftest import Shop
from tests.commands.counting_lambda import CountingLambda
from tests.support.fakes import until
from tests.support.site import Site

VISITORS = 2
NAMES = [f"{number}.jpg" for number in range(6)]


class Visitor:
    """Asks for one preview after the other, and notes what is wrong with the answers."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.rounds = 0
        self.wrong: list[tuple[str, int, int]] = []

    async def visit(self) -> None:
        """Until cancelled."""
        async with ClientSession() as session:
            while True:
                for name in NAMES:
                    async with session.get(f"{self._url}/prew/card/{name}") as response:
                        body = await response.read()
                    # The function's pictures are 50,000 bytes and begin with the photo's name.
                    if response.status != 200 or len(body) < 50_000 or not body.startswith(f"photo/{name}".encode()):
                        self.wrong.append((name, response.status, len(body)))
                self.rounds += 1


async def test_nobody_sees_a_broken_picture(
    shop: Shop, function: CountingLambda, redis_server: Redis, tmp_path: Path
) -> None:
    """New settings, a restart of each replica, `stale --fix`: each preview is made once more, and served throughout."""
    shop.put(*(f"photo/{name}" for name in NAMES))
    await shop.run_beside("warm", "card")
    _let_anybody_read(shop)
    settings = shop.environment
    site = Site(
        tmp_path,
        shop.s3,
        redis_server,
        function,  # type: ignore[arg-type]  # of the function only its address is used
        replicas=2,
        settings=settings,
        nginx_variables={"PREW_NGINX_BUCKET_PATH": f"/{shop.bucket}"},
    )
    entered = await asyncio.to_thread(site.__enter__)
    try:
        visitors = [Visitor(entered.nginx.url) for _ in range(VISITORS)]
        visits = [asyncio.create_task(visitor.visit()) for visitor in visitors]
        changed = {"PREW_PRESETS__CARD__WIDTH": "500"}
        site.settings = settings | changed
        for replica in range(2):
            await asyncio.to_thread(site.restart, replica)
        said = await shop.run_beside("stale", "card", "--fix", **changed)
        # A whole round of each after it, so that all has been seen as it is now.
        rounds = [visitor.rounds for visitor in visitors]
        await until(lambda: all(each.rounds > before + 1 for each, before in zip(visitors, rounds, strict=True)))
        for visit in visits:
            visit.cancel()
    finally:
        await asyncio.to_thread(site.__exit__)

    assert [wrong for visitor in visitors for wrong in visitor.wrong] == []
    assert (said["done"], said["left"]) == ({"made": 6}, 0)
    assert function.invocations == Counter({f"photo/{name}": 2 for name in NAMES})


def _let_anybody_read(shop: Shop) -> None:
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",'
        f'"Resource":"arn:aws:s3:::{shop.bucket}/*"}}]}}'
    )
    shop.client.put_bucket_policy(Bucket=shop.bucket, Policy=policy)
