"""The contact sheet's parts, with fakes of their ports: reports on flights, viewers, pages of photos."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from prewmanager.errors import InvalidKey, Overloaded
from prewmanager.flights.result import FlightResult, InFlight
from prewmanager.previews.outcome import Failure, Source
from prewmanager.web.contact_sheet import photos, watch
from prewmanager.web.contact_sheet.files import CONTENT_SECURITY_POLICY, page_files
from prewmanager.web.contact_sheet.photos import PAGE_SIZE, PhotoFinder, PhotoPage
from prewmanager.web.contact_sheet.reports import MAX_COMPLETED, MAX_FLIGHTS, CompletedFlights, Replica, report
from prewmanager.web.contact_sheet.viewer import CAPACITY, Viewer
from prewmanager.web.contact_sheet.watch import ASK_STEPS, IDLE_REPORTS, MAX_VIEWERS, FlightWatch
from prewmanager.web.ports import Relay
from tests.support.fakes import CATALOGUE, FakePages, RecordingObserver, made, preview, until

HERE = Replica("aaaaaa", "here")
THERE = Replica("bbbbbb", "there")


class FakeRelay:
    """A `Relay` in memory, which several replicas can share."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.receivers: list[asyncio.Queue[tuple[str, str]]] = []

    async def send(self, sender: str, report: str) -> int:
        self.sent.append((sender, report))
        for receiver in self.receivers if report else []:
            receiver.put_nowait((sender, report))
        return len(self.receivers)

    async def received(self) -> AsyncIterator[tuple[str, str]]:
        queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.receivers.append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self.receivers.remove(queue)


def _watch(replica: Replica = HERE, relay: Relay | None = None) -> FlightWatch:
    return FlightWatch(RecordingObserver(), replica, relay)


def _in_flight(waiters: int = 1, path: str = "/prew/card/a.jpg") -> InFlight:
    return InFlight(preview(path), waiters, 0.5)


def _none() -> list[InFlight]:
    return []


async def _next(viewer: Viewer) -> dict[str, Any]:
    delivery = await viewer.next()
    assert delivery is not None
    content: dict[str, Any] = json.loads(delivery.report)
    return content


def test_a_report_lists_flights_by_waiters_and_completed_flights_with_their_outcome() -> None:
    completed = CompletedFlights()
    completed.add(preview(), FlightResult(made(), Source.MADE, (("lambda", 20.04),)), 7, 0.12345)
    completed.add(preview("/prew/thumb/b.jpg"), FlightResult(Failure("missing", "secret")), 0, 1)
    text = report(HERE, [_in_flight(2), _in_flight(200, "/prew/thumb/b.jpg")], completed)
    content = json.loads(text)

    assert (content["replica"], content["in_flight"], content["waiting"]) == ("aaaaaa", 2, 202)
    flights = [(flight["preview"], flight["waiting"]) for flight in content["flights"]]
    assert flights == [("prew/thumb/b.jpg", 200), ("prew/card/a.jpg", 2)]
    assert content["completed"][0] == {
        "preview": "prew/card/a.jpg",
        "outcome": "made",
        "failed": False,
        "seconds": 0.123,
        "waiters": 7,
        "steps": {"lambda": 20.0},
    }
    assert (content["completed"][1]["outcome"], content["completed"][1]["failed"]) == ("missing", True)
    assert "secret" not in text


def test_a_report_is_bounded_and_counts_what_it_omits() -> None:
    completed = CompletedFlights()
    for _ in range(MAX_COMPLETED + 5):
        completed.add(preview(), FlightResult(made()), 1, 0.1)
    content = json.loads(report(HERE, [_in_flight(number) for number in range(MAX_FLIGHTS + 5)], completed))

    assert (len(content["flights"]), content["in_flight"]) == (MAX_FLIGHTS, MAX_FLIGHTS + 5)
    assert content["flights"][0]["waiting"] == MAX_FLIGHTS + 4
    assert (len(content["completed"]), content["omitted"]) == (MAX_COMPLETED, 5)


@pytest.mark.fault("viewer-slow")
async def test_a_slow_viewer_loses_the_oldest_reports_and_learns_how_many() -> None:
    viewer = Viewer()
    for number in range(CAPACITY + 3):
        viewer.add(str(number))
    deliveries = [await viewer.next() for _ in range(CAPACITY)]

    assert [each.report for each in deliveries if each] == [str(number) for number in range(3, CAPACITY + 3)]
    assert [each.lost for each in deliveries if each] == [3, *[0] * (CAPACITY - 1)]


async def test_a_closed_viewer_ends_at_once_whether_it_waits_or_is_behind() -> None:
    waiting, behind = Viewer(), Viewer()
    behind.add("report")

    async def close() -> None:
        waiting.close()
        behind.close()

    delivery, _ = await asyncio.gather(waiting.next(), close())

    assert delivery is None
    assert await behind.next() is None


async def test_each_viewer_receives_the_reports_of_all_replicas_once() -> None:
    relay = FakeRelay()
    here, there = _watch(HERE, relay), _watch(THERE, relay)
    async with here.viewer() as one, here.viewer() as two, there.viewer() as three:
        await until(lambda: len(relay.receivers) == 2)
        await here.step(lambda: [_in_flight(3)])
        await there.step(lambda: [_in_flight(4)])
        received = [[(await _next(viewer))["replica"] for _ in range(2)] for viewer in (one, two, three)]
        here.close()
        there.close()

        assert [sorted(each) for each in received] == [["aaaaaa", "bbbbbb"]] * 3
        assert [await viewer.next() for viewer in (one, two, three)] == [None] * 3
    assert relay.receivers == []


async def test_a_watch_forwards_everything_to_its_observer() -> None:
    observer = RecordingObserver()
    flight_watch = FlightWatch(observer, HERE, None)
    flight_watch.waiting(1)
    flight_watch.took_over(preview())
    flight_watch.completed(preview(), FlightResult(made(), Source.FOUND), waiters=1, seconds=0.1)

    assert (observer.waiters, observer.takeovers) == (1, ["prew/card/a.jpg"])
    assert [source for _, _, source in observer.flights] == [Source.FOUND]


async def test_an_idle_replica_sends_its_first_report_and_then_one_in_twenty() -> None:
    relay = FakeRelay()
    flight_watch, viewer = _watch(relay=relay), _watch(THERE, relay)
    async with viewer.viewer():
        await until(lambda: relay.receivers != [])
        for _ in range(2):
            await flight_watch.step(lambda: [_in_flight()])
        for _ in range(2 * IDLE_REPORTS):
            await flight_watch.step(_none)

    assert [json.loads(text)["in_flight"] for _, text in relay.sent if text] == [1, 1, 0, 0, 0]


async def test_without_a_viewer_a_replica_collects_nothing_and_asks_once_a_second_whether_there_is_one() -> None:
    relay = FakeRelay()
    flight_watch = _watch(relay=relay)
    collected: list[int] = []

    def in_flight() -> list[InFlight]:
        collected.append(1)
        return [_in_flight()]

    for _ in range(5 * ASK_STEPS):
        flight_watch.completed(preview(), FlightResult(made(), Source.MADE), waiters=1, seconds=0.1)
        await flight_watch.step(in_flight)

    assert relay.sent == [(HERE.id, "")] * 5
    assert collected == []
    assert flight_watch._completed_flights is None


async def test_a_viewer_gets_the_flights_of_every_replica_within_a_second_and_then_nobody_reports_any_more() -> None:
    relay = FakeRelay()
    here, there = _watch(HERE, relay), _watch(THERE, relay)
    for _ in range(ASK_STEPS + 1):
        await there.step(lambda: [_in_flight()])
    async with here.viewer() as viewer:
        await until(lambda: relay.receivers != [])
        for _ in range(ASK_STEPS):
            await there.step(lambda: [_in_flight(4)])

        assert (await _next(viewer))["replica"] == THERE.id
    relay.sent.clear()
    await there.step(lambda: [_in_flight()])  # nobody listens to it
    for _ in range(ASK_STEPS):
        await there.step(lambda: [_in_flight()])

    assert [text for _, text in relay.sent][1:] == [""]


async def test_a_flight_completed_between_two_reports_is_in_one_of_them() -> None:
    flight_watch = _watch()
    async with flight_watch.viewer() as viewer:
        flight_watch.completed(preview(), FlightResult(made(), Source.MADE), waiters=1, seconds=0.1)
        await flight_watch.step(_none)
        await flight_watch.step(_none)

        assert [len((await _next(viewer))["completed"]) for _ in range(2)] == [1, 0]


async def test_a_running_watch_reports_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "REPORT_EVERY_S", 0)
    flight_watch = _watch()
    async with flight_watch.viewer() as viewer, flight_watch.running(lambda: [_in_flight(9)]):
        assert (await _next(viewer))["waiting"] == 9


async def test_one_viewer_too_many_is_refused_until_another_leaves() -> None:
    flight_watch = _watch()
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(MAX_VIEWERS):
            await stack.enter_async_context(flight_watch.viewer())
        with pytest.raises(Overloaded):
            await stack.enter_async_context(flight_watch.viewer())
    async with flight_watch.viewer():
        pass


async def _all_pages(pages: FakePages, search: str = "") -> list[PhotoPage]:
    finder = PhotoFinder(pages, CATALOGUE)
    found = [await finder.find("", search, None)]
    while found[-1].cursor:
        found.append(await finder.find("", search, found[-1].cursor))
    return found


async def test_a_page_of_photos_costs_one_request_to_s3() -> None:
    names = [f"{number:03}.jpg" for number in range(PAGE_SIZE + 5)]
    pages = FakePages(*names)
    found = await _all_pages(pages)

    assert [len(each.photos) for each in found] == [PAGE_SIZE, 5]
    assert [photo.name for each in found for photo in each.photos] == names
    assert [limit for _, limit, _ in pages.requests] == [PAGE_SIZE, PAGE_SIZE]


@pytest.mark.parametrize("matches", [0, PAGE_SIZE, PAGE_SIZE + 1, 3 * PAGE_SIZE])
async def test_a_search_ignores_case_and_finds_each_photo_once_wherever_a_page_ends(matches: int) -> None:
    names = [f"{n:04}-{'Lake' if n < matches else 'hill'}.jpg" for n in range(1500)]
    found = await _all_pages(FakePages(*names), "lAKe")

    assert [photo.name for each in found for photo in each.photos] == names[:matches]
    assert sum(each.searched for each in found) == len(names)


async def test_a_request_searches_a_bounded_number_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "MAX_SEARCHED", 2000)
    first, second = await _all_pages(FakePages(*map(str, range(2010))), "nowhere")

    assert (first.searched, first.photos, second.searched, second.cursor) == (2000, [], 10, None)


async def test_names_that_no_path_can_request_are_unusable_and_folders_are_left_out() -> None:
    names = ["a.jpg", "a//b.jpg", "../a.jpg", "line\nbreak.jpg", "ü" * 510, "folder/", "100% #1?.jpg"]
    (found,) = await _all_pages(FakePages(*names))

    assert [photo.name for photo in found.photos if photo.usable] == ["a.jpg", "100% #1?.jpg"]
    assert len(found.photos) == 6


@pytest.mark.parametrize("cursor", ["x", "1", "-1:t", "1001:t", "²:t", ":", "1.5:"])
async def test_an_invalid_cursor_is_refused_without_a_request_to_s3(cursor: str) -> None:
    pages = FakePages()
    with pytest.raises(InvalidKey):
        await PhotoFinder(pages, CATALOGUE).find("", "", cursor)

    assert pages.requests == []


def test_the_page_loads_nothing_from_other_hosts_and_has_no_inline_code() -> None:
    files = page_files()
    texts = {name: file.body.decode() for name, file in files.items()}
    addresses = {address for text in texts.values() for address in re.findall(r"https?://[^\"'\s]+", text)}

    assert addresses == {"http://www.w3.org/2000/svg"}
    assert "<style" not in texts["index.html"]
    assert " style=" not in texts["index.html"]
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert [name for name, text in texts.items() if "innerHTML" in text or "insertAdjacentHTML" in text] == []
    assert files["main.js"].content_type.startswith("text/javascript")


def test_each_element_and_module_that_the_scripts_name_exists() -> None:
    texts = {name: file.body.decode() for name, file in page_files().items()}
    scripts = "".join(text for name, text in texts.items() if name.endswith(".js"))
    ids = set(re.findall(r'byId\("([^"]+)"\)', scripts))

    assert ids <= set(re.findall(r' id="([^"]+)"', texts["index.html"]))
    assert set(re.findall(r'from "\./([^"]+)"', scripts)) <= set(texts)
