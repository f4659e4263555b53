"""What the dashboard shows in these tests: jobs of a running fleet that stand still where a test wants them to."""

from __future__ import annotations

import http.client
import itertools
import json
import secrets
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from awcopy.vault.profile_files import write_profile
from tests.acceptance.any_key_s3 import serve_any_keys
from tests.acceptance.conftest import Place
from tests.browser.odd_keys import ODD_OBJECTS
from tests.faults.http_proxy import HttpProxy, Op
from tests.faults.moments import Gate, hold

if TYPE_CHECKING:
    from playwright.sync_api import Page

SOURCE, SINK = "photos", "backup"
ODD_SOURCE, ODD_BUCKET = "archive", "odd-keys"
CONTAINER = "copied"
LIMIT_S = 60  # for hangs


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A fleet, its source behind a proxy, and profiles for both stores, as a user of the dashboard needs them."""

    place: Place
    s3: HttpProxy

    @property
    def url(self) -> str:
        """The dashboard's address."""
        return self.place.processes.web_url

    @property
    def sink(self) -> str:
        """The container that everything is copied to."""
        return f"az://{self.place.servers.sink.account}/{CONTAINER}"

    def prepare(self, odd_url: str) -> None:
        """Create the container, and profiles for the source, for one with odd keys, and for the sink."""
        self.place.blobs.create_container(CONTAINER)
        folder, source = Path(self.place.env["AWCOPY_PROFILES"]), self.place.servers.source
        keys = {"access_key": source.access_key, "secret_key": source.secret_key, "region": source.region}
        for name, url in ((SOURCE, self.s3.url), (ODD_SOURCE, odd_url)):
            write_profile(folder, name, {"kind": "source", "buckets": ["*"], "endpoint_url": url, **keys})
        sink = self.place.servers.sink.connection_string
        write_profile(folder, SINK, {"kind": "sink", "containers": [CONTAINER], "connection_string": sink})

    def fill(self, bucket: str, keys: Mapping[str, bytes]) -> None:
        """Create a bucket."""
        self.place.make_bucket(bucket, keys)

    def hold(self, bucket: str, number: int = 1) -> Gate:
        """Let reads of a bucket's objects wait from the nth on, until the gate is opened."""
        return hold(self.s3, Op.GET, number, lambda exchange: exchange.place == bucket, held_s=60.0)

    def submit(self, name: str, source: str, *, profile: str = SOURCE, **options: Any) -> str:
        """Submit a job that copies one object in each item, and return its id."""
        sink = f"{self.sink}/{secrets.token_hex(4)}"
        request = {
            "name": name, "source": source, "sink": sink, "source_profile": profile, "sink_profile": SINK,
            "recursive": True, "files_per_task": 1, **options,
        }  # fmt: skip
        job: dict[str, Any] = self._ask("jobs", request)
        return str(job["id"])

    def press(self, job_id: str, verb: str) -> None:
        """Pause, resume or cancel a job."""
        self._ask(f"jobs/{job_id}/{verb}", {})

    def add_schedule(self, schedule: Mapping[str, str]) -> str:
        """Add a schedule, and return its source as it is shown."""
        return str(self._ask("schedules", schedule)["source"])

    def remove_schedule(self, name: str) -> None:
        """Remove a schedule."""
        self._ask(f"schedules/{name}", {}, "DELETE")

    def look(self, job_id: str) -> dict[str, Any]:
        """Return a job as the API shows it."""
        return self.place.look(job_id)

    def wait(self, *job_ids: str) -> list[dict[str, Any]]:
        """Return jobs when they have ended."""
        deadline = time.monotonic() + LIMIT_S
        while any((job := self.look(one))["phase"] != "ended" for one in job_ids):
            assert time.monotonic() < deadline, job
            time.sleep(0.1)
        return [self.look(one) for one in job_ids]

    def _ask(self, path: str, body: Mapping[str, Any], method: str = "POST") -> Any:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(
            f"{self.url}api/v1/{path}", json.dumps(body).encode(), headers, method=method
        )
        with urllib.request.build_opener(_FromNextAddress()).open(request, timeout=LIMIT_S) as answer:
            return json.loads(answer.read() or "null")


@contextmanager
def open_stage(place: Place) -> Iterator[Stage]:
    """Put the proxy and the bucket of odd keys in front of a fleet, and take them away."""
    port = urlsplit(place.servers.source.endpoint_url).port
    assert port
    with HttpProxy(port, "s3") as s3, serve_any_keys(ODD_BUCKET, ODD_OBJECTS) as odd_url:
        stage = Stage(place=place, s3=s3)
        stage.prepare(odd_url)
        yield stage


class _FromNextAddress(urllib.request.HTTPHandler):
    """Asks from another of this machine's own addresses each time: one of them may submit 30 jobs a minute."""

    _numbers = itertools.cycle(range(2, 250))

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Return the answer."""
        address = (f"127.0.0.{next(self._numbers)}", 0)
        return self.do_open(http.client.HTTPConnection, req, source_address=address)


def add_schedule(page: Page, stage: Stage, name: str, source: str, every: str = "6h") -> None:
    """Add a schedule by the form of the page of all schedules."""
    typed = {
        "Name": name, "Source": source, "Destination": f"{stage.sink}/{name}", "Source profile": SOURCE,
        "Destination profile": SINK, "Or every": every,
    }  # fmt: skip
    for label, text in typed.items():
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name="Add the schedule").click()
