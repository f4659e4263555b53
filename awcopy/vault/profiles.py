"""Profiles: credentials by name that lie on the workers, each with what it may be used for.

A job names a profile and holds none of it. Whoever can submit a job can use a profile for the buckets or containers
that it lists, at its own endpoint, and for nothing else. Its file is the affair of ``profile_files``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from awcopy.config import AwsLogin, AzureIdentity, AzureKeys, Secret
from awcopy.errors import UsageError
from awcopy.model.spec import SinkSpec, SourceSpec

# A job's specification names a profile, so that no name may lead out of the folder.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceProfile:
    """Credentials of a source."""

    name: str
    login: AwsLogin
    buckets: tuple[str, ...]  # globs
    region: str = ""
    endpoint_url: str = ""  # the only one that it is used at; empty: AWS's own
    allow_delete: bool = False

    def admit(self, spec: SourceSpec, *, deletes: bool = False) -> SourceSpec:
        """Return the source as it is opened with this profile: at its endpoint.

        Raises:
            UsageError: The profile does not allow the bucket, or to delete in it, or is for another endpoint.
        """
        _require_listed(self.name, "bucket", spec.bucket, self.buckets)
        if deletes and not self.allow_delete:
            raise UsageError(
                f"profile {self.name!r} does not allow jobs to delete objects",
                hint="who runs the workers can change that: awcopy profile add --allow-delete",
            )
        endpoint_url = _choose_endpoint(self.name, spec.endpoint_url, self.endpoint_url, "AWS's own")
        return replace(spec, endpoint_url=endpoint_url, region=spec.region or self.region)


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkProfile:
    """Credentials of a sink."""

    name: str
    access: AzureKeys | AzureIdentity
    account: str
    containers: tuple[str, ...]  # globs
    endpoint_url: str = ""  # the account's blob endpoint; empty: Azure's public cloud
    allow_delete: bool = False

    def admit(self, spec: SinkSpec, *, deletes: bool = False) -> SinkSpec:
        """Return the sink as it is opened with this profile: at its endpoint.

        Raises:
            UsageError: The profile does not allow the container, or is for another account or endpoint.
        """
        if spec.account != self.account:
            raise UsageError(
                f"profile {self.name!r} is for the account {self.account}, not {spec.account}",
                hint="name another profile with --sink-profile",
            )
        _require_listed(self.name, "container", spec.container, self.containers)
        if deletes and not self.allow_delete:
            raise UsageError(
                f"profile {self.name!r} does not allow jobs to delete",
                hint="leave out --delete, or add the profile with --allow-delete on the workers",
            )
        endpoint_url = _choose_endpoint(
            self.name, spec.endpoint_url, self.endpoint_url, "Azure's public cloud"
        )
        return replace(spec, endpoint_url=endpoint_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookProfile:
    """A program that is told how jobs ended."""

    name: str
    url: Secret  # many receivers know whom they let in by the URL alone
    signing_key: Secret  # empty: messages are not signed


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailProfile:
    """People who are told how jobs ended."""

    name: str
    receivers: tuple[str, ...]
    smtp_url: Secret
    sender: str


StoreProfile = SourceProfile | SinkProfile
ReceiverProfile = WebhookProfile | EmailProfile
Profile = StoreProfile | ReceiverProfile


def check_profile_name(name: str) -> str:
    """Return the name if a profile can have it.

    Raises:
        UsageError: It cannot.
    """
    if not _NAME.fullmatch(name):
        hint = "names are up to 64 letters, digits, dots, hyphens and underscores"
        raise UsageError(f"no profile can be called {name!r}", hint=hint)
    return name


def _require_listed(name: str, what: str, asked: str, allowed: tuple[str, ...]) -> None:
    if not any(fnmatchcase(asked, glob) for glob in allowed):
        raise UsageError(
            f"profile {name!r} does not allow the {what} {asked}",
            hint=f"it allows {', '.join(allowed)}; who runs the workers can change that",
        )


def _choose_endpoint(name: str, asked: str, own: str, default: str) -> str:
    """Return the endpoint; credentials of one service are never shown to another."""
    if asked and asked.rstrip("/") != own:
        raise UsageError(
            f"profile {name!r} is for {own or default}, not for {asked.rstrip('/')}",
            hint="leave the endpoint out, or name another profile",
        )
    return own
