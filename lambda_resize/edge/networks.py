"""Which IP addresses belong to the public internet: by IANA's registries, whatever Python knows of them."""

from __future__ import annotations

import ipaddress

_NATIVE_V6 = ipaddress.ip_network("2000::/3")
# www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry, including what these call global:
# anycast services and translators are no hosts of images. `ipaddress` has a part, and changed it in patch releases.
_SPECIAL = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's platform: its DNS and its machines' agent, reachable from inside alone
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        "2001::/23",  # among them Teredo, which embeds any IPv4 address
        "2001:db8::/32",
        "2002::/16",  # 6to4, likewise
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)


def is_public(ip: str) -> bool:
    """Whether an address belongs to the public internet, not to a private, local, link-local or special range."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:  # with a zone (fe80::1%eth0), or not an address
        return False
    if isinstance(address, ipaddress.IPv6Address) and address not in _NATIVE_V6:
        return False  # also NAT64 and mapped IPv4 addresses
    special = any(address in network for network in _SPECIAL if network.version == address.version)
    return address.is_global and not special
