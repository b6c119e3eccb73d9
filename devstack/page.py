"""The page at `/` of the local system: every photo in every preset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

MOST_PHOTOS = 60


def write_page(
    folder: Path,
    keys: Sequence[str],
    presets: Sequence[Mapping[str, Any]],
    *,
    source: str = "photo",
    preview: str = "prew",
) -> Path:
    """Write `index.html` into `folder`, and return its path.

    Args:
        folder: what nginx serves at `/`.
        keys: objects of the photos, `source/…`; the first `MOST_PHOTOS` are shown.
        presets: as `prewmanager presets --json` prints them.
        source: first path segment of photos.
        preview: first path segment of previews.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = [key.removeprefix(f"{source}/") for key in keys]
    html = environment.get_template("page.html.j2").render(
        photos=[{"name": name, "path": quote(name, safe="/")} for name in names[:MOST_PHOTOS]],
        total=len(names),
        presets=[{"name": preset["name"], "says": describe(preset)} for preset in presets],
        source=source,
        preview=preview,
    )
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    page.write_text(html, encoding="utf-8")
    return page


def describe(preset: Mapping[str, Any]) -> str:
    """A preset in a few words: its size, and how an image is fitted into it where that matters."""
    width, height = preset.get("width"), preset.get("height")
    if width and height:
        return f"{width} x {height}, {preset.get('fit', 'cover')}"
    return f"{width} wide" if width else f"{height} high"
