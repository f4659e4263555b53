"""What a job comes to, in at most 80 columns: its state, numbers that add up, and the next useful command."""

from __future__ import annotations

from datetime import UTC, datetime
from textwrap import fill
from typing import TYPE_CHECKING

from awcopy.cli.console import print_texts, safe_text
from awcopy.cli.help import Exit
from awcopy.model.job import JobState, active_seconds, say_state
from awcopy.model.outcome import PROOF_NAMES
from awcopy.units import format_count, format_duration, format_size, say_rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from awcopy.jobs.queries import JobSnapshot
    from awcopy.model.outcome import ProofCounts, RouteCounts, Tally, Totals

PAUSED_FOR_CREDENTIALS = "auth"
_STYLES = {
    JobState.COMPLETED: "green",
    JobState.COMPLETED_WITH_ERRORS: "yellow",
    JobState.FAILED: "red",
    JobState.PAUSED: "yellow",
    JobState.CANCELLED: "yellow",
}
_EXITS = {
    JobState.COMPLETED: Exit.OK,
    JobState.COMPLETED_WITH_ERRORS: Exit.SOME_FAILED,
    JobState.FAILED: Exit.ERROR,
    JobState.CANCELLED: Exit.CANCELLED,
}
_ROUTES = ("server", "stream")
_MOST_REASONS = 5
_COLUMNS = 80


def exit_code_of(snapshot: JobSnapshot) -> Exit:
    """Return what the shell is told of a job that ended, or that was followed until it was paused."""
    if snapshot.job.state is JobState.PAUSED and snapshot.job.pause_reason == PAUSED_FOR_CREDENTIALS:
        return Exit.CREDENTIALS
    if snapshot.job.guard and not snapshot.totals.failed.objects:
        return Exit.GUARDED
    return _EXITS.get(snapshot.job.state, Exit.OK)


def print_summary(snapshot: JobSnapshot, *, is_local: bool = False, now: datetime | None = None) -> None:
    """Print the summary on standard output."""
    print_texts(summary_lines(snapshot, is_local=is_local, now=now))


def summary_lines(
    snapshot: JobSnapshot, *, is_local: bool = False, now: datetime | None = None
) -> Iterator[Text]:
    """Yield the lines; a job on the fleet ends with the next useful command, a local one does not."""
    from rich.text import Text

    job = snapshot.job
    yield _headline(snapshot, now or datetime.now(UTC))
    if job.detail:
        yield Text(f"  {safe_text(job.detail)}")
    for word, end in (("from", job.spec.source), ("to  ", job.spec.sink)):
        profile = f" with profile {end.profile}" if end.profile else ""
        yield Text(f"  {word} {safe_text(str(end))}{profile}")
    yield Text()
    for line in _number_lines(snapshot):
        yield Text(line)
    yield from _failure_lines(snapshot.totals)
    if snapshot.waiting_items:
        yield Text("  waiting for S3 to restore archived objects; workers look again every few minutes")
    if proofs := _counts(snapshot.totals.proofs, PROOF_NAMES):
        yield Text(f"  {'proofs':<12}{proofs}")
    if snapshot.totals.routes.server or job.streams_because:
        yield Text(f"  {'routes':<12}{_counts(snapshot.totals.routes, _ROUTES)}")
    if job.streams_because:
        yield Text(f"  streamed after all: {safe_text(job.streams_because)}")
    if incomplete := snapshot.totals.incomplete:
        count = f"{format_count(incomplete)} {'object' if incomplete == 1 else 'objects'}"
        yield Text(f"  {'incomplete':<12}{count} without all metadata, headers or tags: see notices")
    if not is_local:
        yield Text()
        yield Text(f"Next: {next_command(snapshot)}")


def next_command(snapshot: JobSnapshot) -> str:
    """Return the command that a person most likely wants now."""
    job = snapshot.job
    has_own = not (job.spec.source.profile and job.spec.sink.profile)
    if job.state is JobState.PAUSED and job.pause_reason == PAUSED_FOR_CREDENTIALS and has_own:
        return f"awcopy jobs resume {job.id} --credentials"
    if job.state in (JobState.PAUSED, JobState.FAILED):
        return f"awcopy jobs resume {job.id}"
    if not job.has_ended:
        return f"awcopy jobs watch {job.id}"
    if snapshot.totals.failed.objects:
        return f"awcopy jobs report {job.id} --failed"
    if snapshot.totals.kept.objects:
        return f"awcopy jobs report {job.id} --kept"
    return f"awcopy jobs report {job.id}"


def _headline(snapshot: JobSnapshot, now: datetime) -> Text:
    from rich.text import Text

    job = snapshot.job
    word = "in" if job.has_ended else "after" if job.state is JobState.PAUSED else "for"
    elapsed = format_duration(active_seconds(job, now))
    return Text.assemble(
        f"Job {job.id} ({safe_text(job.name)}) ",
        (say_state(job.state), _STYLES.get(job.state, "bold")),
        f" {word} {elapsed}",
    )


def _number_lines(snapshot: JobSnapshot) -> Iterator[str]:
    totals = snapshot.totals
    note = "still listing" if snapshot.is_listing else ""
    yield _number_line("listed", totals.listed, note or format_size(totals.listed.size_bytes))
    for name in ("copied", "skipped", "failed", "cancelled"):
        yield _number_line(f"  {name}", getattr(totals, name))
    if totals.pending.objects:
        yield _number_line("  pending", totals.pending)
    if snapshot.job.spec.deletion:
        yield _number_line("deleted", totals.deleted, "at the source")
        yield _number_line("kept", totals.kept, "there")
    if snapshot.job.spec.pruning:
        yield _number_line("deleted", totals.deleted, "at the destination")
        yield _number_line("kept", totals.kept, "there")
        if totals.extra.objects:
            yield _number_line("extra", totals.extra, "there, which no object stands for")
        if totals.foreign.objects:
            yield _number_line("foreign", totals.foreign, "there, of other sources; left alone")
    if totals.excluded.objects:
        note = (
            "by the filters"
            if totals.listed.objects or snapshot.is_listing
            else "by the filters: all there is"
        )
        yield _number_line("excluded", totals.excluded, note)
    if snapshot.job.spec.bandwidth and not snapshot.job.has_ended:
        yield f"  {'bandwidth':<12}{say_rate(snapshot.job.spec.bandwidth)}"


def _failure_lines(totals: Totals) -> Iterator[Text]:
    """Yield why objects failed, most of them first, and what may help."""
    from rich.text import Text

    from awcopy.jobs.failures import HINTS

    counts = sorted(totals.failures.counts, key=lambda count: (-count.tally.objects, count.reason))
    label = "because of"
    for count in counts[:_MOST_REASONS]:
        hint = f": {HINTS[count.reason]}" if count.reason in HINTS else ""
        reason = f"{count.reason} {format_count(count.tally.objects)}{hint}"
        yield Text(fill(reason, _COLUMNS, initial_indent=f"  {label:<12}", subsequent_indent=" " * 16))
        label = ""


def _number_line(name: str, tally: Tally, note: str = "") -> str:
    objects = f"{format_count(tally.objects):>15} {'object ' if tally.objects == 1 else 'objects'}"
    size = f"{format_count(tally.size_bytes):>23} B"
    return f"  {name:<12}{objects}{size}  {note or format_size(tally.size_bytes)}".rstrip()


def _counts(counts: ProofCounts | RouteCounts, names: tuple[str, ...]) -> str:
    named = ((name, getattr(counts, name)) for name in names)
    return ", ".join(f"{name} {format_count(count)}" for name, count in named if count)
