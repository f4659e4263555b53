from __future__ import annotations

import pytest
from celery import Celery

from awcopy.errors import UsageError
from workers.flower import LONGEST_TEXT, choose_options, clean_event, describe_arguments, run_flower


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("job zybq, agent 3, item 17: copy_files", "job zybq, agent 3, item 17: copy_files"),
        ("{'job': 'zybq', 'item': 17}", "job zybq, item 17"),
        ("['zybq', 17]", "zybq, 17"),
        ("()", ""),
        ("{}", ""),
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
    with pytest.raises(UsageError, match="has no authentication yet"):
        run_flower(Celery(), address, 5555)
