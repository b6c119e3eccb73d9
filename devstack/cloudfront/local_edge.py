"""The edge function in the local system: the deployed code, with host names that resolve to this machine.

The function connects to no private address, and has no setting that allows it. This module therefore replaces its name
resolution: the names in `LOCAL_EDGE_HOSTS` resolve to this machine, every other name is checked as usual. The allow
list of names and ports applies to both.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from lambda_resize.edge.address import Resolve, resolve
from lambda_resize.edge.errors import Refused
from lambda_resize.edge.fetch import Network, fetch
from lambda_resize.edge.handler import respond
from lambda_resize.edge.networks import is_public
from lambda_resize.edge.settings import EdgeSettings


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Run `lambda_resize.edge.handler.handler` with the settings of a file outside of the package.

    Reads `LOCAL_EDGE_CONFIG`, the path of a file like the package's `edge_config.json`, and `LOCAL_EDGE_HOSTS`, a JSON
    object that maps names to other names or addresses.
    """
    settings, network = _local()
    return respond(event, settings, lambda url, end: fetch(url, settings, network, end))


def local_network(hosts: Mapping[str, str], lookup: Resolve = resolve) -> Network:
    """Return a network that resolves `hosts` as given, and all other names to public addresses only."""

    def checked(host: str, port: int) -> Sequence[str]:
        if host in hosts:
            return lookup(hosts[host], port)
        addresses = lookup(host, port)
        for ip in addresses:
            if not is_public(ip):
                raise Refused(f"{host}: {ip} is not public")
        return addresses

    # Whether an address is permitted depends on the name, and has been decided by now.
    return Network(checked, permits=lambda _ip: True)


@cache
def _local() -> tuple[EdgeSettings, Network]:
    settings = EdgeSettings.from_json(Path(os.environ["LOCAL_EDGE_CONFIG"]).read_text(encoding="utf-8"))
    return settings, local_network(json.loads(os.environ["LOCAL_EDGE_HOSTS"]))
