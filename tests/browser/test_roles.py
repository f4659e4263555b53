"""What each role sees and may do, at the pages of a dashboard that asks for tokens."""

from __future__ import annotations

import itertools
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from awcopy.demo.fleet import awcopy_command
from awcopy.demo.ports import pick_ports
from awcopy.demo.processes import ChildProcess, Launch
from tests.browser.stage import CONTAINER, Stage
from tests.browser.visitor import (
    DESKTOP,
    LOOKS,
    Look,
    Visitor,
    hindrances,
    press_by_keyboard,
    tab_to,
    too_wide,
)

NAMESPACE = "roles"  # of its own: from the first token on, a fleet's dashboard lets nobody in without
ROLES = ("viewer", "operator", "admin")


@dataclass(frozen=True, kw_only=True)
class Door:
    """A dashboard of a fleet with tokens and without workers, and two jobs that stand still there."""

    browser: Browser
    url: str
    tokens: dict[str, str]
    waiting: str
    deleting: str  # paused; deletes at the source what is copied
    _addresses: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def visit(self, look: Look = DESKTOP) -> Visitor:
        """Return somebody who comes from an address of their own, since each has only so many logins."""
        visitor = Visitor.arrive(self.browser, self.url, look)
        visitor.context.set_extra_http_headers({"X-Forwarded-For": f"198.18.0.{next(self._addresses)}"})
        return visitor


@pytest.fixture(scope="module")
def door(stage: Stage, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    folder: Path = tmp_path_factory.mktemp("roles")

    def run(*words: str) -> str:
        done = stage.place.awcopy(*words, AWCOPY_NAMESPACE=NAMESPACE)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def submit(name: str, *more: str) -> str:
        sink = f"az://{stage.place.servers.sink.account}/{CONTAINER}/roles"
        return run("copy", "s3://roles/", sink, "--name", name, "--detach", *more)

    stage.fill("roles", {"a": b"a"})
    waiting, deleting = submit("waits"), submit("moves", "--delete-source", "--yes")
    run("jobs", "pause", deleting)
    tokens = {role: run("token", "create", role, "--role", role) for role in ROLES}
    [port] = pick_ports(1)
    url = f"http://127.0.0.1:{port}/"
    launch = Launch(
        name="web",
        command=awcopy_command("web", "--port", str(port), "--name", "awcopy.example", "--proxies", "1"),
        folder=folder,
        is_ready=lambda: answers(url),
        environment={**stage.place.env, "AWCOPY_NAMESPACE": NAMESPACE},
    )
    web = ChildProcess(launch)
    web.start()
    yield Door(browser=browser, url=url, tokens=tokens, waiting=waiting, deleting=deleting)
    web.stop()


def answers(url: str) -> bool:
    with urllib.request.urlopen(f"{url}api/v1/health", timeout=5) as answer:
        return answer.status == 200


def log_in(page: Page, token: str) -> None:
    """Paste a token into the page that asks for one."""
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def actions(page: Page) -> list[str]:
    """Return the labels of what can be pressed in a job's actions."""
    return page.locator(".actions button, .actions summary").all_inner_texts()


def test_a_viewer_looks_and_is_refused_everything_else(door: Door) -> None:
    with door.visit() as visitor:
        page = visitor.open(f"jobs/{door.waiting}")
        log_in(page, door.tokens["viewer"])
        expect(page.get_by_role("heading", level=1)).to_have_text("waits")
        expect(page.get_by_text("viewer (viewer)")).to_be_visible()
        assert actions(page) == []
        expect(page.get_by_text("takes a token with the role operator")).to_be_visible()
        for path in ("", "jobs", "schedules/"):
            page.goto(path)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            expect(page.get_by_role("link", name="New job")).to_have_count(0)
            expect(page.get_by_role("button", name="Add the schedule")).to_have_count(0)

        page.goto("jobs/new")
        expect(page.get_by_role("heading", level=1)).to_have_text("That is not allowed")
        expect(page.get_by_text("takes the role operator")).to_be_visible()
        ask = visitor.context.request
        assert ask.post(f"jobs/{door.waiting}/pause").status == 403  # as a form, with the session
        for path in ("jobs", f"jobs/{door.waiting}/pause", f"jobs/{door.waiting}/cancel", "schedules"):
            assert ask.post(f"api/v1/{path}", data={}).status == 401  # no cookie counts there
            bearer = {"Authorization": f"Bearer {door.tokens['viewer']}"}
            assert ask.post(f"api/v1/{path}", data={}, headers=bearer).status == 403
        assert ask.get(f"api/v1/jobs/{door.waiting}").json()["state"] == "queued"


def test_an_operator_acts_and_may_not_let_go_on_what_deletes(door: Door) -> None:
    with door.visit() as visitor:
        page = visitor.open(f"jobs/{door.waiting}")
        log_in(page, door.tokens["operator"])
        expect(page.get_by_role("link", name="New job")).to_be_visible()
        page.get_by_role("button", name="Pause", exact=True).click()
        expect(page.locator(".head .state")).to_have_text("paused")
        page.get_by_role("button", name="Resume").click()
        expect(page.locator(".head .state")).to_have_text("queued")

        page.goto(f"jobs/{door.deleting}")
        expect(page.get_by_text("to start it again takes a token with the role admin")).to_be_visible()
        assert "Resume" not in actions(page)
        assert any("Cancel" in one for one in actions(page))
        bearer = {"Authorization": f"Bearer {door.tokens['operator']}"}
        refused = visitor.context.request.post(f"api/v1/jobs/{door.deleting}/resume", data={}, headers=bearer)
        assert (refused.status, refused.json()["code"]) == (403, "forbidden")


def test_an_admin_lets_go_on_what_deletes(door: Door) -> None:
    with door.visit() as visitor:
        page = visitor.open(f"jobs/{door.deleting}")
        log_in(page, door.tokens["admin"])
        page.get_by_role("button", name="Resume").click()
        expect(page.locator(".head .state")).to_have_text("queued")
        page.get_by_role("button", name="Pause", exact=True).click()
        expect(page.locator(".head .state")).to_have_text("paused")


def test_who_has_logged_out_is_asked_again(door: Door) -> None:
    with door.visit() as visitor:
        page = visitor.open(f"jobs/{door.waiting}")
        log_in(page, door.tokens["viewer"])
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("Token")).to_be_visible()
        page.goto(f"jobs/{door.waiting}")
        expect(page.get_by_label("Token")).to_be_visible()
        page.go_back()
        expect(page.get_by_text("waits", exact=True)).to_have_count(0)
        assert visitor.context.request.get(f"api/v1/jobs/{door.waiting}").status == 401


def test_logging_in_and_out_takes_no_mouse_and_a_wrong_token_is_said(door: Door) -> None:
    with door.visit() as visitor:
        page = visitor.open("workers")
        for token in ("awc_viewer_" + "0" * 48, door.tokens["viewer"]):
            tab_to(page, page.get_by_label("Token"))
            page.keyboard.type(token)
            with page.expect_navigation():
                page.keyboard.press("Enter")
            if token != door.tokens["viewer"]:
                expect(page.get_by_role("alert")).to_be_visible()
        expect(page.get_by_role("heading", level=1)).to_have_text("Workers")
        press_by_keyboard(page, page.get_by_role("button", name="Log out"))
        expect(page.get_by_label("Token")).to_be_visible()


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_login_and_a_viewers_pages_hinder_nobody(door: Door, look: Look) -> None:
    found = {}
    with door.visit(look) as visitor:
        page = visitor.open("login")
        found["login"] = hindrances(page), too_wide(page)
        log_in(page, door.tokens["viewer"])
        for path in ("", "jobs", "jobs/new", f"jobs/{door.waiting}", f"jobs/{door.deleting}", "schedules/"):
            page.goto(path)
            found[path] = hindrances(page), too_wide(page)
    assert {path: what for path, what in found.items() if what != ([], 0)} == {}
