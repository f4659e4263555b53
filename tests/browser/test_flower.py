"""Flower beside the dashboard: reached by its link, with the password alone, while a job runs on real workers."""

from __future__ import annotations

import json
import re
import time

from playwright.sync_api import Browser, Page, expect

from tests.browser.stage import LIMIT_S, Stage

SHOWN = re.compile(r"job (\w{16}), agent \d, item \d+: 2 files, 6 B")


def shown_tasks(stage: Stage, job_id: str) -> dict[str, str]:
    """Return by what Flower shows of it the state of each task that copies files of a job."""
    tasks = json.loads(stage.place.ask_flower("api/tasks?limit=1000")).values()
    found = {task["kwargs"]: task["state"] for task in tasks if task["name"] == "awcopy.copy_files"}
    return {text: state for text, state in found.items() if job_id in text}


def test_flower_tells_what_the_tasks_of_a_job_that_runs_work_on(stage: Stage) -> None:
    stage.fill("in-flower", {f"{number}": b"abc" for number in range(8)})
    gate = stage.hold("in-flower", 3)
    job_id = stage.submit("in flower", "s3://in-flower/", agents=2, files_per_task=2)
    gate.wait()
    deadline = time.monotonic() + LIMIT_S
    while "STARTED" not in (tasks := shown_tasks(stage, job_id)).values():
        assert time.monotonic() < deadline, tasks
        time.sleep(0.2)
    assert stage.look(job_id)["state"] == "running"
    assert all(SHOWN.fullmatch(text) for text in tasks), tasks
    workers = json.loads(stage.place.ask_flower("api/workers?status=true"))
    gate.open()
    stage.wait(job_id)

    assert len(workers) == 2
    secret = stage.place.servers.source.secret_key
    assert secret not in stage.place.ask_flower("api/tasks?limit=1000")


def test_flower_is_linked_from_the_pages_and_asks_for_its_password(
    stage: Stage, browser: Browser, page: Page
) -> None:
    page.goto("")
    link = page.get_by_role("link", name="Tasks in Flower").get_attribute("href")
    assert link == stage.place.processes.flower_url
    for password, status in (("not-the-password", 401), (stage.place.processes.flower_password, 200)):
        context = browser.new_context(http_credentials={"username": "me", "password": password})
        answer = context.new_page().goto(link)
        assert answer
        assert answer.status == status
        context.close()
    context = browser.new_context(http_credentials={"username": "me", "password": password})
    tasks = context.new_page()
    tasks.goto(link)
    expect(tasks.get_by_text("awcopy.copy_files").first).to_be_visible()
    context.close()
