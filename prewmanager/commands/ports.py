"""What the commands need from the outside, beyond the ports of the core packages."""

from __future__ import annotations

from typing import Protocol

from prewmanager.previews.ports import ObjectReader, PreviewStore
from prewmanager.web.ports import Probe


class PreviewBucket(ObjectReader, PreviewStore, Probe, Protocol):
    """The bucket of previews, for reading previews and their metadata, with a readiness probe."""
