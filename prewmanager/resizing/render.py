"""One rendering as values: what the resizer is asked for, what it returns, and what that cost."""

from __future__ import annotations

import time
from asyncio import Future
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from prewmanager.previews.catalogue import Preview
from prewmanager.previews.outcome import Made, Outcome


@dataclass(frozen=True, slots=True)
class RenderJob:
    """The preview to render, and the companions to render from the same decoded photo.

    `find`: the preview may be stored already; nobody has asked S3. `answer_first`: the preview may be returned before
    it is written, since the flight store serves it meanwhile. `created` is on the clock of `time.monotonic`.
    """

    preview: Preview
    companions: tuple[Preview, ...] = ()
    find: bool = False
    answer_first: bool = False
    created: float = field(default_factory=time.monotonic, compare=False)


@dataclass(frozen=True, slots=True)
class RenderResult:
    """The preview that was asked for, and the outcomes of its companions by preset name.

    A companion without an outcome was not rendered: a function of an older version does not know companions. `found`:
    the preview was stored already. `can`: what the resizer says that it can be asked for: `find`, `answer_first`.
    Where `made` is not stored, it is being written; `write` is whether that succeeded, from a resizer that reports it.
    """

    made: Made
    companions: Mapping[str, Outcome] = field(default_factory=lambda: MappingProxyType({}))
    found: bool = False
    can: frozenset[str] = frozenset()
    write: Future[bool] | None = None


@dataclass(frozen=True, slots=True)
class InvocationCost:
    """What one invocation took, by the function's own account; an answer without one counts as nothing."""

    cold_start: bool = False
    gb_seconds: float = 0.0
