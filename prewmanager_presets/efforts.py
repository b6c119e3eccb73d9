"""The dial for the encoders' efforts, and what it means for each format; docs/images.md has the measurements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal

Effort = Literal["fast", "balanced", "small"]

# The effort of each format that is not the encoder's fastest here.
EFFORTS: Mapping[Effort, Mapping[str, int]] = MappingProxyType(
    {
        "fast": {},
        "balanced": {"jpeg": 1, "webp": 5},
        "small": {"jpeg": 3, "png": 2, "webp": 6, "avif": 4},
    }
)


def efforts_at(effort: Effort, formats: Iterable[str]) -> dict[str, int]:
    """Return the fields that the dial sets for these formats, such as `webp_effort`."""
    levels = EFFORTS[effort]
    return {f"{name}_effort": levels[name] for name in formats if name in levels}
