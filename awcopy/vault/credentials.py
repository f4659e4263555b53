"""What one job may use to reach its stores; how it is kept secret is the affair of ``sealing``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from awcopy.config import AwsKeys, AzureKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCredentials:
    """Credentials given with a job; a side that is None uses what the worker has of its own."""

    aws: AwsKeys | None = None
    azure: AzureKeys | None = None

    def __bool__(self) -> bool:
        """Return whether there is anything to seal."""
        return bool(self.aws or self.azure)
