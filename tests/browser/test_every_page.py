"""Every page on every screen: nothing that hinders, nothing that breaks the policy, nothing beside the window."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.stage import Stage, add_schedule
from tests.browser.visitor import LOOKS, Look, Visitor, hindrances, too_wide

NARROWEST = 320  # what remains of a desktop at 400 % (WCAG 1.4.10)
CARDS_BELOW = 768  # tables are cards there, of which nothing is beside the window
_SCROLLING = """[...document.querySelectorAll(".wide")].filter((one) => one.scrollWidth > one.clientWidth)
  .map((one) => one.textContent.trim().slice(0, 50))"""


@pytest.fixture(scope="module")
def paths(stage: Stage, browser: Browser) -> Iterator[dict[str, str]]:
    """The path of each page by a name: what the navigation leads to, and jobs in several states."""
    stage.fill(
        "pages", {"good": b"g", "trailing.": b"t", "a/very/long/key/" + "of-one-word" * 20 + ".": b"w"}
    )
    stage.fill("held", {f"{number}": b"h" for number in range(6)})
    stage.fill("standing", {"a": b"s"})
    gates = [stage.hold("held", 3), stage.hold("standing")]
    failed = stage.submit("Ünicode name of a job " + "that is as long as it may be " * 2, "s3://pages/")
    running = stage.submit("running", "s3://held/")
    paused = stage.submit("paused", "s3://standing/")
    stage.press(paused, "pause")
    nowhere = stage.submit("no such bucket", "s3://there-is-no-such-bucket/")
    stage.wait(failed, nowhere)
    with Visitor.arrive(browser, stage.url) as visitor:
        page = visitor.open()
        links = page.locator("nav a, main a").evaluate_all("links => links.map((one) => one.href)")
        page.goto("schedules/")
        add_schedule(page, stage, "every-page", "s3://pages/")
    mine = {urlsplit(link).path for link in links if link.startswith(stage.url)}
    mine -= {path for path in mine if path.startswith("/jobs/zyb")}
    yield {
        **{path: path for path in sorted(mine)},
        "jobs found": "jobs?state=running&state=paused&text=held",
        "no job found": "jobs?text=nothing+is+called+so",
        "job with failures": f"jobs/{failed}",
        "job that runs": f"jobs/{running}",
        "job that is paused": f"jobs/{paused}",
        "job that failed": f"jobs/{nowhere}",
        "schedule": "schedules/every-page",
        "no such page": "jobs/0000000000000000",
    }
    for gate in gates:
        gate.open()
    stage.press(paused, "cancel")


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_nothing_hinders_breaks_the_policy_or_is_wider_than_the_window(
    stage: Stage, browser: Browser, paths: dict[str, str], look: Look
) -> None:
    found: dict[str, list[str] | int] = {}
    with Visitor.arrive(browser, stage.url, look) as visitor:
        page = visitor.context.new_page()
        for name, path in paths.items():
            page.goto(path)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            if problems := hindrances(page):
                found[name] = problems
            for width in (look.width, NARROWEST):
                page.set_viewport_size({"width": width, "height": look.height})
                if more := too_wide(page):
                    found[f"{name} at {width}"] = more
                if width < CARDS_BELOW and (tables := page.evaluate(_SCROLLING)):
                    found[f"{name} at {width}: tables"] = tables
            page.set_viewport_size({"width": look.width, "height": look.height})
    assert found == {}


def test_pages_show_their_numbers_and_act_without_scripts(stage: Stage, browser: Browser) -> None:
    stage.fill("plain", {f"{number}": b"p" for number in range(4)})
    gate = stage.hold("plain", 2)
    job_id = stage.submit("without scripts", "s3://plain/", agents=1)
    with Visitor.arrive(browser, stage.url, has_scripts=False) as visitor:
        page = visitor.open("jobs")
        page.get_by_role("link", name="without scripts").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("without scripts")
        page.get_by_role("button", name="Pause", exact=True).click()
        expect(page.locator(".head .state")).to_have_text("paused")
        page.get_by_role("button", name="Resume").click()
        gate.open()
        stage.wait(job_id)
        page.reload()
        expect(page.locator(".head .state")).to_have_text("completed")
        expect(page.locator(".term.copied strong")).to_have_text("4")
        expect(page.locator(".term.pending strong")).to_have_text("0")
        expect(page.locator("[data-pulse]")).to_be_hidden()
