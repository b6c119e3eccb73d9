"""Which site's replica answers through nginx: `doctor` asks, and only who has the same settings answers right.

GET /prew/__doctor__/<nonce>   404, as for any unknown preset, with the member `site`
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from aiohttp import web

from prewmanager.errors import UnknownPreset
from prewmanager.web.hosts import host_name
from prewmanager.web.problems import problem

DOCTOR = "__doctor__"  # no preset can have this name, so nothing of a site is stored or rendered under it
_NONCE = r"[0-9a-f]{16}"


def proof(site: str, nonce: str) -> str:
    """Return what a replica of this site answers to a nonce; the site cannot be guessed from it."""
    return sha256(f"{nonce} {site}".encode()).hexdigest()[:16]


def add_identity(app: web.Application, preview_prefix: str, main: str, by_host: Mapping[str, str]) -> None:
    """Answer doctor's question in this application, for the site that its `Host` stands for."""

    async def identify(request: web.Request) -> web.Response:
        site = by_host.get(host_name(request), main)
        return problem(UnknownPreset(), request.raw_path, site=proof(site, request.match_info["nonce"]))

    app.router.add_get(f"/{preview_prefix}/{DOCTOR}/{{nonce:{_NONCE}}}", identify)
