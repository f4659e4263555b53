"""What one job may use to reach its stores; how it is kept secret is the affair of ``sealing``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from awcopy.config import AwsKeys, AzureKeys, CustomerKey


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCredentials:
    """Credentials given with a job; a side that is None uses what the worker has of its own."""

    aws: AwsKeys | None = None
    azure: AzureKeys | None = None
    source_key: CustomerKey | None = None  # that the objects are encrypted with
    sink_key: CustomerKey | None = None  # that the blobs are to be encrypted with

    def __bool__(self) -> bool:
        """Return whether there is anything to seal."""
        return bool(self.aws or self.azure or self.source_key or self.sink_key)
