"""A schedule from its first day to its last, at its pages."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.stage import Stage, add_schedule


def test_a_schedule_is_added_run_paused_resumed_and_removed(stage: Stage, page: Page) -> None:
    stage.fill("nightly", {"a": b"a", "b": b"b"})
    page.goto("")
    page.get_by_role("link", name="Schedules").click()
    add_schedule(page, stage, "nightly-photos", "s3://nightly/")
    expect(page.get_by_role("heading", level=1)).to_have_text("nightly-photos")
    expect(page.locator(".head .note")).to_have_text("active")

    page.get_by_role("button", name="Run now").click()
    past = page.get_by_role("region", name="What became of it").get_by_role("table")
    past.get_by_role("link").first.click()
    expect(page.locator(".head .state")).to_have_text("completed")
    expect(page.locator(".term.copied strong")).to_have_text("2")

    page.goto("schedules/nightly-photos")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator(".head .note")).to_have_text("paused")
    expect(page.get_by_text("It is paused, and never due.")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".head .note")).to_have_text("active")

    page.get_by_text("Remove …").click()
    page.get_by_role("button", name="Remove this schedule").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Schedules")
    expect(page.get_by_role("link", name="nightly-photos")).to_have_count(0)


def test_what_cannot_be_a_schedule_is_said(stage: Stage, page: Page) -> None:
    page.goto("schedules/")
    add_schedule(page, stage, "never", "s3://nightly/", every="a while")
    expect(page.get_by_role("heading", level=1)).to_have_text("That cannot be done as it is written")
