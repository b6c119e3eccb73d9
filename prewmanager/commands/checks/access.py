"""Checks that nginx opens an object to whom it should, where `PREW_NGINX_PHOTOS` or `PREW_NGINX_SIGNED` closes it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prewmanager.adapters.http_probe import get
from prewmanager.previews.signed_urls import signed_query, signing_keys

_SIGNED_FOR_S = 60


@dataclass(frozen=True, slots=True)
class Access:
    """How nginx opens an object: `refusal` is its status for everybody, None if it opens it; `variable` closes it.

    `query` is the signature of those whom nginx lets in, "" if there is none.
    """

    refusal: int | None = None
    variable: str = ""
    query: str = ""


def access_to(key: str, nginx: Mapping[str, str], preview_prefix: str, source: str = "") -> Access:
    """Return how an nginx with these variables opens the path `key`, without its first slash, of this source.

    Raises `ValueError` or `OSError` if it needs a signature, and the keys file cannot be read.
    """
    prefix, _, rest = key.partition("/")
    is_preview = prefix == preview_prefix
    if not is_preview and nginx.get("PREW_NGINX_PHOTOS") == "off":
        return Access(404, "PREW_NGINX_PHOTOS=off")
    name = re.split("[^a-z0-9_]", rest)[0] if is_preview else "photo"
    if name not in nginx.get("PREW_NGINX_SIGNED", "").split():
        return Access()
    keys = signing_keys(Path(nginx.get("PREW_NGINX_SIGNING_KEYS_FILE", "")).read_text("ascii", errors="replace"))
    query = signed_query(key, int(time.time()) + _SIGNED_FOR_S, keys[0], preview_prefix, source)
    return Access(403, f"PREW_NGINX_SIGNED={name}", f"?{query}")


async def opened_to_all(url: str, access: Access, *, within_s: float) -> str:
    """Return what is wrong if nginx does not refuse this URL to everybody, or "" if it does."""
    if access.refusal is None:
        return ""
    reply = await get(url, within_s=within_s)
    if reply.status == access.refusal:
        return ""
    return f"{access.variable} closes it, but nginx answers {reply.status or reply.body} to a request without signature"
