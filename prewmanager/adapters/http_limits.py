"""The limits of a client that asks for previews by HTTP."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds until a connection stands, and between two pieces of an answer; connections at once."""

    connect_s: float
    read_s: float
    connections: int
