"""A page in a browser whose console messages, errors and dialogs are recorded, and which axe checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

# WCAG's rules up to 2.2 AA, and axe's own recommendations.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Without passing nodes, of which a long page has thousands.
_RUN = "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})"
_IS_TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@dataclass
class ObservedPage:
    """A page, and what it reported."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    @classmethod
    async def open(cls, browser: Browser, **context: Any) -> ObservedPage:
        """Open an empty page in a new context with these options, such as `color_scheme="dark"`."""
        observed = cls(await (await browser.new_context(**context)).new_page())
        complaints = observed.complaints
        observed.page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        observed.page.on("pageerror", lambda error: complaints.append(str(error)))
        observed.page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        return observed

    async def violations(self) -> list[str]:
        """Return one line for each of axe's rules that the page breaks."""
        # Evaluated by the debugger, which the page's Content-Security-Policy does not bind.
        await self.page.evaluate(_axe())
        result = await self.page.evaluate(_RUN, RULES)
        return [f"{each['id']}: {each['nodes'][0]['html']}" for each in result["violations"]]

    async def assert_clean(self) -> None:
        """Check that nothing was reported, that axe finds no violation, and that the page does not scroll sideways."""
        assert await self.violations() == []
        assert not await self.page.evaluate(_IS_TOO_WIDE)
        assert self.complaints == []


def _axe() -> str:
    # Installed by `make test-browser`; the folder is collected without it.
    from axe_playwright_python.base import AXE_FILE_PATH

    return Path(AXE_FILE_PATH).read_text(encoding="utf-8")
