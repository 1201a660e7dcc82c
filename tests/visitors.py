"""People in front of a browser: with and without scripts, at a phone and a desk, day and night.

A `Visitor` notes whatever goes wrong while it looks at pages: console messages, requests that
fail, and what axe-core finds.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT

#: Success criteria of WCAG 2.2 A and AA, and what is good practice besides.
AXE_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
#: What Chromium says of every page whose status is an error.
_REFUSED = re.compile("Failed to load resource: the server responded with a status of ([0-9]{3})")


@dataclass(frozen=True)
class Way:
    """How somebody looks at pages."""

    name: str
    width: int
    scheme: str
    script: bool


#: Each pair of choices is in one of them.
WAYS = (
    Way("desk by day", 1280, "light", True),
    Way("phone by night", 390, "dark", True),
    Way("phone by day, no script", 390, "light", False),
    Way("desk by night, no script", 1280, "dark", False),
)


@dataclass
class Visitor:
    """Somebody with a page of a browser.

    Attributes:
        page: Playwright's page.
        way: How it looks at pages.
        base: The URL of the site.
        trouble: What went wrong.
    """

    page: Any
    way: Way
    base: str = ""
    trouble: list[str] = field(default_factory=list)

    def go(self, path: str) -> Any:
        """Open a page of the site."""
        return self.page.goto(self.base + path)

    def look(self, refused: int | None = None) -> None:
        """Insist that the page is as it should be.

        Args:
            refused: The status that it has, if that is an error.
        """
        said = [m for m in self.trouble if refused is None or not _is_refusal(m, refused)]
        self.trouble.clear()
        assert said == []
        assert self.page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
        if self.way.script:  # axe waits with timers, which are scripts
            assert self.findings() == []

    def findings(self) -> list[str]:
        """Give what axe-core finds."""
        self.page.evaluate(AXE_SCRIPT)
        options = {"resultTypes": ["violations"], "runOnly": list(AXE_TAGS)}
        found = self.page.evaluate("options => axe.run(options)", options)["violations"]
        return [f"{v['id']}: {node['html'][:200]}" for v in found for node in v["nodes"]]

    def open(self, *summaries: str) -> None:
        """Open parts of the page that are folded."""
        for summary in summaries:
            self.page.locator("summary", has_text=summary).click()


def _is_refusal(message: str, status: int) -> bool:
    found = _REFUSED.search(message)
    return found is not None and int(found[1]) == status


@contextmanager
def visiting(browser: Any, way: Way, **options: Any) -> Iterator[Visitor]:
    """Give a visitor with a browser profile of its own."""
    context = browser.new_context(
        viewport={"width": way.width, "height": 850},
        color_scheme=way.scheme,
        java_script_enabled=way.script,
        **options,
    )
    context.set_default_timeout(10_000)
    page = context.new_page()
    visitor = Visitor(page, way)
    page.on("console", lambda message: visitor.trouble.append(message.text))
    page.on("pageerror", lambda error: visitor.trouble.append(str(error)))
    page.on("requestfailed", lambda failed: visitor.trouble.append(f"failed: {failed.url}"))
    yield visitor
    context.close()
