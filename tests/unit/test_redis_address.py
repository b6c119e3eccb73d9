"""The address of Redis: what is understood, and what is refused without repeating a password."""

from __future__ import annotations

import pytest

from prewmanager.redis_address import RedisAddress, parse


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://host", RedisAddress("server", (("host", 6379),))),
        ("redis://host/2", RedisAddress("server", (("host", 6379),), database=2)),
        ("redis://host?db=2", RedisAddress("server", (("host", 6379),), database=2)),
        ("valkey://host:1/", RedisAddress("server", (("host", 1),))),
        ("valkeys://[::1]:2", RedisAddress("server", (("::1", 2),), is_tls=True)),
        ("redis://me:p%40s@host", RedisAddress("server", (("host", 6379),), username="me", password="p@s")),
        ("redis://:a#b/c?d@e@host", RedisAddress("server", (("host", 6379),), password="a#b/c?d@e")),
        ("unix:///run/redis.sock?db=1", RedisAddress("socket", (), path="/run/redis.sock", database=1)),
        ("unix://:s@/run/r", RedisAddress("socket", (), path="/run/r", password="s")),
        ("valkey+cluster://a:1,b", RedisAddress("cluster", (("a", 1), ("b", 6379)))),
        ("rediss+cluster://a", RedisAddress("cluster", (("a", 6379),), is_tls=True)),
        (
            "redis+sentinel://a,b:2/set/1",
            RedisAddress("sentinel", (("a", 26379), ("b", 2)), database=1, set_name="set"),
        ),
        (
            "rediss://h?ssl_ca_certs=/a.pem",
            RedisAddress("server", (("h", 6379),), is_tls=True, tls_options={"ssl_ca_certs": "/a.pem"}),
        ),
    ],
)
def test_an_address_has_its_parts(url: str, address: RedisAddress) -> None:
    assert parse(url) == address


@pytest.mark.fault("wrong-redis-url")
@pytest.mark.parametrize(
    "url",
    [
        "",
        "host:6379",
        "http://:s3cret@host",
        '"redis://:s3cret@host"',
        "redis://:s3cret@",
        "redis://:s3cret@host:port",
        "redis://:s3cret@host:65536",
        "redis://:s3cret@[host",
        "redis://:s3cret@host/x",
        "redis://:s3cret@host?db=x",
        "redis://:s3cret@host?s3cret=1",
        "redis://:s3cret@host?ssl_ca_certs=x",
        "redis://:s3cret@a,b",
        "redis://host#s3cret",
        "redis+cluster://:s3cret@,host",
        "redis+cluster://:s3cret@host/1",
        "redis+sentinel://:s3cret@host",
        "redis+sentinel://:s3cret@host/name/x",
    ],
)
def test_what_cannot_work_is_refused_without_a_password(url: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 -- its text is read below
        parse(url)

    assert "s3cret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_an_address_can_be_shown() -> None:
    address = parse("redis://me:s3cret@a:1")

    assert address.shown == "a:1"
    assert "s3cret" not in repr(address)
    assert parse("unix:///run/r").shown == "/run/r"
