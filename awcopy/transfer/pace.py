"""How fast a job's bytes may go, over all workers: each block or object waits for its turn, and then goes at once.

A turn is so many bytes of the job's time: who comes next may begin when those before, at the job's rate, would have
gone. Turns are shared out through the live state. Without it, each process keeps to the rate by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from awcopy.errors import ServiceUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from awcopy.live.base import Live
    from awcopy.model.job import JobId

NAP_S = 0.5  # how soon somebody who waits notices that the work is no longer wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The pace of one item's transfers.

    Args:
        job_id: Whose bytes they are.
        rate: Returns the bytes per second that the job may have now; 0 for any number.
        live: Shares the job's turns with all processes.
        own: Stands for it while it does not answer.
        check: Raises when the work is no longer wanted.
        sleep: Waits for so many seconds.
    """

    job_id: JobId
    rate: Callable[[], int]
    live: Live
    own: Live
    check: Callable[[], None]
    sleep: Callable[[float], None]

    def wait(self, size_bytes: int) -> None:
        """Return when so many bytes may go; another rate counts at once, also for those who wait.

        Raises:
            JobInterrupted: The work is no longer wanted.
            LeaseLost: The work is no longer ours.
        """
        while rate := self.rate():
            left_s = self._take(size_bytes, rate)
            try:
                while left_s > 0 and self.rate() == rate:
                    self.check()
                    self.sleep(min(left_s, NAP_S))
                    left_s -= NAP_S
            except BaseException:
                self._take(-size_bytes, rate)
                raise
            if left_s <= 0:
                return
            self._take(-size_bytes, rate)

    def _take(self, size_bytes: int, rate: int) -> float:
        try:
            return self.live.book_bytes(self.job_id, size_bytes, rate)
        except ServiceUnreachable:
            return self.own.book_bytes(self.job_id, size_bytes, rate)
