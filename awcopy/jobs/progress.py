"""How far a job is, and how long it may still take: the same for the command line and the dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from awcopy.jobs.queries import JobSnapshot


def bytes_done(snapshot: JobSnapshot) -> int:
    """Return the bytes dealt with, those of files under way included; never more than were listed."""
    totals = snapshot.totals
    untouched = totals.ended.size_bytes - totals.copied.size_bytes - totals.cancelled.size_bytes
    moved = max(totals.copied.size_bytes, snapshot.moved_bytes or 0)
    return min(totals.listed.size_bytes, untouched + moved)


def time_left_s(snapshot: JobSnapshot, rate_bytes_per_s: float) -> float | None:
    """Return in how many seconds all bytes will be dealt with at this rate.

    None while that cannot be said: more may be listed yet, no byte moves, or no byte is left.
    """
    totals = snapshot.totals
    left = totals.listed.size_bytes - bytes_done(snapshot) - totals.cancelled.size_bytes
    if snapshot.is_listing or snapshot.job.has_ended or rate_bytes_per_s <= 0 or left <= 0:
        return None
    return left / rate_bytes_per_s
