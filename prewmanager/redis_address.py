"""The address of Redis, taken apart once: by the settings, which check it, and by the client, which connects.

redis://[user:password@]host:port/db             one server; rediss:// with TLS, unix:///path for a socket
redis+cluster://[user:password@]host:port,…      any nodes of a cluster; rediss+cluster:// with TLS
redis+sentinel://[user:password@]host:port,…/name[/db]     sentinels, and the name that they know the set by

Valkey's names, `valkey` and `valkeys`, mean the same. After `?` there may be redis-py's options of TLS and `db`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

Kind = Literal["server", "socket", "cluster", "sentinel"]
_SCHEMES: dict[str, tuple[Kind, bool]] = {
    "redis": ("server", False),
    "rediss": ("server", True),
    "unix": ("socket", False),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
    "redis+sentinel": ("sentinel", False),
}
_DEFAULT_PORT, _SENTINELS_PORT = 6379, 26379
_TLS_OPTIONS = frozenset(
    {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname", "ssl_min_version"}
)


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where Redis is, and who asks.

    Attributes:
        hosts: Names and ports; none for a socket.
        path: A socket's.
        set_name: The name that sentinels know the set by.
        tls_options: redis-py's, by name.
    """

    kind: Kind
    hosts: tuple[tuple[str, int], ...]
    path: str = ""
    is_tls: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    database: int = 0
    set_name: str = ""
    tls_options: dict[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """The hosts or the path, for messages; no user and no password."""
        return self.path or ",".join(f"{host}:{port}" for host, port in self.hosts)


def parse(url: str) -> RedisAddress:
    """Take an address apart. Raises `ValueError`, whose message repeats nothing that can be part of a password."""
    scheme, separator, rest = url.partition("://")
    kind, is_tls = _SCHEMES.get(scheme.replace("valkey", "redis"), (None, False))
    if kind is None or not separator:
        known = ", ".join(f"{name}://" for name in _SCHEMES)
        raise ValueError(f"does not begin with one of {known}")
    # The last @: one may write a password as it is, with all its characters but %.
    login, _, place = rest.rpartition("@")
    username, _, password = login.partition(":")
    place, _, query = place.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    hosts, slash, path = place.partition("/")
    name, database = _name_and_database(kind, path, options.pop("db", ""))
    unknown = sorted(options.keys() - (_TLS_OPTIONS if is_tls else frozenset()))
    if unknown or "#" in place:
        known = ", ".join(sorted(_TLS_OPTIONS))
        raise ValueError(f"has an unknown option: there are db and, with rediss://, {known}")
    return RedisAddress(
        kind=kind,
        hosts=() if kind == "socket" else _hosts(kind, hosts),
        path=slash + path if kind == "socket" else "",
        is_tls=is_tls,
        username=unquote(username),
        password=unquote(password),
        database=database,
        set_name=name,
        tls_options=options,
    )


def _name_and_database(kind: Kind, path: str, option: str) -> tuple[str, int]:
    """Return the set's name, for sentinels, and the number of the database."""
    name, _, database = path.strip("/").partition("/") if kind == "sentinel" else ("", "", path.strip("/"))
    if kind == "sentinel" and not name:
        raise ValueError("must end with the name of the set, such as /mymaster, and perhaps a database, such as /0")
    database = option if kind == "socket" else option or database
    if not (database or "0").isdecimal():
        ends = "the name of the set, such as /mymaster, and perhaps a database" if name else "a database"
        raise ValueError(f"must end with {ends}, such as /0")
    if kind == "cluster" and int(database or 0):
        raise ValueError("names a database, and a cluster has only one: remove it")
    return name, int(database or 0)


def _hosts(kind: Kind, text: str) -> tuple[tuple[str, int], ...]:
    hosts = []
    for item in text.split(","):
        try:
            parts = urlsplit(f"//{item}")
            port = parts.port
        except ValueError:
            raise ValueError("has an invalid port") from None
        if not parts.hostname:
            raise ValueError("has an empty host")
        hosts.append((parts.hostname, port or (_SENTINELS_PORT if kind == "sentinel" else _DEFAULT_PORT)))
    if kind == "server" and len(hosts) > 1:
        raise ValueError("has several hosts: they need redis+cluster:// or redis+sentinel://")
    return tuple(hosts)
