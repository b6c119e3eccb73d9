"""What `doctor` says of `PREW_NGINX_BALANCE`."""

from __future__ import annotations

import pytest

from prewmanager.commands.checks import State
from prewmanager.commands.checks.balance import check_balance


@pytest.mark.parametrize(
    ("services", "state"),
    [
        ("127.0.0.1:8180 127.0.0.1:8181", State.OK),
        ("127.0.0.1:8180 [::1]:8180", State.OK),
        ("127.0.0.1:8180", State.FAILED),
        ("127.0.0.1:8180 127.0.0.1:8180", State.FAILED),
        ("no-such-name.invalid:8180", State.FAILED),
        ("", State.FAILED),
    ],
)
async def test_hash_needs_several_addresses(services: str, state: State) -> None:
    finding = await check_balance({"PREW_NGINX_BALANCE": "hash", "PREW_NGINX_SERVICES": services})

    assert finding.state is state
    assert bool(finding.fix) == (state is State.FAILED)


async def test_several_services_mean_hash() -> None:
    finding = await check_balance({"PREW_NGINX_SERVICES": "127.0.0.1:8180 127.0.0.1:8181"})

    assert (finding.state, finding.detail) == (State.OK, "2 addresses")


@pytest.mark.parametrize("variables", [{}, {"PREW_NGINX_BALANCE": "random", "PREW_NGINX_SERVICES": "127.0.0.1:8180"}])
async def test_without_hash_one_address_is_no_fault(variables: dict[str, str]) -> None:
    assert (await check_balance(variables)).state is State.SKIPPED
