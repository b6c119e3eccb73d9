"""Examples that every implementation must agree with, of whatever language."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "vectors"


def vectors(name: str) -> Any:
    """Return the document of this name."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
