"""What an operator does with jobs, at the pages of a fleet that copies meanwhile."""

from __future__ import annotations

import csv
import json
import re

from playwright.sync_api import Page, expect

from tests.browser.stage import SINK, SOURCE, Stage
from tests.browser.visitor import press_by_keyboard, tab_to
from tests.faults.http_proxy import Op, refuse

FILES = {f"day/{number:02}.jpg": b"%d" % number for number in range(12)}


def total(page: Page, name: str):
    """Return the number of objects of one kind on a job's page."""
    return page.locator(f".term.{name} strong")


def button(page: Page, label: str):
    return page.get_by_role("button", name=label, exact=True)


def state(page: Page):
    return page.locator(".head .state")


def test_a_job_is_watched_live_to_its_end(stage: Stage, page: Page) -> None:
    stage.fill("live", FILES)
    gate = stage.hold("live", 4)
    job_id = stage.submit("holiday photos", "s3://live/", agents=2)
    page.goto("")
    page.get_by_role("link", name="holiday photos").click()
    page.evaluate("window.isSamePage = true")

    expect(total(page, "copied")).to_have_text("3")
    expect(total(page, "pending")).to_have_text("9")
    expect(page.locator("[data-pulse]")).to_have_text("live")
    expect(state(page)).to_have_text("running")
    expect(page.locator("[data-chart] canvas")).to_be_attached()
    gate.open()

    expect(state(page)).to_have_text("completed")
    expect(total(page, "copied")).to_have_text("12")
    expect(total(page, "pending")).to_have_text("0")
    expect(page.locator(".far b").first).to_have_text("100 %")
    assert page.evaluate("window.isSamePage") is True
    assert stage.look(job_id)["state"] == "completed"


def test_how_long_a_job_takes_is_said_and_its_limit_is_lifted(stage: Stage, page: Page) -> None:
    stage.fill("timed", {f"{number:02}": b"t" * 1024 for number in range(60)})
    stage.submit("timed", "s3://timed/", bandwidth=1024)
    page.goto("jobs")
    page.get_by_role("link", name="timed").click()
    limit = page.locator(".now div", has_text="Limit")
    left = page.locator(".now div", has_text="Time left")

    expect(limit).to_contain_text("1.0 KiB/s")
    expect(left).to_have_text(re.compile(r"\d+ s"))
    page.get_by_label("Bytes a second").fill("")
    button(page, "Limit").click()

    expect(limit).to_contain_text("none")
    expect(state(page)).to_have_text("completed")
    expect(left).to_be_hidden()
    expect(page.locator(".far")).to_contain_text("100 % 60 of 60 objects, 60.0 KiB of 60.0 KiB")


def test_a_job_is_asked_for_looked_at_and_started_by_keyboard(stage: Stage, page: Page) -> None:
    stage.fill("asked-for", {"2026/a.jpg": b"a", "2026/b.jpg": b"b", "2026/c.txt": b"c"})
    page.goto("")
    press_by_keyboard(page, page.get_by_role("link", name="New job"))
    expect(page.get_by_role("heading", level=1)).to_have_text("New job")
    typed = {
        "source": "s3://asked-for/2026/", "source_profile": SOURCE, "include": "*.jpg",
        "sink": f"{stage.sink}/asked-for", "sink_profile": SINK, "name": "asked for", "agents": "2",
    }  # fmt: skip
    for name, text in typed.items():
        tab_to(page, page.locator(f"main [name={name}]:not([type=hidden])"))
        page.keyboard.press("Control+A")
        page.keyboard.type(text)
    page.keyboard.press("Enter")

    review = page.get_by_role("region", name="Is this right?")
    expect(review.locator("pre")).to_contain_text("awcopy copy s3://asked-for/2026/ az://")
    press_by_keyboard(page, review.get_by_role("button", name="Start the job"))

    expect(page.get_by_role("heading", level=1)).to_have_text("asked for")
    expect(state(page)).to_have_text("completed")
    expect(total(page, "copied")).to_have_text("2")


def test_failures_are_grouped_retried_by_reason_and_reported(stage: Stage, page: Page, tmp_path) -> None:
    stage.fill("mixed", {"good": b"g", "closed/a": b"a", "closed/b": b"b", "trailing.": b"t"})
    denied = refuse(403, "AccessDenied")
    stage.s3.add(
        denied, Op.GET, match=lambda exchange: exchange.place == "mixed" and "closed" in exchange.name
    )
    job_id = stage.submit("mixed", "s3://mixed/")
    page.goto(f"jobs/{job_id}")

    expect(state(page)).to_have_text("completed with errors")
    failures = page.get_by_role("region", name="What failed")
    groups = failures.get_by_role("article")
    expect(groups).to_have_count(2)
    expect(groups.first).to_contain_text("access_denied 2 objects")
    expect(groups.first).to_contain_text("For example closed/a")
    expect(groups.last).to_contain_text("name_not_allowed 1 object")
    expect(groups.last).to_contain_text("Copy them with --names encode.")

    with page.expect_download() as download:
        page.get_by_role("link", name="CSV of failures").click()
    download.value.save_as(tmp_path / "failures.csv")
    with (tmp_path / "failures.csv").open(newline="") as file:
        assert {line["key"] for line in csv.DictReader(file)} == {"closed/a", "closed/b", "trailing."}

    with page.expect_download() as download:
        page.get_by_role("link", name="journal").click()
    download.value.save_as(tmp_path / "journal.log")
    lines = [json.loads(line) for line in (tmp_path / "journal.log").read_text().splitlines()]
    assert {line["key"] for line in lines if line["event"] == "object_ended"} == {
        "good", "closed/a", "closed/b", "trailing.",
    }  # fmt: skip
    assert "completed_with_errors" in {line.get("what") for line in lines}

    stage.s3.reset()
    groups.first.get_by_role("button", name="Retry these").click()
    expect(total(page, "copied")).to_have_text("3")
    expect(state(page)).to_have_text("completed with errors")
    expect(failures.get_by_role("article")).to_have_count(1)
    expect(total(page, "failed")).to_have_text("1")


def test_a_job_is_paused_given_more_agents_and_a_limit_resumed_and_cancelled(
    stage: Stage, page: Page
) -> None:
    stage.fill("stopped", FILES)
    gate = stage.hold("stopped", 3)
    job_id = stage.submit("stopped", "s3://stopped/", agents=1)
    page.goto(f"jobs/{job_id}")
    expect(total(page, "copied")).to_have_text("2")

    button(page, "Pause").click()
    expect(state(page)).to_have_text("paused")
    page.get_by_label("Agents", exact=True).fill("3")
    button(page, "Change").click()
    expect(page.locator(".now")).to_contain_text("of 3")
    limit = page.locator(".now div", has_text="Limit")
    expect(limit).to_contain_text("none")
    page.get_by_label("Bytes a second").fill("64M")
    button(page, "Limit").click()
    expect(limit).to_contain_text("64.0 MiB/s")
    expect(page.get_by_label("Bytes a second")).to_have_value("64M")
    assert stage.look(job_id)["bandwidth"] == 64 * 2**20
    button(page, "Resume").click()
    expect(state(page)).to_have_text("running")

    page.get_by_text("Cancel …").click()
    button(page, "Cancel this job").click()
    expect(state(page)).to_have_text("cancelling")
    gate.open()
    expect(state(page)).to_have_text("cancelled")
    expect(total(page, "pending")).to_have_text("0")
    [job] = stage.wait(job_id)
    assert job["totals"]["cancelled"]["objects"] == 12 - job["totals"]["copied"]["objects"] > 0


def test_cancelling_and_retrying_take_no_mouse(stage: Stage, page: Page) -> None:
    stage.fill("keyboard", {**FILES, "trailing.": b"t"})
    gate = stage.hold("keyboard")
    job_id = stage.submit("by keyboard", "s3://keyboard/")
    failing = stage.submit("fails", "s3://keyboard/", include=["trailing."])
    page.goto("jobs")
    press_by_keyboard(page, page.get_by_role("link", name="Skip to the content"))
    press_by_keyboard(page, page.locator(f'[data-job="{job_id}"] a'))
    press_by_keyboard(page, page.locator("summary", has_text="Cancel …"))
    press_by_keyboard(page, button(page, "Cancel this job"), "Space")
    expect(state(page)).to_have_text("cancelling")
    gate.open()
    expect(state(page)).to_have_text("cancelled")

    stage.wait(failing)
    page.goto(f"jobs/{failing}")
    tab_to(page, page.get_by_role("button", name="Retry these"))
    with page.expect_request(f"**/jobs/{failing}/retry") as asked:
        page.keyboard.press("Enter")
    assert asked.value.response().status == 303
    stage.wait(failing)
