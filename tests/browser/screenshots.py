"""Takes pictures of the dashboard of a fleet that copies: those of the README, or every page on every screen.

``python -m tests.browser.screenshots`` renews docs/images; with a folder's name it fills that folder with all pages.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.acceptance.conftest import open_place
from tests.browser.chromium import HOW, find_chromium
from tests.browser.stage import Stage, add_schedule, open_stage
from tests.browser.visitor import LOOKS, Visitor, launch
from tests.faults.http_proxy import Fault, Op, refuse

IMAGES = Path(__file__).parents[2] / "docs" / "images"
PIECE = bytes(256 * 1024)
SLOWLY = Fault(pace_s=0.05)
WATCHED_MS = 45_000  # so long the pictured job is watched before its picture is taken


def act_out(stage: Stage) -> dict[str, str]:
    """Have jobs in several states, one of them long under way, and return their ids by what they are."""
    days = {f"2026/{day:02}/img-{number:03}.jpg": PIECE for day in range(1, 11) for number in range(60)}
    stage.fill("photos", days)
    stage.fill(
        "scans", {"a.tif": PIECE, "b.tif": PIECE, "private/c.tif": PIECE, "private/d.tif": PIECE, "e.": b"e"}
    )
    stage.fill("invoices", {f"2025/{number:03}.pdf": PIECE[:4096] for number in range(40)})
    denied = refuse(403, "AccessDenied")
    stage.s3.add(denied, Op.GET, match=lambda one: one.place == "scans" and "private" in one.name)
    stage.s3.add(SLOWLY, Op.GET, match=lambda one: one.place == "photos")
    done = stage.submit("invoices 2025", "s3://invoices/2025/", files_per_task=10)
    failed = stage.submit("scans of the archive", "s3://scans/")
    stage.wait(done, failed)
    paused = stage.submit("photos 2026, first week", "s3://photos/2026/01/", agents=1)
    stage.press(paused, "pause")
    running = stage.submit("photos 2026", "s3://photos/2026/", agents=4)
    return {"done": done, "failed": failed, "paused": paused, "running": running}


def settle(page: Page) -> None:
    """Wait until a page shows what is true now."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.wait_for_function("document.readyState === 'complete'")


def picture_readme(stage: Stage, browser: Browser, jobs: dict[str, str], folder: Path) -> None:
    """Take the pictures of the README into a folder."""
    with Visitor.arrive(browser, stage.url) as visitor:
        page = visitor.open(f"jobs/{jobs['running']}")
        expect(page.locator("[data-pulse]")).to_have_text("live")
        page.wait_for_timeout(WATCHED_MS)  # what the chart shows is that time
        page.screenshot(path=folder / "job.png")
        page.goto("")
        expect(page.locator("[data-pulse]")).to_have_text("live")
        page.set_viewport_size({"width": 1280, "height": 660})
        page.screenshot(path=folder / "overview.png")


def picture_all(stage: Stage, browser: Browser, jobs: dict[str, str], folder: Path) -> None:
    """Take a picture of every page on every screen into a folder."""
    paths = {
        "overview": "", "jobs": "jobs", "new": "jobs/new", "schedules": "schedules/", "schedule": "schedules/nightly",
        "workers": "workers", "system": "system", "nothing": "jobs/0000000000000000",
        **{f"job-{what}": f"jobs/{job_id}" for what, job_id in jobs.items()},
    }  # fmt: skip
    for look in LOOKS:
        with Visitor.arrive(browser, stage.url, look) as visitor:
            for name, path in paths.items():
                page = visitor.open(path)
                settle(page)
                page.wait_for_timeout(1500)
                page.screenshot(path=folder / f"{name}-{look}.png", full_page=True)
                page.close()


def main(folder: Path | None) -> None:
    """Start everything, take the pictures, and end it."""
    program = find_chromium()
    if program is None:
        raise SystemExit(HOW)
    with (
        tempfile.TemporaryDirectory() as room,
        open_place(Path(room)) as place,
        open_stage(place) as stage,
        sync_playwright() as playwright,
    ):
        browser = launch(playwright, program)
        with Visitor.arrive(browser, stage.url) as visitor:
            add_schedule(visitor.open("schedules/"), stage, "nightly", "s3://photos/2026/")
        jobs = act_out(stage)
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            picture_all(stage, browser, jobs, folder)
        else:
            IMAGES.mkdir(parents=True, exist_ok=True)
            picture_readme(stage, browser, jobs, IMAGES)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
