"""The page's static files, read once: HTML, CSS and JavaScript modules, served without a build step."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from importlib.resources import files

# Allows the page's own files and the previews that its scripts fetch, nothing else: a photo's name that a bug
# interprets as HTML can neither load nor run anything.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
INDEX = "index.html"


@dataclass(frozen=True, slots=True)
class File:
    """One file; `content_type` includes its charset."""

    body: bytes
    content_type: str


def page_files() -> dict[str, File]:
    """Read all files of the page; returns them by name."""
    folder = files("prewmanager.web.contact_sheet") / "static"
    return {each.name: File(each.read_bytes(), _content_type(each.name)) for each in folder.iterdir()}


def _content_type(name: str) -> str:
    return f"{mimetypes.guess_type(name)[0] or 'application/octet-stream'}; charset=utf-8"
