"""The names that the service answers to, so that no other site's name can be pointed at it (DNS rebinding)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from ipaddress import ip_address

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from prewmanager.errors import HostUnknown
from prewmanager.web.problems import SERVER, problem

_DIFFERENT_HOSTS = 256  # that are compared without being parsed again


def host_name(request: web.Request) -> str:
    """Return the name in a request's `Host`, in lower case and without its port, an address without brackets."""
    return _name(request.headers.get("Host", ""))


@lru_cache(_DIFFERENT_HOSTS)
def _name(host: str) -> str:
    return _without_port(host.lower()).removeprefix("[").removesuffix("]")


def own_names_only(names: Iterable[str]) -> Middleware:
    """Return what answers 421 to every `Host` but these lower-case names, addresses, and nginx's name for a replica.

    A browser sends the name of the page that asks, and an address is no name that somebody could point elsewhere.
    """
    is_own = _is_one_of({*names, SERVER})

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if is_own(request.headers.get("Host", "")):
            return await handler(request)
        return problem(HostUnknown(), request.raw_path)

    return middleware


def _is_one_of(names: Collection[str]) -> Callable[[str], bool]:
    @lru_cache(_DIFFERENT_HOSTS)
    def is_own(host: str) -> bool:
        name = _name(host)
        return name in names or _is_address(name)

    return is_own


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit() and (":" not in name or name.endswith("]")):
        host = name
    return host.removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
