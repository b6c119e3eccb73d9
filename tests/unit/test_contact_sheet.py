"""The contact sheet's parts, with fakes of their ports: reports on flights, viewers, photos by the page."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from prewmanager.errors import InvalidKey, Overloaded
from prewmanager.flights.result import FlightResult, InFlight
from prewmanager.previews.inventory import ListedPage, StoredObject
from prewmanager.previews.outcome import Failure, Source
from prewmanager.web.contact_sheet.files import CONTENT_SECURITY_POLICY, page_files
from prewmanager.web.contact_sheet.photos import PAGE, Found, PhotoFinder
from prewmanager.web.contact_sheet.reports import MOST_FLIGHTS, MOST_LANDED, CompletedFlights, Replica, report
from prewmanager.web.contact_sheet.routes import ContactSheet
from prewmanager.web.contact_sheet.viewer import CAPACITY, Viewer
from prewmanager.web.contact_sheet.watch import IDLE_REPORTS, MOST_VIEWERS, FlightWatch
from tests.support.fakes import CATALOGUE, RecordingObserver, made, preview, until

HERE = Replica("aaaaaa", "here")
THERE = Replica("bbbbbb", "there")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class FakeRelay:
    """Hands each report to all who listen; several replicas may share one."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.listeners: list[asyncio.Queue[tuple[str, str]]] = []

    async def send(self, sender: str, report: str) -> None:
        self.sent.append((sender, report))
        for listener in self.listeners:
            listener.put_nowait((sender, report))

    async def heard(self) -> AsyncIterator[tuple[str, str]]:
        mine: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.listeners.append(mine)
        try:
            while True:
                yield await mine.get()
        finally:
            self.listeners.remove(mine)


class FakePages:
    """A listing of these keys; a token is the number of the next one. Counts what was asked for."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys
        self.asked: list[tuple[str, int, str | None]] = []

    async def page(self, prefix: str, limit: int, token: str | None) -> ListedPage:
        self.asked.append((prefix, limit, token))
        keys = [key for key in self.keys if key.startswith(prefix)]
        start = int(token or 0)
        end = start + limit
        objects = [StoredObject(key, 5, LONG_AGO) for key in keys[start:end]]
        return ListedPage(objects, str(end) if end < len(keys) else None)


def _flying(waiters: int = 1, path: str = "/prew/card/a.jpg") -> InFlight:
    return InFlight(preview(path), waiters, 0.5)


async def _taken(viewer: Viewer) -> dict[str, Any]:
    delivery = await viewer.next()
    assert delivery is not None
    said: dict[str, Any] = json.loads(delivery.report)
    return said


def test_a_report_says_who_waits_and_what_landed() -> None:
    """Flights with the most waiters first, and each that ended with how."""
    completed_flights = CompletedFlights()
    completed_flights.add(preview(), FlightResult(made(), Source.MADE, 7, {"lambda": 20.04}), 0.12345)
    completed_flights.add(preview("/prew/thumb/b.jpg"), FlightResult(Failure("missing", "secret")), 1)
    text = report(HERE, [_flying(2), _flying(200, "/prew/thumb/b.jpg")], completed_flights)
    said = json.loads(text)

    assert (said["replica"], said["in_flight"], said["waiting"]) == ("aaaaaa", 2, 202)
    assert [(flight["preview"], flight["waiting"]) for flight in said["flights"]] == [
        ("prew/thumb/b.jpg", 200),
        ("prew/card/a.jpg", 2),
    ]
    assert said["landed"][0] == {
        "preview": "prew/card/a.jpg",
        "outcome": "made",
        "failed": False,
        "seconds": 0.123,
        "waited": 7,
        "steps": {"lambda": 20.0},
    }
    assert (said["landed"][1]["outcome"], said["landed"][1]["failed"]) == ("missing", True)
    assert "secret" not in text


def test_a_report_is_bounded() -> None:
    """However much happens, so many rows, and the number of those that were left out."""
    completed_flights = CompletedFlights()
    for _ in range(MOST_LANDED + 5):
        completed_flights.add(preview(), FlightResult(made()), 0.1)
    said = json.loads(report(HERE, [_flying(number) for number in range(MOST_FLIGHTS + 5)], completed_flights))

    assert (len(said["flights"]), said["in_flight"]) == (MOST_FLIGHTS, MOST_FLIGHTS + 5)
    assert said["flights"][0]["waiting"] == MOST_FLIGHTS + 4
    assert (len(said["landed"]), said["omitted"]) == (MOST_LANDED, 5)


async def test_a_slow_viewer_loses_the_oldest_and_is_told() -> None:
    """What waits for it is bounded; the newest stay, in their order."""
    viewer = Viewer()
    for number in range(CAPACITY + 3):
        viewer.give(str(number))
    deliveries = [await viewer.next() for _ in range(CAPACITY)]

    assert [each.report for each in deliveries if each] == [str(number) for number in range(3, CAPACITY + 3)]
    assert [each.lost for each in deliveries if each] == [3, *[0] * (CAPACITY - 1)]


async def test_a_closed_viewer_ends_at_once() -> None:
    """One that waits, and one that has not taken everything yet."""
    waiting, behind = Viewer(), Viewer()
    behind.give("report")
    waits = asyncio.create_task(waiting.next())
    await asyncio.sleep(0)
    waiting.close()
    behind.close()

    assert await waits is None
    assert await behind.next() is None


async def test_viewers_see_all_replicas_once() -> None:
    """Several viewers at either of two replicas get the reports of both, none twice."""
    relay = FakeRelay()
    here, there = (FlightWatch(RecordingObserver(), replica, relay) for replica in (HERE, THERE))
    async with here.viewer() as one, here.viewer() as two, there.viewer() as three:
        await until(lambda: len(relay.listeners) == 2)
        await here.report([_flying(3)])
        await there.report([_flying(4)])
        seen = [[(await _taken(viewer))["replica"] for _ in range(2)] for viewer in (one, two, three)]
        for viewer in (one, two, three):
            viewer.close()

        assert [sorted(each) for each in seen] == [["aaaaaa", "bbbbbb"]] * 3
    assert relay.listeners == []


async def test_what_it_is_told_reaches_the_other_observer() -> None:
    """It stands before the metrics, which miss nothing."""
    observer = RecordingObserver()
    watch = FlightWatch(observer, HERE, None)
    watch.waiting(1)
    watch.took_over(preview())
    watch.completed(preview(), FlightResult(made(), Source.FOUND), 0.1)

    assert (observer.waiters, observer.takeovers) == (1, ["prew/card/a.jpg"])
    assert [source for _, _, source in observer.flights] == [Source.FOUND]


async def test_an_idle_replica_says_little() -> None:
    """Busy: each report. Then one that says it is over, and from there on one in so many."""
    relay = FakeRelay()
    watch = FlightWatch(RecordingObserver(), HERE, relay)
    for flights in ([_flying()], [_flying()], *[[]] * (2 * IDLE_REPORTS)):
        await watch.report(flights)

    assert [json.loads(text)["in_flight"] for _, text in relay.sent] == [1, 1, 0, 0, 0]


async def test_a_landed_flight_is_reported_once() -> None:
    """Also one so short that no report saw it under way."""
    watch = FlightWatch(RecordingObserver(), HERE, None)
    async with watch.viewer() as viewer:
        watch.completed(preview(), FlightResult(made(), Source.MADE, 1), 0.1)
        await watch.report([])
        await watch.report([])

        assert [len((await _taken(viewer))["landed"]) for _ in range(2)] == [1, 0]


async def test_it_reports_while_it_runs() -> None:
    """By itself, on the flights that it is given."""
    watch = FlightWatch(RecordingObserver(), HERE, None)
    async with watch.viewer() as viewer, watch.running(lambda: [_flying(9)]):
        assert (await _taken(viewer))["waiting"] == 9


async def test_not_any_number_may_look_on() -> None:
    """One more than may is refused, until somebody leaves."""
    watch = FlightWatch(RecordingObserver(), HERE, None)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(MOST_VIEWERS):
            await stack.enter_async_context(watch.viewer())
        with pytest.raises(Overloaded):
            await stack.enter_async_context(watch.viewer())
    async with watch.viewer():
        pass


async def _all(finder: PhotoFinder, search: str = "") -> list[Found]:
    pages = [await finder.find("", search, None)]
    while pages[-1].cursor:
        pages.append(await finder.find("", search, pages[-1].cursor))
    return pages


async def test_photos_come_a_page_at_a_time() -> None:
    """Each once, in order; one request to S3 for a page."""
    pages = FakePages(*(f"photo/{number:03}.jpg" for number in range(PAGE + 5)))
    found = await _all(PhotoFinder(pages, CATALOGUE))

    assert [len(each.photos) for each in found] == [PAGE, 5]
    assert [photo.name for each in found for photo in each.photos] == [f"{n:03}.jpg" for n in range(PAGE + 5)]
    assert [limit for _, limit, _ in pages.asked] == [PAGE, PAGE]


@pytest.mark.parametrize("matches", [0, PAGE, PAGE + 1, 3 * PAGE])
async def test_a_search_finds_each_photo_once(matches: int) -> None:
    """In any case of letters, wherever a page ends in S3's listing."""
    names = [f"{n:04}-{'Lake' if n < matches else 'hill'}.jpg" for n in range(1500)]
    found = await _all(PhotoFinder(FakePages(*(f"photo/{name}" for name in names)), CATALOGUE), "lAKe")

    assert [photo.name for each in found for photo in each.photos] == names[:matches]
    assert sum(each.looked_at for each in found) == len(names)


async def test_a_search_through_very_many_is_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """One request looks at so many names and no more; its cursor goes on behind them."""
    monkeypatch.setattr("prewmanager.web.contact_sheet.photos.MOST_LOOKED_AT", 2000)
    count = 2010
    finder = PhotoFinder(FakePages(*(f"photo/{number}" for number in range(count))), CATALOGUE)
    first = await finder.find("", "nowhere", None)
    second = await finder.find("", "nowhere", first.cursor)

    assert (first.looked_at, first.photos, second.looked_at, second.cursor) == (2000, [], 10, None)


async def test_what_no_path_can_ask_for_is_marked() -> None:
    """A name that the service would refuse is listed, without previews; folders are not listed."""
    names = ["a.jpg", "a//b.jpg", "../a.jpg", "line\nbreak.jpg", "ü" * 510, "folder/", "100% #1?.jpg"]
    found = await PhotoFinder(FakePages(*(f"photo/{name}" for name in names)), CATALOGUE).find("", "", None)

    assert [photo.name for photo in found.photos if photo.usable] == ["a.jpg", "100% #1?.jpg"]
    assert len(found.photos) == 6


@pytest.mark.parametrize("cursor", ["x", "1", "-1:t", "1001:t", "²:t", ":", "1.5:"])
async def test_a_cursor_of_somebody_elses_is_refused(cursor: str) -> None:
    """Before S3 is asked."""
    pages = FakePages()
    with pytest.raises(InvalidKey):
        await PhotoFinder(pages, CATALOGUE).find("", "", cursor)

    assert pages.asked == []


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """Its files name no other host, hold no inline script or style, and their policy allows none."""
    files = page_files()
    texts = {name: file.body.decode() for name, file in files.items()}
    named = {address for text in texts.values() for address in re.findall(r"https?://[^\"'\s]+", text)}

    assert named == {"http://www.w3.org/2000/svg"}
    assert "<style" not in texts["index.html"]
    assert " style=" not in texts["index.html"]
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert [name for name, text in texts.items() if "innerHTML" in text or "insertAdjacentHTML" in text] == []
    assert files["main.js"].content_type.startswith("text/javascript")


def _app(watch: FlightWatch, *keys: str) -> web.Application:
    app = web.Application()
    ContactSheet(CATALOGUE.presets, CATALOGUE, PhotoFinder(FakePages(*keys), CATALOGUE), watch).add_to(app)
    return app


async def test_the_end_of_the_service_ends_its_streams() -> None:
    """With a viewer there it takes none of the grace, which is for requests that have an answer to wait for."""
    watch = FlightWatch(RecordingObserver(), HERE, None)
    server = TestServer(_app(watch), shutdown_timeout=3600)
    async with TestClient(server) as client, client.get("/-/presets/flights") as stream:
        await server.close()

        assert await stream.content.read() == b"retry: 2000\n\n"


async def test_one_who_went_away_is_no_viewer_any_more() -> None:
    """The next report finds it out; the others go on."""
    watch = FlightWatch(RecordingObserver(), HERE, None)
    async with TestClient(TestServer(_app(watch))) as client, client.get("/-/presets/flights") as stays:
        leaves = await client.get("/-/presets/flights")
        leaves.close()
        await _until_viewers(watch, 1)
        await stays.content.readuntil(b"data: ")
        watch.close()


async def _until_viewers(watch: FlightWatch, count: int) -> None:
    while len(watch._viewers) != count:
        await watch.report([_flying()])
        await asyncio.sleep(0)


async def test_each_answer_names_its_replica() -> None:
    """So that the page can tell which one made a preview."""
    watch = FlightWatch(RecordingObserver(), HERE, None)
    async with TestClient(TestServer(_app(watch, "photo/a.jpg"))) as client:
        answer = await client.get("/-/presets/photos")

        assert answer.headers["X-Replica"] == HERE.id
        assert [photo["name"] for photo in (await answer.json())["photos"]] == ["a.jpg"]
