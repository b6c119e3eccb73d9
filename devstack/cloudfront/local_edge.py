"""The edge function as the local system runs it: the product's own, on a network that knows this machine by a name.

The product connects to no private address, and no setting of its own changes that. So its view of the network is
changed here: the names of `LOCAL_EDGE_HOSTS` lead to this machine, every other name is checked as always. The allow
list, by name and port, stands before both.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from lambda_resize.edge.address import Resolve, is_public, resolve
from lambda_resize.edge.errors import Refused
from lambda_resize.edge.fetch import Network, fetch
from lambda_resize.edge.handler import respond
from lambda_resize.edge.settings import EdgeSettings


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """What `lambda_resize.edge.handler.handler` does, with the settings of a file that is in no package.

    Reads `LOCAL_EDGE_CONFIG`, a file like the package's `edge_config.json`, and `LOCAL_EDGE_HOSTS`, a JSON object of
    names and where they lead: a name or an address.
    """
    settings, network = _local()
    return respond(event, settings, lambda url: fetch(url, settings, network))


def local_network(hosts: Mapping[str, str], lookup: Resolve = resolve) -> Network:
    """A network where `hosts` lead where they say, and all other names to public addresses only."""

    def checked(host: str, port: int) -> Sequence[str]:
        if host in hosts:
            return lookup(hosts[host], port)
        addresses = lookup(host, port)
        for ip in addresses:
            if not is_public(ip):
                raise Refused(f"{host}: {ip} is not public")
        return addresses

    # Which addresses are permitted depends on the name, and is decided by now.
    return Network(checked, permits=lambda _ip: True)


@cache
def _local() -> tuple[EdgeSettings, Network]:
    settings = EdgeSettings.from_json(Path(os.environ["LOCAL_EDGE_CONFIG"]).read_text(encoding="utf-8"))
    return settings, local_network(json.loads(os.environ["LOCAL_EDGE_HOSTS"]))
