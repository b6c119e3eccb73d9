"""What `doctor` says of polishing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis as RedisClient

from devstack.backends import Redis
from prewmanager.commands.checks import State
from prewmanager.commands.checks.polish import check_polished, check_polishes
from prewmanager.config.settings import Settings
from prewmanager.errors import PhotoTimedOut, PreviewFailed
from prewmanager.polishing.fates import Fate
from prewmanager.polishing.ports import PolishLease, Waiting
from prewmanager.previews.inventory import ObjectHead
from prewmanager.resizing.polish import Polished, PolishJob, PolishResult
from prewmanager.shared import polish_queue
from prewmanager_presets import Preset
from tests.support.fakes import made, preview

FOUND = ObjectHead(made(), datetime(2020, 1, 1, tzinfo=UTC), "fingerprint", "of the photo")


@dataclass
class Polisher:
    """Answers with this."""

    answer: Polished | PreviewFailed
    can_polish: bool = True

    async def polish(self, job: PolishJob) -> PolishResult:
        assert job.max_bytes == 0  # so that the preview stays
        if isinstance(self.answer, PreviewFailed):
            raise self.answer
        return PolishResult(self.answer, 5)


@pytest.mark.parametrize(
    ("polisher", "state", "says"),
    [
        (Polisher(Polished.TOO_LITTLE), State.OK, "compares ETags"),
        (Polisher(Polished.UNABLE), State.FAILED, "does not compare"),
        (Polisher(PhotoTimedOut("ten seconds")), State.FAILED, "ten seconds"),
        (Polisher(Polished.TOO_LITTLE, can_polish=False), State.FAILED, "does not say"),
    ],
)
async def test_doctor_says_whether_previews_can_be_polished(polisher: Polisher, state: State, says: str) -> None:
    finding = await check_polishes(polisher, preview(), FOUND)

    assert finding.state is state
    assert says in finding.detail
    assert bool(finding.fix) is (state is State.FAILED)


async def test_doctor_says_how_many_wait_and_what_became_of_the_others(redis_server: Redis) -> None:
    settings = Settings(
        presets={"card": Preset(width=720)}, source_bucket="polish-check", polish=True, redis_url=redis_server.url
    )
    async with RedisClient.from_url(redis_server.url) as redis:
        queue, waiting = polish_queue(settings, redis), Waiting("card", "fingerprint", "a.jpg")
        await queue.add(waiting)
        await queue.done(PolishLease(waiting, 1), Fate.DONE, 1234)
    (finding,) = await check_polished(settings)

    assert finding.detail == "1 wait; 1 done; 1234 bytes saved"
    away = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    assert await check_polished(away) == []
    assert await check_polished(settings.model_copy(update={"polish": False})) == []
