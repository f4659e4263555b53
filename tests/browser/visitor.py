"""Somebody at a browser: how their screen looks, and everything of which the browser complains.

Whatever a page should not do is a complaint: an error or a warning in the console, a breach of the content security
policy, a dialog, an answer that is a fault of the server's. Tests end with none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from playwright.sync_api import (
        Browser,
        BrowserContext,
        ColorScheme,
        ConsoleMessage,
        Dialog,
        Locator,
        Page,
        Playwright,
        Response,
    )

FLAGS = (
    "--no-sandbox",  # there is none where tests run as root
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
LIMIT_MS = 30_000  # for hangs, not a measurement
_MOST_TABS = 200
_TELL_BREACHES = """
addEventListener("securitypolicyviolation", (event) =>
  tellBreach(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A screen."""

    width: int
    height: int
    theme: ColorScheme

    def __str__(self) -> str:
        """Return its name in the names of tests."""
        return f"{'phone' if self.width < 500 else 'desktop'}-{self.theme}"


DESKTOP = Look(width=1280, height=900, theme="light")
PHONE = Look(width=390, height=844, theme="light")
LOOKS = (
    DESKTOP,
    Look(width=1280, height=900, theme="dark"),
    PHONE,
    Look(width=390, height=844, theme="dark"),
)


def launch(playwright: Playwright, program: Path) -> Browser:
    """Start the system's browser, which asks nobody for anything by itself."""
    return playwright.chromium.launch(executable_path=program, args=list(FLAGS))


@dataclass(kw_only=True)  # no slots: Playwright keeps something of its own on whoever listens
class Visitor:
    """One person with one browser profile. A context manager, which fails on complaints."""

    context: BrowserContext
    url: str
    complaints: list[str] = field(default_factory=list)

    @classmethod
    def arrive(cls, browser: Browser, url: str, look: Look = DESKTOP, *, has_scripts: bool = True) -> Self:
        """Open a fresh profile on a screen."""
        context = browser.new_context(
            base_url=url,
            viewport={"width": look.width, "height": look.height},
            color_scheme=look.theme,
            reduced_motion="reduce",
            java_script_enabled=has_scripts,
        )
        context.set_default_timeout(LIMIT_MS)
        context.set_default_navigation_timeout(LIMIT_MS)
        visitor = cls(context=context, url=url)
        context.expose_binding("tellBreach", lambda _, what: visitor.complaints.append(f"CSP {what}"))
        context.add_init_script(_TELL_BREACHES)
        context.on("console", visitor._hear)
        context.on("weberror", lambda error: visitor.complaints.append(f"uncaught {error.error}"))
        context.on("dialog", visitor._refuse)
        context.on("response", visitor._check)
        return visitor

    def __enter__(self) -> Self:
        """Return the visitor."""
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Close everything; after a failure that is what matters, and not what the browser said besides."""
        self.context.close()
        if kind is None:
            assert self.complaints == []

    def open(self, path: str = "") -> Page:
        """Open a page of the dashboard in a new tab."""
        page = self.context.new_page()
        page.goto(path)
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        # What an answer was is told by ``_check``; a test may ask for a page that is not there.
        if message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource"):
            self.complaints.append(f"{message.type} {message.text}")

    def _refuse(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _check(self, response: Response) -> None:
        is_foreign = not response.url.startswith((self.url, "data:"))
        if response.status >= 500 or is_foreign:
            self.complaints.append(f"{response.status} {response.url}")


def press_by_keyboard(page: Page, target: Locator, key: str = "Enter") -> None:
    """Go to an element by the Tab key alone, see that the focus shows, and press a key there."""
    tab_to(page, target)
    page.keyboard.press(key)


def tab_to(page: Page, target: Locator) -> None:
    """Go on by the Tab key until an element has the focus."""
    target.wait_for()
    for _ in range(_MOST_TABS):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            assert target.evaluate(_HAS_OUTLINE), "one does not see where the focus is"
            return
    raise AssertionError(f"no way leads by the Tab key to {target}")


_HAS_OUTLINE = """element => {
  const style = getComputedStyle(element);
  return style.outlineStyle !== "none" || style.boxShadow !== "none";
}"""


def hindrances(page: Page) -> list[str]:
    """Return what axe-core calls serious or critical on a page as it is now: the rule, and where."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:200]} {node['failureSummary']}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


def too_wide(page: Page) -> int:
    """Return by how many pixels a page is wider than its window."""
    wider: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wider
