"""Checks whether nginx can send each preview's misses to one replica, as `PREW_NGINX_BALANCE=hash` means."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping

from prewmanager.commands.checks import Finding, failed, ok, skipped

_CHECK = "nginx: one replica a preview"
_FIX = (
    "list the replicas in PREW_NGINX_SERVICES, or a name that resolves to each of them, such as a headless Service of "
    "Kubernetes: behind one address, as of a Service with a cluster IP or of serve --workers, hash gains nothing"
)


async def check_balance(nginx: Mapping[str, str]) -> Finding:
    """Count the addresses that nginx, with these variables, hashes previews to."""
    services = nginx.get("PREW_NGINX_SERVICES", "").split()
    balance = nginx.get("PREW_NGINX_BALANCE") or ("hash" if len(services) > 1 else "random")
    if balance != "hash":
        return skipped(_CHECK, "PREW_NGINX_BALANCE is not hash here: misses go to any replica")
    addresses = set[tuple[str, int]]()
    for service in services:
        host, _, port = service.rpartition(":")
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        except OSError as error:
            return failed(_CHECK, f"{service}: {error.strerror or error}", "correct the name in PREW_NGINX_SERVICES")
        addresses |= {(str(address[0]), int(address[1])) for *_, address in found}
    if len(addresses) < 2:  # noqa: PLR2004 -- one has nothing to choose
        return failed(_CHECK, f"{len(addresses)} address", _FIX)
    return ok(_CHECK, f"{len(addresses)} addresses")
