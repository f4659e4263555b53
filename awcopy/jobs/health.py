"""Whether the parts of a fleet are there and fit together: one finding per part, each with its advice.

Looks only, but for one row and one document that are written and removed. Who asks, and how it is shown, is
the affair of the faces.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from awcopy.errors import AwcopyError, CredentialsError, ServiceUnreachable
from awcopy.jobs.queries import state_of
from awcopy.model.job import JobState, say_state
from awcopy.model.schedule import Fate
from awcopy.planning.occurrences import GRACE, find_due
from awcopy.vault.sealing import PRIVATE_FILE, PUBLIC_FILE, read_private_keys, read_public_key

if TYPE_CHECKING:
    from pathlib import Path

    from awcopy.jobs.fleet import Fleet
    from awcopy.ledger.base import Ledger
    from awcopy.live.base import Live
    from awcopy.model.schedule import Schedule

CHECK_LIMIT_S = 10.0
# What docs/reference/settings.md asks for; BLPOP takes fractions of a second since 6.0.
OLDEST_PROTOCOL = (6, 2)
# S3 refuses requests whose clock is 15 minutes off; shared access signatures begin that long ago.
WORST_SKEW_S = 900.0
NOTED_SKEW_S = 60.0
# The ledger's answers carry whole seconds.
LEAST_SKEW_S = 2.0


# What all parts share, in the order in which their findings are shown.
PARTS = ("redis", "ledger", "clock", "workers", "version", "beat", "schedules", "keys")


class State(StrEnum):
    """How a part is, from best to worst."""

    OK = "ok"
    WARN = "warn"  # works, and may not always
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found of one part."""

    part: str
    state: State
    says: str
    advice: str = ""
    exit_code: int = 0  # of the error that was met

    def to_json(self) -> dict[str, str | int]:
        """Return the finding as every interface prints it."""
        return {
            "part": self.part,
            "state": self.state.value,
            "says": self.says,
            "advice": self.advice,
            "exit_code": self.exit_code,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One look, and the worst that its error, or its silence, can mean."""

    part: str
    look: Callable[[], Finding]
    worst: State = State.FAIL


def fleet_checks(fleet: Fleet, own_version: str, keys: Path) -> list[Check]:
    """Return the checks of what all parts share, in the order in which their findings are shown."""
    return [
        Check(part="redis", look=partial(check_live, fleet.live)),
        Check(part="ledger", look=partial(check_ledger, fleet.ledger)),
        Check(part="clock", look=partial(check_clock, fleet.ledger)),
        Check(part="workers", look=partial(check_workers, fleet.live)),
        Check(part="version", look=partial(check_versions, fleet.live, own_version)),
        Check(part="beat", look=partial(check_beat, fleet.live)),
        Check(part="schedules", look=partial(check_schedules, fleet)),
        Check(part="keys", look=partial(check_keys, keys)),
    ]


def run_checks(checks: Sequence[Check], limit_s: float = CHECK_LIMIT_S) -> list[Finding]:
    """Return a finding for each check, in their order; all run at once, and none is waited for longer."""
    found: queue.SimpleQueue[tuple[int, Finding]] = queue.SimpleQueue()

    def run(place: int, check: Check) -> None:
        found.put((place, _look(check)))

    for place, check in enumerate(checks):
        threading.Thread(target=run, args=(place, check), name=f"check-{check.part}", daemon=True).start()
    findings: dict[int, Finding] = {}
    ends_at = time.monotonic() + limit_s
    while len(findings) < len(checks):
        try:
            place, finding = found.get(timeout=max(0.0, ends_at - time.monotonic()))
        except queue.Empty:
            break
        findings[place] = finding
    return _say_once([findings.get(place) or _silent(check, limit_s) for place, check in enumerate(checks)])


def check_live(live: Live) -> Finding:
    """Return whether Redis answers, is new enough, and keeps what it is given."""
    facts = live.describe()
    if facts.protocol and facts.protocol < OLDEST_PROTOCOL:
        needed = ".".join(map(str, OLDEST_PROTOCOL))
        return _fail("redis", f"{facts.server} is too old", f"install {needed} or newer", ServiceUnreachable)
    kept = {"none": "keeps nothing over a restart", "": "does not say what it keeps"}
    says = f"{facts.server}, {kept.get(facts.persistence, f'keeps its data ({facts.persistence})')}"
    if facts.eviction not in {"", "noeviction"}:
        advice = "set maxmemory-policy noeviction: messages that vanish cost time until they are sent again"
        return Finding(
            part="redis", state=State.WARN, says=f"{says}, evicts ({facts.eviction})", advice=advice
        )
    advice = "jobs survive its loss, and wait a minute; set appendonly yes to avoid that"
    return Finding(
        part="redis", state=State.OK, says=says, advice=advice if facts.persistence == "none" else ""
    )


def check_ledger(ledger: Ledger) -> Finding:
    """Return whether rows and documents can be written."""
    ledger.check_writable()
    return Finding(part="ledger", state=State.OK, says="rows and documents can be written")


def check_clock(ledger: Ledger) -> Finding:
    """Return how far this machine's clock is from the ledger's."""
    ahead_s = (datetime.now(UTC) - ledger.now()).total_seconds()
    says = f"{abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} the ledger's"
    advice = "set the clock by NTP: stores refuse what is signed at another time"
    if abs(ahead_s) >= WORST_SKEW_S:
        return _fail("clock", says, advice, AwcopyError)
    if abs(ahead_s) >= NOTED_SKEW_S:
        return Finding(part="clock", state=State.WARN, says=says, advice=advice)
    if abs(ahead_s) < LEAST_SKEW_S:
        says = "agrees with the ledger's"
    return Finding(part="clock", state=State.OK, says=says)


def check_workers(live: Live) -> Finding:
    """Return how many worker processes are there, with how many slots."""
    workers = live.workers()
    waiting = live.waiting_messages()
    waits = f"; {waiting} messages wait in the queue" if waiting else ""
    if not workers:
        advice = "start one with `awcopy worker`, with the same AWCOPY_REDIS_URL and AWCOPY_NAMESPACE"
        return _fail("workers", f"none is running{waits}", advice, ServiceUnreachable)
    slots = sum(worker.slots for worker in workers)
    plural = "es" if len(workers) > 1 else ""
    says = f"{len(workers)} process{plural} with {slots} slots{waits}"
    return Finding(part="workers", state=State.OK, says=says)


def check_versions(live: Live, own: str) -> Finding:
    """Return whether every process that is there runs this version of awcopy."""
    others = sorted({process.version or "unknown" for process in live.processes()} - {own})
    if not others:
        return Finding(part="version", state=State.OK, says=own)
    says = f"{own} here, {', '.join(others)} elsewhere"
    return Finding(
        part="version", state=State.WARN, says=says, advice="install one version of awcopy everywhere"
    )


def check_beat(live: Live) -> Finding:
    """Return whether beat is there."""
    if any(not process.slots for process in live.processes()):
        return Finding(part="beat", state=State.OK, says="is running")
    advice = "start one with `awcopy beat`, so that what breaks is mended also while every worker is busy"
    return Finding(part="beat", state=State.WARN, says="is not running", advice=advice)


def check_schedules(fleet: Fleet) -> Finding:
    """Return whether schedules are fired, and whether the latest occurrence of each came to its job."""
    schedules = [one for one in fleet.ledger.list_schedules() if not one.is_paused]
    now = fleet.ledger.now()
    overdue = [one.name for one in schedules if find_due(one, now - GRACE).up_to]
    if overdue:
        advice = "start `awcopy beat` or a worker, with the same AWCOPY_LEDGER and AWCOPY_NAMESPACE"
        says = f"nothing fires {', '.join(overdue)}, which was due"
        return _fail("schedules", says, advice, ServiceUnreachable)
    troubled = [f"{one.name} ({trouble})" for one in schedules if (trouble := _trouble_of(fleet, one))]
    if troubled:
        return Finding(
            part="schedules",
            state=State.WARN,
            says=f"not all ran as planned: {', '.join(troubled)}",
            advice="`awcopy schedule history NAME` says what happened, and why",
        )
    return Finding(part="schedules", state=State.OK, says=f"{len(schedules)} active")


def _trouble_of(fleet: Fleet, schedule: Schedule) -> str:
    """Return what became of the latest occurrence, if that is not well."""
    for latest in fleet.ledger.list_occurrences(schedule.name, limit=1):
        if latest.fate in (Fate.MISSED, Fate.SKIPPED):
            return latest.fate.value
        state = state_of(fleet, latest.job_id) if latest.job_id else ""
        if state in (JobState.FAILED, JobState.COMPLETED_WITH_ERRORS, JobState.PAUSED):
            return say_state(JobState(state))
    return ""


def check_keys(folder: Path) -> Finding:
    """Return what this machine's keys of the fleet are good for."""
    place = folder.expanduser()
    has_public, has_private = (place / PUBLIC_FILE).exists(), (place / PRIVATE_FILE).exists()
    if not has_public and not has_private:
        advice = "run `awcopy keys init` on a worker's host, and copy fleet.pub here"
        says = f"{folder} holds none, so that jobs from here carry no credentials"
        return Finding(part="keys", state=State.WARN, says=says, advice=advice)
    if not has_private:
        read_public_key(place)
        return Finding(
            part="keys", state=State.OK, says="can seal credentials; only workers need to open them"
        )
    privates = read_private_keys(place)
    if not has_public:
        says = "can open credentials; none can be sealed here"
        return Finding(part="keys", state=State.OK, says=says)
    if privates[0].public_key().public_bytes_raw() != read_public_key(place).public_bytes_raw():
        advice = (
            f"run `awcopy keys public` on the host whose {PRIVATE_FILE} is right, and put it into fleet.pub"
        )
        return _fail("keys", f"{PUBLIC_FILE} does not belong to {PRIVATE_FILE}", advice, CredentialsError)
    return Finding(part="keys", state=State.OK, says="can seal and open credentials")


def _look(check: Check) -> Finding:
    try:
        return check.look()
    except AwcopyError as error:
        return _failed(check, error.message, error.hint, error.exit_code)
    except Exception as error:  # noqa: BLE001 - the other checks' findings are wanted all the same
        return _failed(check, f"unexpected {type(error).__name__}", "please report it", AwcopyError.exit_code)


def _failed(check: Check, says: str, advice: str, exit_code: int) -> Finding:
    return Finding(part=check.part, state=check.worst, says=says, advice=advice, exit_code=exit_code)


def _say_once(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings; those that repeat an earlier one's words point to it instead."""
    first: dict[tuple[State, str], Finding] = {}
    said = []
    for finding in findings:
        same = first.setdefault((finding.state, finding.says), finding)
        repeats = same is not finding and finding.state is not State.OK
        says = f"not known, for the reason given for {same.part}"
        said.append(replace(finding, says=says, advice="") if repeats else finding)
    return said


def _silent(check: Check, limit_s: float) -> Finding:
    advice = "check the network, and what lies between (proxies, firewalls)"
    return _failed(check, f"no answer within {limit_s:.0f} s", advice, ServiceUnreachable.exit_code)


def _fail(part: str, says: str, advice: str, kind: type[AwcopyError]) -> Finding:
    return Finding(part=part, state=State.FAIL, says=says, advice=advice, exit_code=kind.exit_code)
