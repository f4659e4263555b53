from __future__ import annotations

import base64

import pytest
from celery import Celery

from awcopy.config import Secret
from awcopy.errors import UsageError
from workers.flower import (
    LONGEST_TEXT,
    choose_options,
    clean_event,
    describe_arguments,
    find_password,
    knows_password,
    run_flower,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("job zybq, agent 3, item 17: copy_files", "job zybq, agent 3, item 17: copy_files"),
        ("{'job': 'zybq', 'item': 17}", "job zybq, item 17"),
        ("['zybq', 17]", "zybq, 17"),
        ("()", ""),
        ("{}", ""),
        ("'job zybq'", "job zybq"),
        ("{'job': 'zy...", "{'job': 'zy..."),
        ("(" * 1_000, "(" * 1_000),
    ],
)
def test_arguments_are_shown_as_words(text, shown):
    assert describe_arguments(text) == shown


def test_an_event_keeps_what_it_says_about_the_task():
    event = {
        "type": "task-received",
        "uuid": "1",
        "name": "awcopy.copy_files",
        "args": "()",
        "kwargs": "job zybq",
    }

    assert clean_event(event) == {**event, "args": ""}


def test_credentials_are_masked_in_arguments_and_exceptions():
    event = clean_event(
        {
            "kwargs": "{'url': 'https://x/?sig=abc&se=1'}",
            "exception": "E('AKIAABCDEFGHIJKLMNOP', 'Bearer abc.def')",
        }
    )

    assert event == {"kwargs": "url https://x/?sig=***&se=1", "exception": "E('***', '***')"}


def test_results_and_tracebacks_are_left_out():
    event = clean_event({"result": "'hunter2'", "traceback": "password hunter2"})

    assert "hunter2" not in str(event)


def test_a_task_without_result_is_shown_as_such():
    assert clean_event({"result": "None"}) == {"result": "None"}


def test_long_texts_are_cut():
    assert len(clean_event({"exception": "x" * 9_999})["exception"]) < LONGEST_TEXT + 5


def test_flower_changes_nothing_and_keeps_nothing():
    options = choose_options("127.0.0.1", 5555)

    assert options["read_only"] is True
    assert options["persistent"] is False
    assert options["max_tasks"] == 5_000


@pytest.mark.parametrize("address", ["0.0.0.0", "", "::", "192.0.2.7"])
def test_an_address_that_others_can_reach_is_refused(address):
    with pytest.raises(UsageError, match="is for its own machine"):
        run_flower(Celery(), Secret("p" * 12), address, 5555)


PASSWORD = Secret("correct-horse:7é")


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("name", ["awcopy", "", "é"])
def test_who_knows_the_password_gets_in_under_any_name(name):
    assert knows_password(basic(f"{name}:correct-horse:7é"), PASSWORD)


@pytest.mark.parametrize(
    "header",
    ["", "Basic", "Basic ", "Basic !", basic("awcopy"), basic("awcopy:"), basic("awcopy:correct-horse:7e"),
     basic("correct-horse:7é:awcopy"), basic("a:correct-horse:7é").replace("Basic", "Bearer")],
)  # fmt: skip
def test_nobody_else_gets_in(header):
    assert not knows_password(header, PASSWORD)


def test_a_password_is_made_once_for_its_owner_alone(tmp_path):
    path = tmp_path / "new" / "flower.password"

    made = find_password(Secret(""), path)

    assert len(made.reveal()) >= 20
    assert path.stat().st_mode & 0o777 == 0o600
    assert find_password(Secret(""), path) == made
    assert find_password(Secret("p" * 12), path) == Secret("p" * 12)


def test_a_password_that_cannot_be_had_is_said(tmp_path):
    (tmp_path / "empty").touch()
    for given, path, says in (
        ("short", tmp_path / "x", "less than 12 characters"),
        ("", tmp_path / "empty", "is empty"),
        ("", tmp_path / "empty" / "below", "can be neither read"),
    ):
        with pytest.raises(UsageError, match=says):
            find_password(Secret(given), path)
