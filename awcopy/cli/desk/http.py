"""The desk of whoever reaches the fleet through a dashboard's HTTP API, and has neither its ledger nor its Redis."""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from awcopy.cli.desk.api import AnswerLost, Api
from awcopy.cli.request_values import request_values
from awcopy.errors import AwcopyError, CredentialsError, ServiceUnreachable, StillSubmitting, UsageError
from awcopy.jobs.health import PARTS, Check, Finding, State
from awcopy.jobs.queries import JobSnapshot, choose_job, read_snapshot
from awcopy.jobs.report import read_report_record
from awcopy.jobs.search import EVERY_JOB
from awcopy.model.job import JobId, is_job_prefix, new_job_id
from awcopy.model.token import Role
from awcopy.vault.sealing import decode_public_key, has_public_key, read_public_key, seal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    from awcopy.cli.desk.base import Record
    from awcopy.config import Settings
    from awcopy.jobs.schedule_control import ScheduleRequest
    from awcopy.jobs.search import JobFilter
    from awcopy.jobs.submit import JobRequest
    from awcopy.model.job import Job
    from awcopy.model.outcome import Outcome
    from awcopy.model.spec import JobSpec
    from awcopy.vault.credentials import JobCredentials

PAGE = 200  # jobs
MOST_OCCURRENCES = 1_000
# A request for a job whose answer is lost is sent again; one that was cut off keeps its key busy for a minute.
SUBMIT_FOR_S = 90.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 5.0
_SOON = timedelta(days=7)
_NEXT = re.compile(r'[?&]after=(\d{1,12})[^>]*>; rel="next"', re.ASCII)


class HttpDesk:
    """Asks the API. Credentials are sealed here, so that neither the dashboard nor what stands before it sees any."""

    def __init__(
        self,
        settings: Settings,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._sleep, self._clock = settings, sleep, clock
        self._api = Api(settings, sleep=sleep)
        self._lock = threading.Lock()
        self._system: list[Finding] | AwcopyError | None = None

    def public_key(self) -> X25519PublicKey:
        """Return the key to seal with: the one that was brought here by hand, else the dashboard's word for it."""
        if has_public_key(self._settings.keys):
            return read_public_key(self._settings.keys)
        with _reading():
            return decode_public_key(self._api.get("/keys/public")["public_key"])

    def admit(self, request: JobRequest) -> None:
        """Return when the job could be submitted now."""
        me, needed = self._api.get("/me"), Role.ADMIN if request.spec.deletes else Role.OPERATOR
        with _reading():
            role = Role(me["role"])
        if not role.may(needed):
            raise CredentialsError(
                f"this takes the role {needed.value}, and this token has {role.value}",
                hint="ask whoever runs awcopy for a token with that role",
            )
        if request.credentials:
            self.public_key()

    def submit(self, request: JobRequest) -> JobSnapshot:
        """Write the job down, have it taken up, and return it."""
        body: dict[str, Any] = request_values(request.spec, request.name)
        if request.credentials:
            # The id is made of the fleet's time: the clock of this machine may be wrong.
            with _reading():
                job_id = new_job_id(datetime.fromisoformat(self._api.get("/me")["now"]))
            body |= {"id": job_id, "sealed": seal(request.credentials, job_id, self.public_key())}
        return _snapshot(self._submit_once(body, secrets.token_urlsafe(24)))

    def resolve_since(self, spec: JobSpec) -> JobSpec:
        """Return the specification with the date since which it looks at objects."""
        with _reading():
            since = self._api.post("/since", request_values(spec, "default"))["since"]
            moment = datetime.fromisoformat(since) if since else None
        return spec.since(moment)

    def count_workers(self) -> int:
        """Return how many worker processes are there."""
        with _reading():
            return int(self._api.get("/health")["workers"])

    def find(self, text: str) -> JobSnapshot:
        """Return the one job that the text means."""
        return choose_job(text, self._look_up)

    def look(self, job_id: JobId) -> JobSnapshot:
        """Return the job as it is now, or was within the last second."""
        return _snapshot(self._api.get(f"/jobs/{job_id}", record="true"))

    def list_jobs(self, limit: int | None = None, wanted: JobFilter = EVERY_JOB) -> Iterator[JobSnapshot]:
        """Yield the newest jobs that are wanted, or all of them."""
        chosen = {"state": sorted(wanted.states) or None, "text": wanted.text or None}
        after: JobId | None = None
        while limit is None or limit > 0:
            size = PAGE if limit is None else min(limit, PAGE)
            page = self._api.get("/jobs", limit=size, after=after, record="true", **chosen)
            with _reading():
                found, after = page["jobs"], page["next"]
            yield from map(_snapshot, found)
            if after is None:
                return
            limit = None if limit is None else limit - len(found)

    def read_report(self, job_id: JobId) -> Iterator[Outcome]:
        """Return the outcome of every object that has one."""
        first = self._report_page(job_id, 0)  # now, so that a job that is not there is told at once

        def outcomes() -> Iterator[Outcome]:
            page, after = first
            yield from page
            while after:
                page, after = self._report_page(job_id, after)
                yield from page

        return outcomes()

    def pause(self, job_id: JobId) -> None:
        """Pause a job."""
        self._api.post(f"/jobs/{job_id}/pause")

    def resume(self, job: Job, credentials: JobCredentials) -> None:
        """Go on with a job."""
        self._api.post(f"/jobs/{job.id}/resume", self._sealed(credentials, job.id))

    def retry(self, job: Job, credentials: JobCredentials, reason: str = "") -> int:
        """Try again what failed, and return how many objects that is."""
        body = {"reason": reason, **self._sealed(credentials, job.id)}
        with _reading():
            return int(self._api.post(f"/jobs/{job.id}/retry", body)["retried_objects"])

    def cancel(self, job_id: JobId) -> None:
        """Cancel a job."""
        self._api.post(f"/jobs/{job_id}/cancel")

    def change_agents(self, job_id: JobId, agents: int) -> None:
        """Change how many items of a job run at once."""
        self._api.post(f"/jobs/{job_id}/agents", {"agents": agents})

    def change_bandwidth(self, job_id: JobId, bandwidth: int) -> None:
        """Change how many bytes of a job go a second; 0 for no limit."""
        self._api.post(f"/jobs/{job_id}/bandwidth", {"bandwidth": bandwidth})

    def remove(self, job_id: JobId) -> None:
        """Remove an ended job."""
        self._api.delete(f"/jobs/{job_id}")

    def clean(self, older_than: datetime) -> Iterator[JobId]:
        """Remove the jobs that ended before a moment, and yield their ids."""
        while True:
            removed = self._api.post("/removals", {"older_than": older_than.isoformat()})
            with _reading():
                jobs, has_more = removed["jobs"], removed["more"]
            yield from map(JobId, jobs)
            if not has_more:
                return

    def add_schedule(self, request: ScheduleRequest) -> Record:
        """Add a schedule, and return it."""
        values = request_values(request.spec, "default")
        values.pop("command", None)  # a schedule always syncs
        own = {
            "name": request.name,
            "cron": request.cron,
            "zone": request.zone,
            "every": f"{request.every_s}s" if request.every_s else "",
            "catch_up": request.catch_up.value,
            "overlap": request.overlap.value,
        }
        return self._api.post("/schedules", {**values, **own})

    def list_schedules(self) -> list[Record]:
        """Return all schedules by name."""
        with _reading():
            return list(self._api.get("/schedules")["schedules"])

    def show_schedule(self, name: str) -> Record:
        """Return the schedule of this name."""
        return self._api.get(_schedule(name))

    def list_occurrences(self, name: str, limit: int) -> list[Record]:
        """Return what became of the latest times at which a schedule was due."""
        if limit > MOST_OCCURRENCES:
            raise UsageError(
                f"the API shows the latest {MOST_OCCURRENCES} times", hint=f"--limit {MOST_OCCURRENCES}"
            )
        with _reading():
            return list(self._api.get(f"{_schedule(name)}/history", limit=limit)["occurrences"])

    def run_schedule(self, name: str) -> Record:
        """Run a schedule's job now, and return what became of that."""
        with _reading():
            occurrence: Record = self._api.post(f"{_schedule(name)}/run")["occurrence"]
        return occurrence

    def pause_schedule(self, name: str) -> None:
        """Let no occurrence run until the schedule is resumed."""
        self._api.post(f"{_schedule(name)}/pause")

    def resume_schedule(self, name: str) -> None:
        """Go on from the next occurrence."""
        self._api.post(f"{_schedule(name)}/resume")

    def remove_schedule(self, name: str) -> None:
        """Remove a schedule and its history."""
        self._api.delete(_schedule(name))

    def checks(self, version: str) -> list[Check]:
        """Return the check of the API, and what the dashboard finds of all other parts."""
        api = Check(part="api", look=partial(self._check_api, version))
        return [api, *(Check(part=part, look=partial(self._finding_of, part)) for part in PARTS)]

    def close(self) -> None:
        """Give up idle connections."""
        self._api.close()

    def _submit_once(self, body: dict[str, Any], key: str) -> dict[str, Any]:
        """Send a request until it is answered; by its key, the fleet tells that it is the same."""
        ends_at, wait_s = self._clock() + SUBMIT_FOR_S, _FIRST_WAIT_S
        while True:
            try:
                return self._api.post("/jobs", body, key=key, record="true")
            except (ServiceUnreachable, StillSubmitting) as error:
                is_sent = isinstance(error, AnswerLost | StillSubmitting)
                if is_sent and self._clock() + wait_s < ends_at:
                    self._sleep(wait_s)
                    wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                    continue
                if not is_sent:
                    raise
                raise ServiceUnreachable(
                    f"whether the job was submitted is not known: {error.message}",
                    hint="`awcopy jobs list` shows it, if it was",
                ) from error

    def _look_up(self, prefix: str, limit: int) -> list[JobSnapshot]:
        if prefix and not is_job_prefix(prefix):
            return []
        page = self._api.get("/jobs", limit=limit, id=prefix or None, record="true")
        with _reading():
            return [_snapshot(one) for one in page["jobs"]]

    def _report_page(self, job_id: JobId, after: int) -> tuple[list[Outcome], int]:
        answer = self._api.ask("GET", f"/jobs/{job_id}/report", query={"after": after})
        following = _NEXT.search(answer.headers.get("link", ""))
        with _reading():
            lines = map(json.loads, answer.body.splitlines())
            return [read_report_record(line) for line in lines], int(following[1]) if following else 0

    def _sealed(self, credentials: JobCredentials, job_id: JobId) -> dict[str, str]:
        return {"sealed": seal(credentials, job_id, self.public_key())} if credentials else {}

    def _check_api(self, version: str) -> Finding:
        me, health = self._api.get("/me"), self._api.get("/health")
        with _reading():
            theirs, who = (
                health["version"],
                f"as {me['name']}, {me['role']}" if me["name"] else "without a token",
            )
            ends_at = datetime.fromisoformat(me["expires_at"]) if me["expires_at"] else None
            now = datetime.fromisoformat(me["now"])
        says = f"{self._api.url} answers, awcopy {theirs}, {who}"
        if ends_at and ends_at - now < _SOON:
            says = f"{says}, whose token expires at {ends_at:%Y-%m-%d %H:%M} UTC"
            return Finding(
                part="api", state=State.WARN, says=says, advice="ask whoever runs awcopy for a new token"
            )
        if theirs != version:
            advice = "install one version of awcopy everywhere"
            return Finding(part="api", state=State.WARN, says=f"{says}; {version} here", advice=advice)
        return Finding(part="api", state=State.OK, says=says)

    def _finding_of(self, part: str) -> Finding:
        with self._lock:  # the checks run at once, and one request answers them all
            if self._system is None:
                self._system = self._look_around()
            found = self._system
        if isinstance(found, AwcopyError):
            raise found
        unknown = Finding(part=part, state=State.WARN, says="the dashboard says nothing of it")
        return next((one for one in found if one.part == part), unknown)

    def _look_around(self) -> list[Finding] | AwcopyError:
        try:
            findings = self._api.get("/system")["findings"]
            with _reading():
                return [
                    Finding(
                        part=one["part"],
                        state=State(one["state"]),
                        says=one["says"],
                        advice=one["advice"],
                        exit_code=one["exit_code"],
                    )
                    for one in findings
                ]
        except AwcopyError as error:
            return error


def _snapshot(found: dict[str, Any]) -> JobSnapshot:
    with _reading():
        return read_snapshot(found["record"])


def _schedule(name: str) -> str:
    return f"/schedules/{quote(name, safe='')}"


@contextmanager
def _reading() -> Iterator[None]:
    """Say of an answer that lacks something what that means."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AwcopyError(
            "the dashboard's answer cannot be read by this version of awcopy",
            hint="install one version of awcopy everywhere; `awcopy doctor` shows both",
        ) from error
