"""The lock of a checkout, and stack.json."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from devstack.state import AlreadyRunning, StackFile, only_one


def test_a_second_system_gets_the_process_id_of_the_first(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(AlreadyRunning, match=str(os.getpid())), only_one(tmp_path):
        pytest.fail("two at once")
    with only_one(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_stack_json_of_a_killed_system_is_removed(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{}")
    StackFile(tmp_path)

    assert not (tmp_path / "stack.json").exists()


def test_stack_json_is_written_atomically_and_removed(tmp_path: Path) -> None:
    file = StackFile(tmp_path)
    file.write({"nginx": "http://127.0.0.1:1", "redis": None})

    assert json.loads((tmp_path / "stack.json").read_text()) == {"nginx": "http://127.0.0.1:1", "redis": None}
    assert [path.name for path in tmp_path.iterdir()] == ["stack.json"]
    file.remove()
    assert not list(tmp_path.iterdir())
