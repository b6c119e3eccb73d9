"""The JSON examples of the resize function's contract, which test both of its sides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def example(name: str) -> dict[str, Any]:
    """One of them, by its file's name."""
    loaded = json.loads(Path(__file__).with_name(f"{name}.json").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded
