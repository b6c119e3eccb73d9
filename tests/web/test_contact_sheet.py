"""The contact sheet's routes, over a real aiohttp server."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from prewmanager.flights.result import InFlight
from prewmanager.web.contact_sheet.photos import PhotoFinder
from prewmanager.web.contact_sheet.reports import Replica
from prewmanager.web.contact_sheet.routes import ContactSheet
from prewmanager.web.contact_sheet.watch import FlightWatch
from tests.support.fakes import CATALOGUE, FakePages, RecordingObserver, preview

HERE = Replica("aaaaaa", "here")
PAGE = "/-/presets"


@contextlib.asynccontextmanager
async def _client(flight_watch: FlightWatch, *names: str) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    app = web.Application()
    ContactSheet(CATALOGUE.presets, CATALOGUE, PhotoFinder(FakePages(*names), CATALOGUE), flight_watch).add_to(app)
    async with TestClient(TestServer(app, shutdown_timeout=3600)) as client:
        yield client


async def test_the_end_of_the_service_ends_its_streams_before_the_shutdown_timeout() -> None:
    async with _client(FlightWatch(RecordingObserver(), HERE, None)) as client, client.get(f"{PAGE}/flights") as stream:
        await client.server.close()

        assert await stream.content.read() == b"retry: 2000\n\n"


@pytest.mark.fault("viewer-slow")
async def test_a_report_detects_a_closed_connection_and_reaches_the_other_viewers() -> None:
    flight_watch = FlightWatch(RecordingObserver(), HERE, None)
    async with _client(flight_watch) as client, client.get(f"{PAGE}/flights") as stays:
        (await client.get(f"{PAGE}/flights")).close()
        while len(flight_watch._viewers) != 1:
            await flight_watch.step(lambda: [InFlight(preview(), 1, 0.5)])
            await stays.content.readuntil(b"data: ")
        flight_watch.close()


async def test_each_answer_names_its_replica() -> None:
    async with _client(FlightWatch(RecordingObserver(), HERE, None), "a.jpg") as client:
        answer = await client.get(f"{PAGE}/photos")

        assert answer.headers["X-Replica"] == HERE.id
        assert [photo["name"] for photo in (await answer.json())["photos"]] == ["a.jpg"]
