"""``awcopy doctor``: is everything there that a copy needs, and what to do where it is not."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from awcopy import __version__
from awcopy.cli.credentials import AWS_VARIABLES, AZURE_VARIABLES, check_aws_keys, check_azure_keys
from awcopy.cli.findings import print_findings
from awcopy.cli.help import Exit, helpful
from awcopy.cli.setup import begin, name_file, open_desk
from awcopy.cli.values import output_option
from awcopy.config import (
    Secret,
    load_settings_with_origins,
    load_source_defaults,
    load_store_defaults,
    suggest_variable,
)
from awcopy.config.files import is_open_to_others
from awcopy.errors import AwcopyError, CredentialsError
from awcopy.jobs import health
from awcopy.jobs.health import Check, Finding, State
from awcopy.units import GIB, format_size

if TYPE_CHECKING:
    from awcopy.config import LoadedSettings, Settings

_LEAST_DISK_BYTES = GIB
_CODES = (Exit.OK, Exit.ERROR, Exit.USAGE, Exit.CREDENTIALS, Exit.UNREACHABLE, Exit.INTERRUPTED)


@click.command(cls=helpful("awcopy doctor", "awcopy doctor -o json | jq .state", exit_codes=_CODES))
@output_option("table", "json")
def doctor(output: str) -> int:
    """Look at every part that a copy needs, all at once, and say what is missing.

    Looks at the settings, Redis, the ledger, the workers and beat, the fleet's keys, the clock, this shell's
    credentials and the disk. One row and one document are written to the ledger, and removed again.

    The exit code is 0 with warnings too; else it is that of the first part that fails.
    """
    return print_findings("awcopy.doctor/1", health.run_checks(make_checks()), output)


def make_checks() -> list[Check]:
    """Return the checks, in the order in which their findings are shown."""
    here = [
        Check(part="aws", look=_check_aws, worst=State.WARN),
        Check(part="azure", look=_check_azure, worst=State.WARN),
        Check(part="disk", look=_check_disk, worst=State.WARN),
    ]
    try:
        settings = begin(warns=False)
        desk = open_desk(settings)
    except AwcopyError as error:
        return [Check(part="settings", look=partial(_raise, name_file(error))), *here]
    return [
        Check(part="settings", look=partial(_check_settings, settings)),
        *desk.checks(__version__),
        *here,
    ]


def _raise(error: AwcopyError) -> Finding:
    raise error


def _check_settings(settings: Settings) -> Finding:
    says = f"can be read; the fleet is {settings.namespace!r}"
    loaded = load_settings_with_origins()
    if open_files := _open_files(loaded):
        says = f"{' and '.join(map(str, open_files))} holds a secret, and others may read it"
        return Finding(part="settings", state=State.WARN, says=says, advice=f"chmod 600 {open_files[0]}")
    if loaded.unknown:
        says = f"{' and '.join(loaded.unknown)} would set something, and is no setting"
        advice = suggest_variable(loaded.unknown[0])
        return Finding(part="settings", state=State.WARN, says=says, advice=advice)
    return Finding(part="settings", state=State.OK, says=says)


def _open_files(loaded: LoadedSettings) -> list[Path]:
    """Return the configuration files that hold a secret and that others may read."""
    secrets = (name for name in loaded.origins if isinstance(getattr(loaded.settings, name), Secret))
    files = {path for name in secrets if isinstance(path := loaded.origins[name], Path)}
    return sorted(filter(is_open_to_others, files))


def _check_aws() -> Finding:
    from awcopy.bootstrap import describe_own_aws

    check_aws_keys(load_source_defaults().aws)
    try:
        return Finding(part="aws", state=State.OK, says=f"credentials from {describe_own_aws()}")
    except CredentialsError as error:
        return _without_credentials("aws", error, AWS_VARIABLES)


def _check_azure() -> Finding:
    from awcopy.bootstrap import describe_own_azure

    own = load_store_defaults()
    if check_azure_keys(own.azure, own.azure_origin):
        account = f" of {own.azure_account}" if own.azure_account else ""
        return Finding(part="azure", state=State.OK, says=f"credentials{account} from {own.azure_origin}")
    try:
        return Finding(part="azure", state=State.OK, says=f"credentials from {describe_own_azure()}")
    except CredentialsError as error:
        return _without_credentials("azure", error, AZURE_VARIABLES)


def _without_credentials(part: str, error: CredentialsError, variables: str) -> Finding:
    advice = f"set {variables}, unless the workers have their own"
    return Finding(part=part, state=State.WARN, says=error.message, advice=advice)


def _check_disk() -> Finding:
    here = Path.cwd()
    free_bytes = shutil.disk_usage(here).free
    says = f"{format_size(free_bytes)} free here, for a journal"
    if not os.access(here, os.W_OK):
        advice = "name another folder: --journal PATH"
        return Finding(part="disk", state=State.WARN, says="no journal can be written here", advice=advice)
    if free_bytes < _LEAST_DISK_BYTES:
        advice = "a journal takes about 300 bytes per object"
        return Finding(part="disk", state=State.WARN, says=says, advice=advice)
    return Finding(part="disk", state=State.OK, says=says)
