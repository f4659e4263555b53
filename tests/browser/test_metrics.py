"""What Prometheus is told of a fleet that copies, and whether the Grafana dashboard asks for what there is."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.browser.stage import LIMIT_S, Stage

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana" / "awcopy.json"
OUTCOMES = ("copied", "skipped", "failed", "cancelled", "pending")
Numbers = dict[tuple[str, ...], float]


def scrape(stage: Stage) -> Numbers:
    """Return the value of each sample by its name and labels."""
    with urllib.request.urlopen(f"{stage.url}metrics", timeout=LIMIT_S) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = answer.read().decode()
    families = text_string_to_metric_families(text)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def scrape_until(stage: Stage, holds) -> Numbers:
    """Return the first numbers of which something holds; a page is some seconds old."""
    deadline = time.monotonic() + LIMIT_S
    while not holds(numbers := scrape(stage)):
        assert time.monotonic() < deadline, numbers
        time.sleep(0.5)
    return numbers


def metrics_asked_for() -> set[str]:
    """Return the names of all metrics in the dashboard's queries."""
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    return {name for query in queries for name in re.findall(r"\bawcopy_\w+", query)}


def test_a_job_under_way_has_every_number_that_the_dashboard_asks_for(stage: Stage) -> None:
    content = b"measured" * 1024
    stage.fill("measured", {f"{number}": content for number in range(8)} | {"refused.": b"r"})
    gate = stage.hold("measured", 3)
    job_id = stage.submit("measured", "s3://measured/", agents=2)
    gate.wait()
    held = scrape_until(
        stage,
        lambda numbers: numbers.get(("awcopy_job_leases", job_id)) == 2 and numbers["awcopy_workers",] == 2,
    )

    names = {key[0] for key in held}
    assert metrics_asked_for() <= names
    assert len(metrics_asked_for()) >= 15
    assert held["awcopy_jobs", "running"] >= 1
    assert held["awcopy_job_agents", job_id] == 2
    assert held["awcopy_job_ready_items", job_id] >= 1
    memories = [value for key, value in held.items() if key[0] == "awcopy_process_memory_bytes"]
    assert len(memories) == 2
    assert all(20 * 2**20 < memory < 2 * 2**30 for memory in memories)
    gate.open()
    [job] = stage.wait(job_id)

    ended = scrape_until(stage, lambda numbers: numbers.get(("awcopy_job_objects", job_id, "pending")) == 0)
    for outcome in OUTCOMES[:-1]:
        assert ended["awcopy_job_objects", job_id, outcome] == job["totals"][outcome]["objects"]
        assert ended["awcopy_job_bytes", job_id, outcome] == job["totals"][outcome]["bytes"]
    assert sum(ended["awcopy_job_objects", job_id, outcome] for outcome in OUTCOMES) == 9
    assert ended["awcopy_job_listed_objects", job_id] == job["totals"]["listed"]["objects"] == 9
    assert ended["awcopy_job_moved_bytes", job_id] == job["totals"]["copied"]["bytes"] == 8 * len(content)
    assert ended["awcopy_job_objects", job_id, "failed"] == 1
