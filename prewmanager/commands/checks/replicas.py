"""The replicas among themselves: do they make the same of each preset's name?

Two that differ make a preview by turns, each as it knows it, and a request cannot tell which one it meets.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence

from prewmanager.adapters.http_probe import get
from prewmanager.commands.checks import Finding, failed, ok, skipped
from prewmanager_presets import Preset

_WITHIN_S = 10.0
_CHECK = "replicas: presets"
_CURE = "give all replicas and this command the same PREW_PRESETS__… variables, and restart all of them"


async def check_replicas(addresses: Sequence[str], presets: Mapping[str, Preset]) -> list[Finding]:
    """Findings about the replicas at these addresses, against the presets that are known here."""
    if not addresses:
        return [skipped(_CHECK, "no --replica was named")]
    expected = {name: preset.fingerprint for name, preset in presets.items()}
    return list(await asyncio.gather(*(_check(address, expected) for address in addresses)))


async def _check(address: str, expected: Mapping[str, str]) -> Finding:
    url = f"{address if '://' in address else f'http://{address}'}".rstrip("/")
    reply = await get(f"{url}/-/fingerprints", within_s=_WITHIN_S)
    try:
        said = json.loads(reply.body) if reply.status == 200 else None  # noqa: PLR2004 -- HTTP's
    except ValueError:
        said = None
    if not isinstance(said, dict):
        answered = f"{reply.status}: {reply.body[:200]}" if reply.status else f"no answer: {reply.body}"
        fix = "is --replica the address of a replica itself, not nginx's, and does it run this version?"
        return failed(_CHECK, f"{url}: {answered}", fix)
    differ = sorted(name for name in {*said, *expected} if said.get(name) != expected.get(name))
    if differ:
        told = ", ".join(
            f"{name} is {said.get(name, 'unknown')}, here {expected.get(name, 'unknown')}" for name in differ
        )
        return failed(_CHECK, f"{url}: {told}", _CURE)
    return ok(_CHECK, f"{url}: {', '.join(sorted(said))}")
