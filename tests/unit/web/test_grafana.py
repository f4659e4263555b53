"""Grafana's dashboard asks for metrics and labels that ``/metrics`` exports, and for nothing else."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from awcopy.live.base import Vitals

DASHBOARD = json.loads(
    (Path(__file__).parents[3] / "docs" / "grafana" / "awcopy.json").read_text(encoding="utf-8")
)
PANELS = DASHBOARD["panels"]
TARGETS = [
    pytest.param(target, id=f"{panel['title']}: {target['expr']}")
    for panel in PANELS
    for target in panel["targets"]
]
FUNCTIONS = {"sum", "rate", "time"}
_LABELS = re.compile(r"\b(by|on|group_left)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"(\w+)\{([^}]*)\}")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|=|!=|!~)\s*"([^"]*)"')
_SPAN = re.compile(r"\[\d+[smh]\]")


@pytest.fixture
def exported(client, fleet, add_job, totals):
    """Of each metric its labels, with all values that each has."""
    fleet.live.beat("worker@host", 4, "1.0", Vitals(memory_bytes=1, retries=1, throttles=1))
    add_job(totals=totals)
    found = defaultdict(lambda: defaultdict(set))
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            for label, value in sample.labels.items():
                found[sample.name][label].add(value)
            found.setdefault(sample.name, defaultdict(set))  # also without labels
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_an_expression_names_only_what_is_exported(exported, target):
    expression = target["expr"]
    for metric, matchers in _SELECTOR.findall(expression):
        for label, values in _MATCHER.findall(matchers):
            assert set(values.split("|")) <= exported[metric][label], (metric, label)
    grouped = {label.strip() for _, labels in _LABELS.findall(expression) for label in labels.split(",")}
    bare = _SPAN.sub("", _LABELS.sub("", _SELECTOR.sub(r"\1", expression)))
    names = set(re.findall(r"[a-z_]\w*", bare)) - FUNCTIONS
    known = set().union(*(exported[name] for name in names))

    assert names
    assert names <= exported.keys()
    assert grouped <= known
    assert set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))) <= known


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_joined_or_summed_up_has_the_label_on_both_sides(exported, target):
    expression = target["expr"]
    metrics = re.findall(r"\bawcopy_\w+", expression)
    for word, labels in _LABELS.findall(expression):
        for label in labels.split(","):
            having = [metric for metric in metrics if label.strip() in exported[metric]]
            # What `group_left` brings stands on the right side alone.
            assert having == (metrics[-1:] if word == "group_left" else metrics)


def test_every_metric_is_shown_but_for_those_that_say_what_is_shown_already(exported):
    shown = {name for param in TARGETS for name in re.findall(r"\bawcopy_\w+", param.values[0]["expr"])}

    assert exported.keys() - shown == {
        "awcopy_build_info",
        "awcopy_job_listed_bytes",
        "awcopy_job_listed_objects",
        "awcopy_job_open_items",
        "awcopy_process_slots",
    }
