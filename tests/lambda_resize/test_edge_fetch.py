"""Fetching at the edge: real connections to a host that redirects, lies, dribbles and never ends."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from lambda_resize.edge.errors import EdgeError, NotAnImage, Refused, SourceFailed, SourceMissing, SourceSlow, TooMuch
from lambda_resize.edge.fetch import Network, fetch
from tests.lambda_resize.edge_event import LOOPBACK, ImageHost, Reply, reply
from tests.support.certificates import self_signed


@pytest.fixture(name="host")
def _host() -> Iterator[ImageHost]:
    with ImageHost() as host:
        yield host


def test_the_image_is_fetched_unchanged_without_credentials_or_viewer_data(host: ImageHost) -> None:
    seen: dict[str, str] = {}

    def answer(handler: BaseHTTPRequestHandler) -> None:
        seen.update(handler.headers.items())
        reply(body=b"image")(handler)

    host.replies["/a.jpg?v=1"] = answer

    assert fetch(host.url("/a.jpg?v=1"), host.settings(), host.network).data == b"image"
    assert seen == {
        "Host": host.name,
        "User-Agent": "prewmanager-edge",
        "Accept": "image/*",
        "Accept-Encoding": "identity",
    }


def test_redirects_to_allowed_hosts_are_followed(host: ImageHost) -> None:
    host.replies = {
        "/1": reply(301, Location=host.url("/2")),
        "/2": reply(307, Location="3?x=1"),
        "/3?x=1": reply(body=b"image"),
    }

    assert fetch(host.url("/1"), host.settings(), host.network).data == b"image"
    assert host.lookups == 3


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/a b.jpg", "/a%20b.jpg"),
        ("/a%20b.jpg", "/a%20b.jpg"),
        ("/사진 1.jpg", "/%EC%82%AC%EC%A7%84%201.jpg"),
        ("http://IMAGES.test:{port}/x?u=A B#top", "/x?u=A%20B"),
        ("?v='1'|2", "/1?v='1'%7C2"),
    ],
)
def test_a_redirect_may_have_blanks_and_utf8_in_its_location(host: ImageHost, location: str, path: str) -> None:
    sent = location.format(port=host.port).encode().decode("latin-1")  # as a server sends UTF-8
    host.replies = {"/1": reply(302, Location=sent), path: reply(body=b"image")}

    assert fetch(host.url("/1"), host.settings(), host.network).data == b"image"
    assert host.asked == ["/1", path]


@pytest.mark.fault("edge-host-fails")
@pytest.mark.parametrize("dead", [["127.0.0.2"], ["::1", "127.0.0.2"]])
def test_a_dead_address_is_not_the_end_while_another_answers(host: ImageHost, dead: list[str]) -> None:
    host.addresses = [[*dead, LOOPBACK]]
    host.replies["/a"] = reply(body=b"image")
    network = Network(host.lookup, permits=lambda _ip: True)

    assert fetch(host.url("/a"), host.settings(), network).data == b"image"


def test_the_hosts_date_comes_with_the_image(host: ImageHost) -> None:
    date = "Mon, 02 Nov 2026 09:00:00 GMT"
    host.replies["/a"] = reply(body=b"image", Last_Modified=date)

    assert fetch(host.url("/a"), host.settings(), host.network).last_modified == date


def test_the_time_that_is_left_in_all_bounds_the_fetch_too(host: ImageHost) -> None:
    host.replies["/a"] = reply(body=b"image")
    with pytest.raises(SourceSlow):
        fetch(host.url("/a"), host.settings(), host.network, end=0.0)


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1/",
        "http://[::1]/",
        "//localhost/",
        "https://images.test/",
        "file:///etc/passwd",
        "http://user@images.test/",
        "http://[::1",
        "\\\\127.0.0.1\\a",
    ],
)
@pytest.mark.fault("edge-host-fails")
def test_a_redirect_to_a_forbidden_host_is_refused_without_a_request(host: ImageHost, location: str) -> None:
    host.replies = {"/1": reply(302, Location="/2"), "/2": reply(302, Location=location)}

    with pytest.raises(Refused):
        fetch(host.url("/1"), host.settings(), host.network)
    assert host.asked == ["/1", "/2"]


@pytest.mark.fault("edge-host-fails")
def test_a_name_that_resolves_to_a_private_address_at_a_redirect_is_refused(host: ImageHost) -> None:
    host.addresses = [[LOOPBACK], ["169.254.169.254"]]
    host.replies = {"/1": reply(302, Location="/2")}

    with pytest.raises(Refused, match=r"169\.254\.169\.254"):
        fetch(host.url("/1"), host.settings(), host.network)
    assert host.asked == ["/1"]


def test_the_checked_address_is_the_one_connected_to(host: ImageHost, monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[object] = []
    connect = socket.create_connection

    def recorded(address: tuple[str, int], timeout: float) -> socket.socket:
        connected.append(address)
        return connect(address, timeout)

    monkeypatch.setattr(socket, "create_connection", recorded)
    host.addresses = [[LOOPBACK], ["10.0.0.1"]]
    host.replies["/a"] = reply(body=b"image")

    assert fetch(host.url("/a"), host.settings(), host.network).data == b"image"
    assert connected == [(LOOPBACK, host.port)]
    assert host.lookups == 1


@pytest.mark.fault("photo-compressed")
def test_an_answer_that_is_compressed_all_the_same_is_decoded(host: ImageHost) -> None:
    host.replies = {
        "/gzip": reply(body=gzip.compress(b"image"), Content_Encoding="gzip"),
        "/bomb": reply(body=gzip.compress(bytes(9_000_000)), Content_Encoding="gzip"),
        "/br": reply(body=b"image", Content_Encoding="br"),
    }

    assert fetch(host.url("/gzip"), host.settings(), host.network).data == b"image"
    with pytest.raises(TooMuch):
        fetch(host.url("/bomb"), host.settings(max_source_bytes=1_000_000), host.network)
    with pytest.raises(NotAnImage, match="br"):
        fetch(host.url("/br"), host.settings(), host.network)


def test_redirects_are_limited(host: ImageHost) -> None:
    host.replies = {"/circle": reply(302, Location="/circle"), "/nowhere": reply(302)}

    with pytest.raises(SourceFailed, match="more than 3 redirects"):
        fetch(host.url("/circle"), host.settings(), host.network)
    assert host.asked == ["/circle"] * 4
    with pytest.raises(SourceFailed, match="without a location"):
        fetch(host.url("/nowhere"), host.settings(), host.network)


def _endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    with suppress(OSError):
        while True:
            handler.wfile.write(b"x" * 65536)


def test_a_body_has_a_limit(host: ImageHost) -> None:
    host.replies = {"/said": reply(body=b"x" * 2001), "/endless": _endless, "/fits": reply(body=b"x" * 2000)}
    settings = host.settings(max_source_bytes=2000)

    assert len(fetch(host.url("/fits"), settings, host.network).data) == 2000
    for path in ("/said", "/endless"):
        with pytest.raises(TooMuch):
            fetch(host.url(path), settings, host.network)


def _raw(data: bytes, then: Callable[[], object] = lambda: None) -> Reply:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(data)
        handler.wfile.flush()
        then()

    return answer


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
    ],
)
@pytest.mark.fault("edge-host-fails")
def test_a_silent_host_is_given_up_at_the_deadline(host: ImageHost, first: bytes) -> None:
    release = threading.Event()
    host.replies["/slow"] = _raw(first, then=lambda: release.wait(30))
    try:
        with pytest.raises(SourceSlow):
            fetch(host.url("/slow"), host.settings(fetch_timeout_s=1), host.network)
    finally:
        release.set()


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\nX"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n", b"\xff"),
        # From here on `http.client` has let the connection go, as its end is the body's.
        (b"HTTP/1.0 200 OK\r\n\r\n", b"\xff"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9000000\r\n\r\n", b"\xff"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n\xff\r\n"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.fault("edge-host-fails")
def test_a_slow_stream_of_bytes_does_not_extend_the_deadline(
    host: ImageHost, certificate: Path, scheme: str, head: bytes, piece: bytes
) -> None:
    """The stream has its end long after the deadline: whoever waits for that has a whole answer."""
    cut = threading.Event()

    def dribble(handler: BaseHTTPRequestHandler) -> None:
        try:
            handler.wfile.write(head)
            for _ in range(200):
                handler.wfile.write(piece)
                time.sleep(0.05)
        except OSError:
            cut.set()

    host.replies["/slow"] = dribble
    network = _over_tls(host, certificate) if scheme == "https" else host.network
    settings = host.settings(fetch_timeout_s=1, schemes=(scheme,))

    with pytest.raises(EdgeError) as raised:
        fetch(f"{scheme}://{host.name}/slow", settings, network)
    assert isinstance(raised.value, SourceSlow)
    assert cut.wait(5)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, SourceMissing),
        (410, SourceMissing),
        (403, SourceMissing),
        (401, SourceMissing),
        (500, SourceFailed),
        (204, SourceFailed),
    ],
)
def test_only_a_200_with_a_body_is_an_image(host: ImageHost, status: int, error: type[EdgeError]) -> None:
    host.replies["/a"] = reply(status)

    with pytest.raises(error, match=str(status)):
        fetch(host.url("/a"), host.settings(), host.network)


@pytest.mark.fault("edge-host-fails")
def test_a_broken_answer_is_the_hosts_failure(host: ImageHost) -> None:
    host.replies = {"/nonsense": _raw(b"nonsense\r\n\r\n"), "/short": reply(body=b"half", Content_Length="9")}
    for path in host.replies:
        with pytest.raises(SourceFailed):
            fetch(host.url(path), host.settings(), host.network)


def test_a_closed_port_is_the_hosts_failure() -> None:
    with ImageHost() as gone:
        url, settings, network = gone.url("/a"), gone.settings(), gone.network
    with pytest.raises(SourceFailed):
        fetch(url, settings, network)


@pytest.fixture(name="certificate", scope="module")
def _certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for `images.test`, with its key, in one file."""
    return self_signed(tmp_path_factory.mktemp("tls") / "images.pem", "DNS:images.test")


def _over_tls(host: ImageHost, certificate: Path) -> Network:
    """Have the host serve by TLS, and return a network that trusts its certificate."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    host._server.socket = server.wrap_socket(host._server.socket, server_side=True)
    return Network(host.lookup, host.network.permits, ssl.create_default_context(cafile=certificate))


def test_https_checks_the_name_although_it_connects_to_an_address(host: ImageHost, certificate: Path) -> None:
    host.replies["/a"] = reply(body=b"image")
    trusting = _over_tls(host, certificate)
    other = f"other.test:{host.port}"
    settings = host.settings(schemes=("https",), allowed_hosts=(host.name, other))

    assert fetch(f"https://{host.name}/a", settings, trusting).data == b"image"
    with pytest.raises(SourceFailed, match=r"other\.test"):
        fetch(f"https://{other}/a", settings, trusting)
    with pytest.raises(SourceFailed, match="certificate"):
        fetch(f"https://{host.name}/a", settings, replace(trusting, tls=ssl.create_default_context()))
