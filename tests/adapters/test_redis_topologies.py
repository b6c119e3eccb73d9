"""The flight store on a cluster of three nodes, on a Sentinel set, and over TLS, on real servers."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import RedisCluster

from devstack.backends import Redis, start_redis
from devstack.programs import LOOPBACK, Program, answers, find, free_ports
from prewmanager.adapters.redis.connect import connect
from prewmanager.adapters.redis.flight_store import RedisFlightStore
from prewmanager.adapters.redis.notifications import RedisNotifications
from prewmanager.adapters.redis.quota import RedisQuota
from prewmanager.errors import FlightStoreUnavailable
from prewmanager.flights.ports import Lease
from prewmanager.flights.result import Completed, Held
from prewmanager.previews.outcome import Failure
from tests.support.certificates import self_signed
from tests.support.fakes import made, until_reported
from tests.support.redis_flights import redis_flight_store

MISSING = Failure("missing", "no such key")


@contextlib.asynccontextmanager
async def _flight_store(url: str) -> AsyncIterator[RedisFlightStore]:
    async with connect(url, timeout_s=2) as redis:
        notifications = RedisNotifications(redis, resubscribe_s=0.05)
        flight_store = redis_flight_store(redis, notifications)
        async with notifications.listening():
            yield flight_store


async def _lease(flight_store: RedisFlightStore, key: str) -> Lease:
    acquired = await flight_store.acquire(key)
    assert not isinstance(acquired, Completed | Held)
    return acquired


async def _works(url: str) -> None:
    """Check that two replicas share flights of many keys, exchange results, and wake each other."""
    async with _flight_store(url) as one, _flight_store(url) as other:
        await one.ping()
        for number in range(20):
            key = f"prew/card/{secrets.token_hex(4)}.jpg@0123456789ab"
            lease = await _lease(one, key)
            assert isinstance(await other.acquire(key), Held)
            assert await lease.renew()
            assert await lease.complete(made(b"%d" % number), 5)
            assert await other.acquire(key) == Completed(made(b"%d" % number))
        await (await _lease(one, "released")).release()
        await (await _lease(other, "released")).release()
        await asyncio.gather(*(_wakes(one, other, f"message-{number}") for number in range(20)))


async def _wakes(one: RedisFlightStore, other: RedisFlightStore, key: str) -> None:
    """Check that a notification reaches the waiting replica, whose first wait ends when it has subscribed."""
    lease = await _lease(one, key)
    with other.watching(key):
        assert isinstance(await other.acquire(key), Held)
        async with asyncio.timeout(20):
            await other.wait_for_change(key, 600)
            assert isinstance(await other.acquire(key), Held)
            waiting = asyncio.create_task(other.wait_for_change(key, 600))
            await lease.complete(MISSING, 5)
            await waiting


async def _bears_many_at_once(url: str) -> None:
    """Check that commands beyond the number of connections wait, and none fails.

    Both as the first ones on new connections, and on reused ones.
    """
    async with _flight_store(url) as flight_store:
        for burst in range(3):
            acquisitions = await asyncio.gather(
                *(flight_store.acquire(f"one of many {burst} {number}") for number in range(500))
            )
            assert not any(isinstance(acquired, Held | Completed) for acquired in acquisitions)


@pytest.fixture(scope="module", name="cluster")
def _cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Redis]]:
    ports = free_ports(6)
    nodes = []
    for port, bus in zip(ports[:3], ports[3:], strict=True):
        folder = tmp_path_factory.mktemp("node")
        options = ("--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-node-timeout", "2000")
        nodes.append(start_redis(folder, port=port, options=options))
    addresses = [f"{LOOPBACK}:{node.port}" for node in nodes]
    create = [find("redis-cli"), "--cluster", "create", *addresses, "--cluster-yes"]
    subprocess.run(create, check=True, capture_output=True, timeout=60)
    nodes[0].program.wait_ready(lambda: all("cluster_state:ok" in _cli(node, "cluster", "info") for node in nodes))
    yield nodes
    for node in nodes:
        node.program.kill()


def _cli(node: Redis, *command: str) -> str:
    argv = [find("redis-cli"), "-p", str(node.port), *command]
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=10).stdout


async def test_a_cluster_spreads_flights_by_key_and_announces_on_the_flights_node(cluster: list[Redis]) -> None:
    hosts = ",".join(f"{LOOPBACK}:{node.port}" for node in cluster)
    await _works(f"redis+cluster://{hosts}")
    await _bears_many_at_once(f"redis+cluster://{hosts}")
    sizes = [int(_cli(node, "dbsize")) for node in cluster]

    assert min(sizes) > 0, sizes
    assert all("cmdstat_spublish" in _cli(node, "info", "commandstats") for node in cluster)


@pytest.mark.fault("dead-node")
async def test_a_dead_node_of_a_cluster_concerns_its_flights_alone(cluster: list[Redis]) -> None:
    for node in cluster:
        _cli(node, "config", "set", "cluster-require-full-coverage", "no")
    changes: list[bool] = []
    url = ",".join(f"{LOOPBACK}:{node.port}" for node in cluster)
    async with connect(f"redis+cluster://{url}", timeout_s=0.3, on_change=changes.append) as redis:
        one, other = redis_flight_store(redis), redis_flight_store(redis)
        await one.ping()
        cluster[1].program.kill()
        shared, without = 0, 0
        for number in range(60):
            try:
                await one.acquire(f"k{number}")
            except FlightStoreUnavailable:
                without += 1
                continue
            assert isinstance(await other.acquire(f"k{number}"), Held)
            shared += 1
        with pytest.raises(FlightStoreUnavailable):
            await one.ping()

    assert shared > 20
    assert without > 10
    assert changes[:1] == [False]


async def test_the_quota_of_a_cluster(cluster: list[Redis]) -> None:
    async with connect(f"redis+cluster://{LOOPBACK}:{cluster[0].port}") as redis:
        quota = RedisQuota(redis, "photos", 1, 2)

        assert [await quota.consume(""), await quota.consume("")] == [0, 0]
        assert await quota.consume("") > 0


@pytest.fixture(name="sentinel")
def _sentinel(tmp_path: Path) -> Iterator[tuple[str, list[Redis]]]:
    """A master, a replica and three sentinels that call the set `previews`."""
    folders = [tmp_path / name for name in ("master", "replica", "s1", "s2", "s3")]
    for folder in folders:
        folder.mkdir()
    master = start_redis(folders[0])
    replica = start_redis(folders[1], options=("--replicaof", LOOPBACK, str(master.port)))
    ports = free_ports(3)
    watchers = []
    for folder, port in zip(folders[2:], ports, strict=True):
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {port}\nbind {LOOPBACK}\ndir {folder}\n"
            f"sentinel monitor previews {LOOPBACK} {master.port} 2\n"
            "sentinel down-after-milliseconds previews 500\nsentinel failover-timeout previews 2000\n"
        )
        argv = [find("redis-server"), str(config), "--sentinel"]
        watchers.append(Program("sentinel", argv, folder / "sentinel.log"))
    for watcher, port in zip(watchers, ports, strict=True):
        watcher.wait_ready(lambda port=port: answers(port))  # type: ignore[misc]
    yield ",".join(f"{LOOPBACK}:{port}" for port in ports), [master, replica]
    for program in (*watchers, master.program, replica.program):
        program.kill()


@pytest.mark.fault("redis-failover")
async def test_a_sentinel_set_shares_flights_and_fails_over(sentinel: tuple[str, list[Redis]]) -> None:
    hosts, (master, replica) = sentinel
    url = f"redis+sentinel://{hosts}/previews/0"
    await _works(url)
    await _bears_many_at_once(url)
    async with _flight_store(url) as flight_store:
        await _lease(flight_store, "before")
        master.program.kill()
        await until_reported(lambda: "role:master" in _cli(replica, "info", "replication"))
        leased = False
        while not leased:
            await asyncio.sleep(0.01)
            with contextlib.suppress(FlightStoreUnavailable):
                await _lease(flight_store, "after")
                leased = True


async def test_flights_are_shared_over_tls(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    certificate = await asyncio.to_thread(self_signed, tmp_path / "redis.pem", f"IP:{LOOPBACK}")
    options = ("--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(certificate))
    server = start_redis(tmp_path, options=(*options, "--tls-auth-clients", "no"))
    await _works(f"rediss://{LOOPBACK}:{port}/0?ssl_ca_certs={certificate}")
    await _bears_many_at_once(f"rediss://{LOOPBACK}:{port}/0?ssl_ca_certs={certificate}")
    server.program.kill()


@pytest.mark.parametrize("url", ["redis+sentinel://host:1", "redis+sentinel://host:1/", "redis+cluster://,host:2"])
async def test_an_incomplete_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"must end|empty host"):
        async with connect(url):
            pass


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.fault("redis-away")
async def test_a_cluster_that_is_away_is_unavailable_for_all_commands_at_once(*, silent: bool) -> None:
    """Whether its nodes refuse connections or never answer: the process continues alone."""
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        if not silent:
            server.close()
        async with connect(f"redis+cluster://{LOOPBACK}:{port}", timeout_s=0.1) as redis:
            notifications = RedisNotifications(redis)
            flight_store = redis_flight_store(redis, notifications)
            async with asyncio.timeout(5):
                results = await asyncio.gather(
                    *(flight_store.acquire(f"flight {number}") for number in range(60)), return_exceptions=True
                )

    assert {type(result) for result in results} == {FlightStoreUnavailable}


async def test_credentials_in_the_address_are_used() -> None:
    async with connect("redis+cluster://me:p%40ss@host-a:7000,host-b") as cluster:
        assert isinstance(cluster, RedisCluster)
        assert cluster.connection_kwargs["username"] == "me"
        assert cluster.connection_kwargs["password"] == "p@ss"
