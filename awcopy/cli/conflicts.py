"""``--overwrite prompt``: the question about blobs that are there already, asked once, before the job starts."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from awcopy.cli.console import print_note
from awcopy.errors import UsageError
from awcopy.model.spec import Approval, Overwrite
from awcopy.units import format_count, format_size

if TYPE_CHECKING:
    from awcopy.bootstrap import Stores
    from awcopy.jobs.dry_run import Plan
    from awcopy.model.objects import BlobHead
    from awcopy.model.spec import JobSpec

SHOWN = 20
MOST_NAMED = 1000  # blobs that a job's specification can name one by one
_ANSWERS = ("all", "none", "choose")
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


class Conflicts:
    """The blobs that would be replaced: the first of them, how many there are, and when the last was written."""

    def __init__(self) -> None:
        self.first: list[tuple[Plan, BlobHead]] = []
        self.count = 0
        self.last_written: datetime | None = None

    def add(self, plan: Plan, blob: BlobHead) -> None:
        """Count one."""
        self.count += 1
        if self.count <= MOST_NAMED:
            self.first.append((plan, blob))
        self.last_written = max(self.last_written or blob.modified_at, blob.modified_at)

    def approve_all(self) -> Approval:
        """Return the approval of all of them and of no blob that was written since."""
        if self.count > MOST_NAMED:
            return Approval(until=self.last_written)
        return Approval(etags=tuple(blob.etag for _, blob in self.first))

    def approve(self, numbers: set[int]) -> Approval:
        """Return the approval of those with these numbers, from 1."""
        return Approval(etags=tuple(self.first[number - 1][1].etag for number in sorted(numbers)))


def require_someone_to_choose(overwrite: Overwrite) -> None:
    """Raise ``UsageError`` where there is a question to be asked and nobody to ask."""
    if overwrite is Overwrite.PROMPT and not sys.stdin.isatty():
        raise UsageError(
            "--overwrite prompt asks which blobs to replace, and there is no terminal to ask at",
            hint="write --overwrite changed, newer, never or always instead",
        )


def settle_conflicts(spec: JobSpec, stores: Stores | None, *, connections: int) -> JobSpec:
    """Return the specification with the answer in it; nothing is asked where nothing would be replaced.

    Args:
        spec: The job's.
        stores: Both sides; None where this process has no credentials for one of them.
        connections: Requests at once.

    Raises:
        UsageError: Nobody can look at both sides from here, or the answer makes no sense.
    """
    if spec.overwrite is not Overwrite.PROMPT:
        return spec
    if stores is None:
        raise UsageError(
            "--overwrite prompt looks at both stores from here, and there are no credentials for both",
            hint="give them, or write --overwrite changed, newer, never or always",
        )
    conflicts = find_conflicts(spec, stores, connections=connections)
    return replace(spec, approval=_ask(conflicts)) if conflicts.count else spec


def find_conflicts(spec: JobSpec, stores: Stores, *, connections: int) -> Conflicts:
    """Return the blobs that a copy would replace: those that are not copies of their objects as they are now."""
    from awcopy.jobs.dry_run import plan_copy
    from awcopy.jobs.submit import look

    conflicts = Conflicts()
    would = replace(spec, overwrite=Overwrite.CHANGED)
    for plan in plan_copy(
        would, stores.source, stores.sink, look, connections=connections, now=datetime.now(UTC)
    ):
        if plan and plan.replaces:
            conflicts.add(plan, plan.replaces)
    return conflicts


def _ask(conflicts: Conflicts) -> Approval:
    are = "blob is" if conflicts.count == 1 else "blobs are"
    print_note(f"awcopy: {format_count(conflicts.count)} {are} there already and differ from their objects:")
    _show(conflicts, SHOWN)
    answer = click.prompt("Replace them?", type=click.Choice(_ANSWERS), default="none", err=True)
    if answer == "all":
        return conflicts.approve_all()
    return Approval() if answer == "none" else _choose(conflicts)


def _choose(conflicts: Conflicts) -> Approval:
    if conflicts.count > MOST_NAMED:
        raise UsageError(
            f"no more than {format_count(MOST_NAMED)} blobs can be chosen from one by one; nothing was started",
            hint="narrow it down with --include or SRC's prefix, or answer all or none",
        )
    if conflicts.count > SHOWN:
        _show(conflicts, conflicts.count)
    text = click.prompt("Which ones? Numbers, like 1,3-5", err=True)
    return conflicts.approve(read_numbers(str(text), conflicts.count))


def read_numbers(text: str, most: int) -> set[int]:
    """Return the numbers that a text like ``1,3-5`` names.

    Raises:
        UsageError: It is no such text, or names one that is not there.
    """
    numbers: set[int] = set()
    for part in text.replace(" ", "").split(","):
        found = _RANGE.fullmatch(part)
        begin, end = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= begin <= end <= most:
            raise UsageError(
                f"{part!r} is none of 1 to {most}; nothing was started", hint="write them like 1,3-5"
            )
        numbers.update(range(begin, end + 1))
    return numbers


def _show(conflicts: Conflicts, most: int) -> None:
    for number, (plan, blob) in enumerate(conflicts.first[:most], start=1):
        written = f"{blob.modified_at.astimezone(UTC):%Y-%m-%d %H:%M}"
        there, here = format_size(blob.size_bytes), format_size(plan.object.size_bytes)
        print_note(f"  {number:>4}  {blob.name}  {there} of {written} UTC, by {here}")
    if rest := conflicts.count - min(most, len(conflicts.first)):
        print_note(f"        and {format_count(rest)} more")
