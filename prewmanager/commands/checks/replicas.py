"""Compares the replicas: all must have the same definition of each preset.

If two differ, a preview depends on which of them renders it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence

from prewmanager.adapters.http_probe import get
from prewmanager.commands.checks import Finding, failed, ok, skipped
from prewmanager.commands.checks.request_path import described
from prewmanager_presets import Preset

_WITHIN_S = 10.0
_CHECK = "replicas: presets"
_FIX = "give all replicas and this command the same PREW_PRESETS__… variables, and restart all of them"


async def check_replicas(addresses: Sequence[str], presets: Mapping[str, Preset]) -> list[Finding]:
    """Compare the presets of the replicas at these addresses with this command's own."""
    if not addresses:
        return [skipped(_CHECK, "no --replica was named")]
    expected = {name: preset.fingerprint for name, preset in presets.items()}
    return list(await asyncio.gather(*(_check(address, expected) for address in addresses)))


async def _check(address: str, expected: Mapping[str, str]) -> Finding:
    url = f"{address if '://' in address else f'http://{address}'}".rstrip("/")
    reply = await get(f"{url}/-/fingerprints", within_s=_WITHIN_S)
    try:
        found = json.loads(reply.body) if reply.status == 200 else None  # noqa: PLR2004 -- HTTP's
    except ValueError:
        found = None
    if not isinstance(found, dict):
        fix = "check that --replica is a replica's own address, not nginx's, and that it runs this version"
        return failed(_CHECK, f"{url}: {described(reply)}", fix)
    differ = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
    if differ:
        differences = ", ".join(
            f"{name} is {found.get(name, 'unknown')}, here {expected.get(name, 'unknown')}" for name in differ
        )
        return failed(_CHECK, f"{url}: {differences}", _FIX)
    return ok(_CHECK, f"{url}: {', '.join(sorted(found))}")
