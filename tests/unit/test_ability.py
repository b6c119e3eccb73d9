"""Whether a process says that it can render."""

from __future__ import annotations

import pytest

from prewmanager.flights.ability import Ability
from tests.support.fakes import FakeClock


@pytest.mark.fault("replica-unable")
def test_a_process_is_unable_for_a_while_after_a_fault_of_its_own() -> None:
    clock = FakeClock()
    ability = Ability(clock)
    assert ability
    ability.failed()
    assert not ability
    clock.now += 6
    assert ability
