"""A page under watch: whatever the console says is noted, and axe looks for what keeps people out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# WCAG's rules up to 2.2 AA, and what axe recommends besides.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Without the nodes that passed, of which a long page has thousands.
_RUN = "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})"


@dataclass
class Looked:
    """A page, and what it complained of."""

    page: Any
    complaints: list[str] = field(default_factory=list)

    @classmethod
    async def at(cls, browser: Any, **how: Any) -> Looked:
        """A new page in a context of its own, such as `color_scheme="dark"`."""
        context = await browser.new_context(**how)
        looked = cls(await context.new_page())
        looked.page.on("console", lambda said: looked.complaints.append(f"{said.type}: {said.text}"))
        looked.page.on("pageerror", lambda error: looked.complaints.append(str(error)))
        looked.page.on("dialog", lambda dialog: looked.complaints.append(f"dialog: {dialog.message}"))
        return looked

    async def faults(self) -> list[str]:
        """What axe finds, one line for each rule that is broken."""
        # Evaluated by the debugger, which the page's Content-Security-Policy does not bind.
        await self.page.evaluate(_axe())
        result = await self.page.evaluate(_RUN, RULES)
        return [f"{each['id']}: {each['nodes'][0]['html']}" for each in result["violations"]]

    async def is_too_wide(self) -> bool:
        """Whether one has to scroll sideways to read it."""
        wide: bool = await self.page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        return wide


def _axe() -> str:
    # Installed for these tests alone, which the others of this folder must not need to be collected.
    from axe_playwright_python.base import AXE_FILE_PATH

    return Path(AXE_FILE_PATH).read_text(encoding="utf-8")
