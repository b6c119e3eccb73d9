"""The calculation behind docs/how-to/capacity.md: a case by hand, its limits, and that more load needs no less."""

from __future__ import annotations

from dataclasses import astuple, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.capacity import InRedis, Machines, Miss, Prices, fleet, limits, per_million, redis_nodes, replicas
from benchmarks.capacity_inputs import (
    ANSWERED_FIRST,
    EARLIER,
    MACHINES,
    PRICES,
    RATES,
    WRITTEN_FIRST,
    answered_first,
    earlier,
    miss,
    written_first,
)

# Round numbers, so that the expected ones can be computed without a machine.
MISS = Miss(
    service_cpu_s=0.002,
    service_received_kb=100,
    service_sent_kb=50,
    service_gb=0.1,
    waiting_kb=10,
    wall_s=0.1,
    nginx_cpu_s=0.0001,
    function_s=0.1,
    preview_reads=2,
    photo_reads=1,
    writes=1,
)
QUIET = InRedis(cpu_s=0.0001, received_kb=1, held_kb_s=10)
LOUD = replace(QUIET, message_cpu_s=1e-6, heard_cpu_s=20e-6)
HOST = Machines(core=0.5, network_gbit_s=1, redis_gb=1, process_gb=0.5, invocations=1000, reads=5000, writes=3000)
LIST = Prices(function_gb=2, gb_second=1e-5, invocation=1e-6, read=1e-6, write=1e-5, core_hour=0.036, gb_hour=0)


def test_a_fleet_is_as_computed_by_hand() -> None:
    computed = fleet(10_000, MISS, QUIET, HOST, LIST)

    assert computed.replicas == 40  # 10,000 x 2 ms are 20 cores, each half used
    assert computed.nginx == 4  # 10,000 x 50 KB are 4 Gbit/s; one core would be in use
    assert computed.redis == 2  # one core, half used
    assert computed.replicas_gb == pytest.approx(40 * 0.1 + 0.01)  # a thousand requests wait, with 10 KB each
    assert computed.redis_gb == pytest.approx(0.1)  # 10,000 x 1 KB x 10 s
    assert computed.service_gbit_s == pytest.approx(8)
    assert computed.nginx_gbit_s == pytest.approx(4)
    assert computed.redis_gbit_s == pytest.approx(0.08)
    assert computed.invocations == 1000
    # 46 cores at 0.036 $ an hour, which are 0.00001 $ a second, for 10,000 previews a second: 0.046 $ a million. Lambda
    # 2 $ and 1 $, S3 3 $ and 10 $.
    assert computed.usd_per_million == pytest.approx(16.046)
    assert per_million(MISS, LIST) == pytest.approx(16)


@pytest.mark.parametrize(
    ("bound", "nodes"),
    [
        ({"cpu_s": 0.0005}, 10),  # five cores, half used
        ({"received_kb": 50.0}, 4),  # 4 Gbit/s
        ({"held_kb_s": 700.0}, 7),  # 7 GB
    ],
    ids=str,
)
def test_redis_grows_with_its_cpu_its_network_and_its_memory(bound: dict[str, float], nodes: int) -> None:
    assert redis_nodes(10_000, MISS, replace(QUIET, **bound), HOST) == nodes


def test_with_messages_to_all_a_replica_spends_half_on_others_where_these_are_as_costly_as_its_own() -> None:
    """2 ms of a miss are a hundred messages of 20 µs: so many replicas take twice as many as without messages."""
    rate = 0.25 / 20e-6  # half of what a replica may use

    assert replicas(rate, MISS, LOUD, HOST) == 100
    assert replicas(rate, MISS, QUIET, HOST) == 50


def test_messages_to_all_end_at_a_rate_that_no_number_of_replicas_raises() -> None:
    whole = replace(HOST, core=1.0)

    assert replicas(49_999, MISS, LOUD, whole) is not None
    assert replicas(50_000, MISS, LOUD, whole) is None
    assert redis_nodes(50_000, MISS, LOUD, whole) is None
    assert fleet(50_000, MISS, LOUD, whole, LIST).usd_per_million is None
    assert replicas(5_000_000, MISS, QUIET, whole) == 10_000


def test_one_node_sends_the_messages_of_all_at_most_up_to_its_limit() -> None:
    (limit,) = (each for each in limits(MISS, LOUD, HOST) if each.what == "messages that one node sends")

    assert redis_nodes(limit.misses_per_s * 0.999, MISS, LOUD, HOST) is not None
    assert redis_nodes(limit.misses_per_s * 1.001, MISS, LOUD, HOST) is None


def test_the_first_limit_comes_first() -> None:
    ordered = limits(MISS, LOUD, HOST)

    assert [each.misses_per_s for each in ordered] == sorted(each.misses_per_s for each in ordered)
    assert {each.what: round(each.misses_per_s) for each in limits(MISS, QUIET, HOST)} == {
        "S3's requests below one prefix": 2500,
        "Redis, if it is one node": 5000,
        "Lambda's concurrency": 10_000,
    }


@given(st.floats(1, 200_000), st.floats(1, 10), st.sampled_from([QUIET, LOUD]))
def test_more_misses_need_no_less(rate: float, times: float, in_redis: InRedis) -> None:
    small, large = (fleet(each, MISS, in_redis, HOST, LIST) for each in (rate, rate * times))

    endless = float("inf")
    for few, many in zip(astuple(small)[:-1], astuple(large)[:-1], strict=True):
        assert (endless if few is None else few) <= (endless if many is None else many)


@given(st.floats(1, 200_000))
def test_messages_to_all_never_need_less_than_none(rate: float) -> None:
    loud, quiet = (fleet(rate, MISS, each, HOST, LIST) for each in (LOUD, QUIET))

    assert quiet.replicas is not None
    assert quiet.redis is not None
    assert loud.replicas is None or loud.replicas >= quiet.replicas
    assert loud.redis is None or loud.redis >= quiet.redis


@pytest.mark.parametrize("design", [WRITTEN_FIRST, ANSWERED_FIRST])
def test_as_measured_a_hundred_thousand_misses_a_second_are_a_matter_of_machines(design: str) -> None:
    in_redis = {WRITTEN_FIRST: written_first(), ANSWERED_FIRST: answered_first()}[design]
    for rate in RATES:
        each = fleet(rate, miss(design), in_redis, MACHINES, PRICES)
        assert each.replicas is not None
        assert each.redis is not None
    assert fleet(max(RATES), miss(EARLIER), earlier(), MACHINES, PRICES).replicas is None
