"""Selects an image's format by the viewer's `Accept`, read as nginx and infra/viewer.js read it. No I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence

_REFUSED = re.compile(r"q=0(\.0*)?")


def accepted_format(accept: str, formats: Sequence[str]) -> str | None:
    """Return the first of `formats`, such as `avif`, that `accept` names; None if it names none of them.

    `image/*` and `*/*` name none: clients that send only these show neither.
    """
    return next((name for name in formats if _names(accept, f"image/{name}")), None)


def _names(accept: str, media_type: str) -> bool:
    ranges = ([part.strip() for part in each.split(";")] for each in accept.lower().split(","))
    return any(parts[0] == media_type and not any(map(_REFUSED.fullmatch, parts[1:])) for parts in ranges)
