"""Names of jobs, prefixes and keys that somebody chose to do harm are text wherever they are shown."""

from __future__ import annotations

import csv
import json
import urllib.error
from contextlib import suppress

import pytest
from playwright.sync_api import Page, expect

from awcopy.cli.console import safe_cell, safe_text
from tests.browser.odd_keys import ODD_TEXTS, folder_of
from tests.browser.stage import ODD_BUCKET, ODD_SOURCE, Stage
from tests.browser.visitor import Visitor
from tests.faults.processes import wait_until
from web.view import escape_invisible

# The pages put foreign text into these elements, and nothing else; an element in them came out of that text.
_LOOK = """() => ({
  keys: [...document.querySelectorAll(".failed code bdi")].map((one) => one.textContent),
  name: document.querySelector("h1 bdi").textContent,
  foreign: [...document.querySelectorAll("bdi *, pre code *, h3 code *, title *")].map((one) => one.outerHTML),
  canary: window.canary,
})"""


@pytest.fixture(scope="module")
def jobs(stage: Stage) -> dict[str, tuple[str, str]]:
    """By a text the id and the name of a job: the text itself where it may be one; a key with it fails."""
    made = {}
    for number, text in enumerate(ODD_TEXTS):
        source = f"s3://{ODD_BUCKET}/{folder_of(number)}"
        # The bucket keeps no checksum that would do, so that every key fails, and is shown.
        options = {"profile": ODD_SOURCE, "require_proof": "crc64", "agents": 1}
        name = text if may_be_a_name(text) else f"text {number}"
        made[text] = stage.submit(name, source, **options), name
    stage.wait(*(job_id for job_id, _ in made.values()))
    return made


def may_be_a_name(text: str) -> bool:
    return text.isprintable() and len(text) <= 100


def key_of(text: str) -> str:
    return f"{folder_of(ODD_TEXTS.index(text))}{text}"


def test_a_page_shows_keys_and_names_as_text(page: Page, jobs: dict[str, tuple[str, str]]) -> None:
    for text, (job_id, name) in jobs.items():
        page.goto(f"jobs/{job_id}")
        assert page.evaluate(_LOOK) == {
            "keys": [escape_invisible(key_of(text))],
            "name": escape_invisible(name),
            "foreign": [],
            "canary": None,
        }


def test_a_script_that_came_in_would_not_run_and_would_be_told(visitor: Visitor) -> None:
    page = visitor.open("jobs")
    with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
        page.evaluate("""document.querySelector("main").append(
          Object.assign(document.createElement("script"), { textContent: "window.canary = 1" }))""")
    assert page.evaluate("window.canary") is None
    told = "CSP script-src-elem: inline"
    wait_until(
        "the page tells",
        lambda: page.wait_for_timeout(50) or told in "\n".join(visitor.complaints),
        within_s=30,
    )
    visitor.complaints.clear()


def test_what_cannot_be_seen_is_no_name(stage: Stage) -> None:
    for text in ODD_TEXTS:
        if not may_be_a_name(text):
            with pytest.raises(urllib.error.HTTPError) as refused:
                stage.submit(text, f"s3://{ODD_BUCKET}/")
            assert refused.value.code == 400
            refused.value.close()


def test_the_list_of_jobs_shows_names_and_finds_them(page: Page, jobs: dict[str, tuple[str, str]]) -> None:
    for text in (
        "<script>window.canary=1</script>",
        '"><script>alert(1)</script>',
        "{{7*7}}",
        "%2e%2e%2f",
        "a?b#c&d",
    ):
        page.goto("jobs")
        page.get_by_label("Name, source or destination").fill(text)
        page.get_by_role("button", name="Find").click()
        expect(page.locator(".jobs h2").get_by_text(text, exact=True).first).to_be_visible()
        expect(page.get_by_label("Name, source or destination")).to_have_value(text)
        assert page.locator("bdi *").count() == 0
        assert page.evaluate("window.canary") is None


def test_a_name_that_comes_live_is_text_too(
    stage: Stage, page: Page, jobs: dict[str, tuple[str, str]]
) -> None:
    hostile = "<img src=x onerror=window.canary=1>"
    stage.fill("live-name", {"a": b"a"})
    gate = stage.hold("live-name")
    job_id = stage.submit(hostile, "s3://live-name/")
    page.goto(f"jobs/{job_id}")
    expect(page.locator("[data-pulse]")).to_have_text("live")
    gate.open()
    expect(page.locator(".head .state")).to_have_text("completed")
    expect(page.locator("h1 bdi")).to_have_text(hostile)
    assert page.evaluate("window.canary") is None


def test_reports_name_the_keys_and_no_cell_is_a_formula(stage: Stage, page: Page, tmp_path) -> None:
    job_id = stage.submit("every odd key", f"s3://{ODD_BUCKET}/", profile=ODD_SOURCE, files_per_task=500)
    stage.wait(job_id)
    page.goto(f"jobs/{job_id}")
    files = {}
    for kind in ("NDJSON", "CSV"):
        with page.expect_download() as download:
            page.get_by_role("link", name=kind, exact=True).click()
        files[kind] = tmp_path / kind
        download.value.save_as(files[kind])
    keys = sorted(map(key_of, ODD_TEXTS))
    assert sorted(json.loads(line)["key"] for line in files["NDJSON"].read_bytes().splitlines()) == keys
    with files["CSV"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["key"] for row in rows) == sorted(safe_cell(safe_text(key)) for key in keys)
    cells = [cell for row in rows for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert not [cell for cell in cells if escape_invisible(cell) != cell]


def test_names_of_jobs_under_way_are_text_on_the_overview(stage: Stage, page: Page) -> None:
    stage.fill("odd-names", {"a": b"a"})
    names = [text for text in ODD_TEXTS if may_be_a_name(text)][:15]
    gate = stage.hold("odd-names")
    made = [stage.submit(name, "s3://odd-names/") for name in names]
    page.goto("")
    for name in names:
        expect(page.locator(".jobs h3").get_by_text(escape_invisible(name), exact=True)).to_be_visible()
    assert page.locator("bdi *").count() == 0
    assert page.evaluate("window.canary") is None
    gate.open()
    stage.wait(*made)


def test_prefixes_are_text_on_the_pages_of_schedules_and_in_the_review_of_a_job(
    stage: Stage, page: Page
) -> None:
    shown = {}
    for number, text in enumerate(ODD_TEXTS):
        name, source = f"odd-{number}", f"s3://{ODD_BUCKET}/{text}"
        sink = f"{stage.sink}/{name}"
        with suppress(urllib.error.HTTPError):  # what cannot be typed as a prefix
            shown[name] = stage.add_schedule({"name": name, "source": source, "sink": sink, "every": "9d"})
    assert len(shown) > len(ODD_TEXTS) / 2
    page.goto("schedules/")
    for name, source in shown.items():
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))
        assert row.locator("bdi").first.text_content() == escape_invisible(source)
    assert page.locator("bdi *").count() == 0
    for name, source in [(name, source) for name, source in shown.items() if source.isprintable()][::4]:
        page.goto(f"schedules/{name}")
        assert page.locator(".lead bdi").first.text_content() == escape_invisible(source)
        assert page.locator("bdi *").count() == 0
        page.goto("jobs/new")
        page.locator("main [name=source]").fill(source)
        page.locator("main [name=sink]").fill(f"{stage.sink}/{name}")
        page.get_by_role("button", name="Look at it first").click()
        expect(page.locator("main [name=source]").last).to_have_value(source)
        assert page.locator("pre code *").count() == 0
        assert page.evaluate("window.canary") is None
    for name in shown:
        stage.remove_schedule(name)
