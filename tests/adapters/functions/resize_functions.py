"""Functions that answer like the first source system's, or misbehave, for the service's Lambda adapter."""

from __future__ import annotations

import base64
import os
import time
from typing import Any


def minimal(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Answers with only the four fields of the first source system."""
    picture = f"{event['src_key']} {event['width']}".encode()
    return {"status": True, "data": base64.b64encode(picture).decode(), "content_type": "image/jpeg", "error": ""}


def raises(event: dict[str, Any], _: object) -> None:
    """Raises an exception whose text no client may see."""
    raise RuntimeError(f"secret of {event['src_bucket']}")


def dies(_: dict[str, Any], __: object) -> None:
    """Exits."""
    os._exit(3)


def sleeps(_: dict[str, Any], __: object) -> None:
    """Exceeds the function's time-out."""
    time.sleep(30)


def nonsense(_: dict[str, Any], __: object) -> list[int]:
    """Answers with JSON that is no answer of the contract."""
    return [1, 2, 3]


def huge(_: dict[str, Any], __: object) -> dict[str, Any]:
    """Answers with more than Lambda's limit."""
    return {"status": True, "content_type": "image/jpeg", "data": "A" * 7_000_000}
