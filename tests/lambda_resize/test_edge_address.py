"""The addresses that the edge function may connect to: forty spellings of forbidden ones, and the public ones."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from urllib.parse import quote

import pytest

from lambda_resize.edge.address import Resolve, allowed_address
from lambda_resize.edge.errors import BadQuery, Refused, SourceFailed, SourceSlow
from lambda_resize.edge.networks import is_public
from lambda_resize.edge.settings import EdgeSettings
from lambda_resize.edge.urls import MAX_URL_CHARACTERS, spelled

SETTINGS = EdgeSettings(allowed_hosts=("images.example.com", "cdn.example.com:8443"))
PUBLIC = "93.184.216.34"

SPELLINGS = [
    "https://169.254.169.254/latest/meta-data/",
    "https://[fd00:ec2::254]/latest/meta-data/",
    "https://169.254.170.2/v2/credentials",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://127.0.0.1.nip.io/",
    "https://127.000.000.001/",
    "https://%31%32%37.0.0.1/",
    "https://[::1]/",
    "https://[::]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[fe80::1%25eth0]/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://10.0.0.1/",
    "https://192.168.1.1/",
    "https://172.16.0.1/",
    "https://①②⑦.⓪.⓪.①/",
    "https://127。0。0。1/",
    "https://images.example.com@127.0.0.1/",
    "https://images.example.com:443@169.254.169.254/",
    "https://127.0.0.1#@images.example.com/",
    "https://127.0.0.1\\@images.example.com/",
    "https://images.example.com\\@127.0.0.1/",
    "https://images.example.com.evil.test/",
    "https://images.example.com./",
    "https://images.example.com%00.evil.test/",
    "https://images.example.com:22/",
    "https://images.example.com:0443/",
    "https://user:password@images.example.com/",
    "https://images.example.com\t/",
    "https://images.example.com\r\nHost: evil.test/",
    "https:///images.example.com/",
    "https:images.example.com/",
    "//images.example.com/",
    "http://images.example.com/",
    "ftp://images.example.com/",
    "file:///etc/passwd",
    "gopher://images.example.com/",
    "data:image/png;base64,AAAA",
    "https://[images.example.com]/",
    "https://[::1/",
    "",
    "images.example.com/a.jpg",
    "https://images.example.com/" + "a" * MAX_URL_CHARACTERS,
]


def _resolver(*addresses: str) -> Resolve:
    def lookup(_host: str, _port: int) -> Sequence[str]:
        return addresses

    return lookup


@pytest.mark.parametrize("url", SPELLINGS)
def test_a_forbidden_address_is_refused_in_any_spelling_before_the_lookup(url: str) -> None:
    def never(host: str, _port: int) -> Sequence[str]:
        raise AssertionError(f"{host} was looked up")

    with pytest.raises(Refused):
        allowed_address(url, SETTINGS, never)
    for written in (url, quote(url, safe=""), quote(quote(url, safe=""), safe="")):
        with pytest.raises((Refused, BadQuery)):
            allowed_address(spelled(written), SETTINGS, never)


def test_an_allowed_host_is_the_checked_address() -> None:
    address = allowed_address(
        "https://images.example.com/a%20b.jpg?v=2#top", SETTINGS, _resolver(PUBLIC, "93.184.216.35")
    )

    assert (address.scheme, address.host, address.port, address.ips) == (
        "https",
        "images.example.com",
        443,
        (PUBLIC, "93.184.216.35"),
    )
    assert address.target == "/a%20b.jpg?v=2"
    assert allowed_address("https://cdn.example.com:8443", SETTINGS, _resolver(PUBLIC)).port == 8443


NOT_PUBLIC = [
    "0.0.0.0",  # noqa: S104 -- an address to be refused
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "169.254.170.2",
    "172.31.255.255",
    "168.63.129.16",
    "192.0.0.1",
    "192.0.0.8",
    "192.0.0.9",
    "192.88.99.1",
    "192.0.2.1",
    "192.168.0.1",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:8.8.8.8",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "100::1",
    "2001:0:a9fe:a9fe::1",
    "2001:1::1",
    "2001:db8::1",
    "3fff::1",
    "3fff:fff:ffff::1",
    "5f00::1",
    "2002:a9fe:a9fe::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "no address",
]


@pytest.mark.parametrize("ip", NOT_PUBLIC)
def test_an_allowed_name_that_points_inside_is_refused(ip: str) -> None:
    assert not is_public(ip)
    with pytest.raises(Refused, match="not public"):
        allowed_address("https://images.example.com/", SETTINGS, _resolver(PUBLIC, ip))


@pytest.mark.parametrize("ip", [PUBLIC, "8.8.8.8", "52.216.0.1", "2606:2800:220:1::1", "2a00:1450::1"])
def test_the_public_internet_is_public(ip: str) -> None:
    assert is_public(ip)


def test_a_name_that_does_not_resolve_is_the_hosts_failure() -> None:
    def fails(_host: str, _port: int) -> Sequence[str]:
        raise OSError("Name or service not known")

    for lookup in (fails, _resolver()):
        with pytest.raises(SourceFailed):
            allowed_address("https://images.example.com/", SETTINGS, lookup)


def test_a_lookup_that_does_not_end_is_given_up_at_the_deadline() -> None:
    """The system's resolver has time-outs of its own, which add up to more than the edge has."""
    release = threading.Event()

    def hangs(_host: str, _port: int) -> Sequence[str]:
        release.wait(30)
        return [PUBLIC]

    try:
        with pytest.raises(SourceSlow):
            allowed_address("https://images.example.com/", SETTINGS, hangs, deadline=0.0)
    finally:
        release.set()
