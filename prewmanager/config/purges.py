"""PREW_PURGES: the caches in front, where the copies of what has changed are purged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, cast

from pydantic import AfterValidator

if TYPE_CHECKING:
    from prewmanager.config.settings import Settings

Kind = Literal["cloudfront", "cloudflare", "fastly", "nginx"]
_FORMS: dict[str, re.Pattern[str]] = {
    "cloudfront": re.compile(r"[A-Za-z0-9]+"),
    "cloudflare": re.compile(r"[A-Za-z0-9]+"),
    "fastly": re.compile(r"[A-Za-z0-9]+"),
    "nginx": re.compile(r"(?:\[[0-9a-f:]+\]|[A-Za-z0-9._-]+):[1-9][0-9]{0,4}"),
}
_NGINX = "nginx:8081"  # its name in the examples, and its purge port


class PurgedCache(NamedTuple):
    """A cache: its kind, and its id there, which is `host:port` of an nginx."""

    kind: Kind
    id: str


def caches_of(text: str) -> list[PurgedCache]:
    """Take PREW_PURGES apart. Raises `ValueError`."""
    found = []
    for place, word in enumerate(text.split(), 1):
        kind, _, name = word.partition(":")
        name = name or (_NGINX if word == "nginx" else "")
        if kind not in _FORMS or not _FORMS[kind].fullmatch(name):
            raise ValueError(
                f"cache {place} is none: write cloudfront:DISTRIBUTION, cloudflare:ZONE, fastly:SERVICE, nginx or "
                "nginx:HOST:PORT"
            )
        found.append(PurgedCache(cast("Kind", kind), name))
    return found


def _checked(text: str) -> str:
    caches_of(text)
    return text


def needs_tags(settings: Settings) -> bool:
    """Whether a cache in front knows previews by their tags alone."""
    return any(each.kind in {"cloudflare", "fastly"} for each in caches_of(settings.purges or ""))


def misfit_of_purges(settings: Settings) -> str | None:
    """Return a line that names a token that is missing, or that nothing uses, and the fix."""
    kinds = {each.kind for each in caches_of(settings.purges or "")}
    for kind, token in (("cloudflare", settings.cloudflare_token), ("fastly", settings.fastly_token)):
        variable = f"PREW_{kind.upper()}_TOKEN"
        if kind in kinds and token is None:
            return f"PREW_PURGES names {kind}, which needs {variable}: set that, or leave {kind} out"
        if token is not None and kind not in kinds:
            return f"{variable} requires {kind} in PREW_PURGES: add that, or unset the token"
    return None


Purges = Annotated[str, AfterValidator(_checked)]
