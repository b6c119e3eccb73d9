"""The shell blocks of a page: fenced, and run by a test unless the page exempts them.

A comment before a block exempts it: `<!-- not run: it takes an account -->`, or `<!-- run by: tests/… -->`.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"(?:^ *<!-- (not run|run by): ([^\n]+) -->\n)?^ *```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """Commands; `exemption` is "not run" or "run by" with its reason, or empty."""

    commands: str
    exemption: str = ""
    reason: str = ""


def blocks(page: Path) -> list[Block]:
    """Return all shell blocks of a page, in order."""
    found = _BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(textwrap.dedent(each[3]), each[1] or "", each[2] or "") for each in found]
