"""The environment as a whole, before its values are read: what means nothing, and what cannot work in any variable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from urllib.parse import urlsplit

from prewmanager.errors import InvalidSettings

# Kubernetes sets these in each container for each Service of the namespace, such as one named prew-redis.
_SERVICE_LINK = re.compile(
    r"PREW(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_SERVICE_LINK_PORT = re.compile(r"PREW(_[A-Z0-9_]+)?_PORT")
_SERVICE_LINK_ADDRESS = re.compile(r"(tcp|udp|sctp)://\S+")
_SOURCE_KEYS = re.compile(r"PREW_SOURCE_KEYS|PREW_SOURCES__\w+__KEYS")
_ENDPOINT = "AWS_ENDPOINT_URL"
_COLLECTOR = ("http://collector:4318; unset: no traces", "OTEL_EXPORTER_OTLP_HEADERS")
# An example, and where credentials stand.
_ADDRESSES = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": _COLLECTOR,
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": _COLLECTOR,
    "PREW_RESIZER_URL": ("http://resizer:8190; unset: a function or workers", "PREW_RESIZER_TOKEN"),
}


def meaningless(environ: Mapping[str, str]) -> list[str]:
    """Return the variables that stand for nothing: Kubernetes' service links, and empty ones of AWS's SDK.

    The SDK and obstore take an empty endpoint for an address, and an empty token for a token.
    """
    return [name for name, value in environ.items() if (name.startswith("AWS_") and not value) or _is_link(name, value)]


def at_root(environ: Mapping[str, str]) -> list[str]:
    """Return the variables that name the bucket's root by being set and empty; any other empty one is unset."""
    return [name for name, value in environ.items() if _SOURCE_KEYS.fullmatch(name.upper()) and not value]


def is_installed(module: str) -> bool:
    """Whether a module of an optional dependency can be imported."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False


def require_resize_packages(why: str, otherwise: str = "") -> None:
    """Raise `InvalidSettings` if what renders previews is not installed.

    `why` it is needed, and what helps `otherwise`.
    """
    missing = [name for name in ("pebble", "pyvips") if not is_installed(name)]
    if missing:
        needs = f"{why}, and {' and '.join(missing)} not installed, which workers need"
        raise InvalidSettings([f"{needs}: pip install 'prewmanager[resize]'{otherwise}"])


def _is_link(name: str, value: str) -> bool:
    has_address = _SERVICE_LINK_PORT.fullmatch(name) and _SERVICE_LINK_ADDRESS.fullmatch(value)
    return bool(has_address or _SERVICE_LINK.fullmatch(name))


def malformed(environ: Mapping[str, str]) -> list[str]:
    """Return a line for each variable whose value cannot be what it stands for; it repeats no value."""
    faults = ((name, _fault(name, value)) for name, value in sorted(environ.items()))
    return [f"{name}: {fault}" for name, fault in faults if fault]


def _fault(name: str, value: str) -> str:
    if name in _ADDRESSES and value:
        return _address_fault(value, *_ADDRESSES[name])
    if not name.startswith(("PREW_", "AWS_")):
        return ""
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return "has quotes around its value, which are part of it: remove them"
    if name.startswith("AWS_") and not value.isprintable():
        return "has a line break or another control character: remove it"
    if name.startswith(_ENDPOINT):
        keys = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        return _address_fault(value, "http://minio:9000; unset: Amazon's", keys)
    return ""


def _address_fault(value: str, example: str, credentials: str) -> str:
    """Return what is wrong with an address; it has no credentials of its own, since addresses reach logs."""
    try:
        parts = urlsplit(value)
        is_address = (
            parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        is_address = False
    if not is_address or any(character.isspace() for character in value):
        return f"must be an address that begins with http:// or https://, such as {example}"
    if parts.username or parts.password or parts.query or parts.fragment:
        return f"must be an address alone; credentials are {credentials}"
    return ""
