"""A job asked for, followed, reported and retried over the HTTP API, by a program that knows nothing of awcopy."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

import pytest

from awcopy.vault.profile_files import write_profile

BUCKET, CONTAINER = "over-http", "over-http"
LIMIT_S = 60


@pytest.fixture
def api(place):
    """Asks the dashboard; returns the status and what it answers."""

    def ask(path, body=None, **headers):
        content = None if body is None else json.dumps(body).encode()
        url = f"{place.processes.web_url}api/v1/{path}"
        sent = {"Content-Type": "application/json", **headers} if content else headers
        request = urllib.request.Request(url, content, sent)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            return error.code, error.read()

    return ask


@pytest.fixture
def request_body(place):
    place.make_bucket(BUCKET, {"good/a": b"a", "good/b": b"bb", "bad.": b"c"})
    place.blobs.create_container(CONTAINER)
    source, sink, folder = place.servers.source, place.servers.sink, Path(place.env["AWCOPY_PROFILES"])
    write_profile(
        folder,
        "http-source",
        {
            "kind": "source", "buckets": [BUCKET], "access_key": source.access_key,
            "secret_key": source.secret_key, "endpoint_url": source.endpoint_url, "region": source.region,
        },
    )  # fmt: skip
    write_profile(
        folder,
        "http-sink",
        {"kind": "sink", "containers": [CONTAINER], "connection_string": sink.connection_string},
    )
    yield {
        "source": f"s3://{BUCKET}/",
        "sink": f"az://{sink.account}/{CONTAINER}",
        "source_profile": "http-source",
        "sink_profile": "http-sink",
    }
    for path in folder.iterdir():
        path.unlink()


def press(place, job_id, verb):
    """Press a button of the job's page, as a browser does; return the page that it leads to."""
    path = f"jobs/{job_id}"
    with urllib.request.urlopen(f"{place.processes.web_url}{path}", timeout=30) as answer:
        page = answer.read().decode()
    token = re.search(rf'action="/{path}/{verb}">\s*<input type="hidden" name="token" value="(\w+)"', page)[1]
    form = urllib.parse.urlencode({"token": token}).encode()
    headers = {"Origin": place.processes.web_url.rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    request = urllib.request.Request(f"{place.processes.web_url}{path}/{verb}", form, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode()


def wait_for_end(api, job_id):
    deadline = time.monotonic() + LIMIT_S
    while (job := json.loads(api(f"jobs/{job_id}")[1]))["phase"] != "ended":
        assert time.monotonic() < deadline, job
        time.sleep(0.2)
    return job


def test_a_job_lives_its_whole_life_over_http(place, api, request_body):
    status, made = api("jobs", request_body, **{"Idempotency-Key": "life-1"})
    job_id = json.loads(made)["id"]
    assert status == 201
    assert api("jobs", request_body, **{"Idempotency-Key": "life-1"})[0] == 200

    job = wait_for_end(api, job_id)

    assert job["state"] == "completed_with_errors"
    assert (job["totals"]["copied"]["objects"], job["totals"]["failed"]["objects"]) == (2, 1)
    [group] = json.loads(api(f"jobs/{job_id}/failures")[1])["groups"]
    assert (group["reason"], group["objects"], group["example"]["key"]) == ("name_not_allowed", 1, "bad.")
    [line] = api(f"jobs/{job_id}/report?outcome=failed")[1].splitlines()
    assert json.loads(line)["key"] == "bad."
    assert json.loads(api(f"jobs/{job_id}/spec")[1])["command"].startswith(
        f"awcopy copy s3://{BUCKET}/ az://"
    )
    assert api(f"jobs/{job_id}/retry", {"reason": "throttled"})[0] == 409
    assert api(f"jobs/{job_id}/retry", {"reason": "name_not_allowed"})[0] == 200
    assert wait_for_end(api, job_id)["totals"]["failed"]["objects"] == 1
    page = press(place, job_id, "retry")
    assert f"<code>{job_id}</code>" in page
    assert wait_for_end(api, job_id)["totals"]["failed"]["objects"] == 1
    assert api("ready")[0] == 200
