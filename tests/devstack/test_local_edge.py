"""The edge function's access to this machine: by configured names only."""

from __future__ import annotations

import pytest

from devstack.cloudfront.local_edge import local_network
from lambda_resize.edge.address import allowed_address
from lambda_resize.edge.errors import Refused
from lambda_resize.edge.settings import EdgeSettings

ADDRESSES = {
    "nginx": ["172.18.0.2"],
    "public.example": ["93.184.216.34"],
    "rebound.example": ["93.184.216.34", "127.0.0.1"],
}
SETTINGS = EdgeSettings(
    allowed_hosts=("photos.localhost:8080", "public.example", "rebound.example"), schemes=("https", "http")
)
NETWORK = local_network({"photos.localhost": "nginx"}, lambda host, _port: ADDRESSES[host])


def _address(url: str) -> str:
    return allowed_address(url, SETTINGS, NETWORK.lookup, NETWORK.permits).ips[0]


@pytest.mark.parametrize(
    ("url", "ip"),
    [("http://photos.localhost:8080/a.jpg", "172.18.0.2"), ("https://public.example/a.jpg", "93.184.216.34")],
)
def test_local_names_resolve_as_configured_and_others_as_usual(url: str, ip: str) -> None:
    assert _address(url) == ip


@pytest.mark.parametrize(
    "url", ["https://rebound.example/a.jpg", "http://photos.localhost/a.jpg", "http://nginx/a.jpg"]
)
def test_every_other_way_to_a_private_address_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        _address(url)
