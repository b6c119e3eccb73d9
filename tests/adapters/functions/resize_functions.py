"""Functions that answer like the first source system's, or misbehave, for the service's Lambda adapter."""

from __future__ import annotations

import base64
import os
import time
from typing import Any


def minimal(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Answers with the four fields of the first source system's, and nothing else."""
    picture = f"{event['src_key']} {event['width']}".encode()
    return {"status": True, "data": base64.b64encode(picture).decode(), "content_type": "image/jpeg", "error": ""}


def raises(event: dict[str, Any], _: object) -> None:
    """Raises, with something in the message that no client may see."""
    raise RuntimeError(f"secret of {event['src_bucket']}")


def dies(_: dict[str, Any], __: object) -> None:
    """Ends its process."""
    os._exit(3)


def sleeps(_: dict[str, Any], __: object) -> None:
    """Outlasts the function's time-out."""
    time.sleep(30)


def nonsense(_: dict[str, Any], __: object) -> list[int]:
    """Answers valid JSON that is no answer."""
    return [1, 2, 3]


def huge(_: dict[str, Any], __: object) -> dict[str, Any]:
    """Answers more than Lambda carries."""
    return {"status": True, "content_type": "image/jpeg", "data": "A" * 7_000_000}
