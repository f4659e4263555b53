"""``awcopy profile``: credentials by name that lie on the workers, and what they may be used for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from awcopy.cli.console import print_json, print_line, print_note, print_table, safe_text
from awcopy.cli.findings import print_findings
from awcopy.cli.help import Exit, helpful, helpful_group
from awcopy.cli.secrets import read_secret, warn_of_clear_ones
from awcopy.cli.setup import begin
from awcopy.cli.values import ENDPOINT, output_option
from awcopy.config import FROM_FILE, FROM_VARIABLE, AzureKeys
from awcopy.errors import AwcopyError, UsageError
from awcopy.vault.profiles import EmailProfile, SinkProfile, SourceProfile, WebhookProfile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from awcopy.config import Settings
    from awcopy.vault.profile_files import Facts
    from awcopy.vault.profiles import StoreProfile

_KINDS = {"source": "buckets", "sink": "containers", "webhook": "url", "email": "receivers"}
_CODES = (Exit.OK, Exit.ERROR, Exit.USAGE, Exit.CREDENTIALS)
_COLUMNS = ("NAME", "FOR", "ALLOWS", "AT", "CREDENTIALS")
_HIDDEN = "**redacted**"
ADD_EXAMPLES = (
    "awcopy profile add photos --bucket 'photos*' --role-arn arn:aws:iam::123456789012:role/reader --external-id acme",
    "awcopy profile add backup --account acme --container 'backup-*' --account-key @file:/run/secrets/acme",
)


@click.group(cls=helpful_group("awcopy profile list", "awcopy profile test photos backup", exit_codes=_CODES))
def profile() -> None:
    """Keep credentials on the workers, for jobs that name them: `awcopy copy --source-profile NAME`.

    A profile is a file in the folder that AWCOPY_PROFILES names, the same on every worker's machine, for its owner
    alone. It lists the buckets or containers that it may be used for; a job that names another is refused.
    """


@profile.command("add", cls=helpful(*ADD_EXAMPLES, exit_codes=_CODES))
@click.argument("name", metavar="NAME")
@click.option(
    "--bucket", "buckets", multiple=True, metavar="GLOB", help="A bucket that may be read; may be repeated."
)
@click.option("--access-key", help="The id of an AWS access key.")
@click.option("--secret-key", help="Its secret: @env:NAME, @file:PATH, or - to be asked.")
@click.option("--session-token", help="Its session token, written likewise.")
@click.option("--aws-profile", help="In place of keys: a profile of AWS's own files.")
@click.option("--role-arn", help="A role to assume; its credentials are renewed as long as a job runs.")
@click.option("--external-id", help="The external id that the role asks for.")
@click.option("--role-session-name", help="The session's name in AWS's records; else awcopy.")
@click.option(
    "--web-identity-token-file", help="In place of keys: a file with the token to assume the role with."
)
@click.option("--region", help="The region of the buckets.")
@click.option("--account", help="The Azure storage account.")
@click.option(
    "--container",
    "containers",
    multiple=True,
    metavar="GLOB",
    help="A container that may be written; may be repeated.",
)
@click.option("--account-key", help="The account's key: @env:NAME, @file:PATH, or - to be asked.")
@click.option("--sas-token", help="In place of the key: a SAS token, written likewise.")
@click.option(
    "--connection-string", help="In place of both and of the account: a connection string, likewise."
)
@click.option("--identity-client-id", help="In place of these: which of the machine's identities signs in.")
@click.option(
    "--webhook",
    "url",
    metavar="URL",
    help="A web hook that is told how jobs end: @env:NAME, @file:PATH, or -.",
)
@click.option("--signing-key", help="What messages to it are signed with, written likewise.")
@click.option(
    "--email", "receivers", multiple=True, metavar="ADDRESS", help="Who is told by e-mail; may be repeated."
)
@click.option("--smtp-url", help="The mail server: smtp(s)://USER:PASSWORD@HOST:PORT, written likewise.")
@click.option("--sender", metavar="ADDRESS", help="Whom the e-mail is from.")
@click.option("--endpoint-url", type=ENDPOINT, help="The service, where it is not AWS's or Azure's own.")
@click.option("--allow-delete", is_flag=True, help="Let jobs delete with it.")
@click.option("--replace", "replace_it", is_flag=True, help="Write a profile anew that is there already.")
def add_profile(name: str, *, replace_it: bool, **options: Any) -> None:  # noqa: ANN401 - made a record at once
    """Write a profile on this machine: with --bucket for a source, with --container for a sink.

    With --webhook or --email it is for a receiver of notifications, which jobs name with --notify.

    Without keys, boto3 and azure-identity find credentials where they look for them: an instance's role, a
    workload's identity, AWS's own files, `az login`.
    """
    from awcopy.vault.profile_files import write_profile

    settings = begin()
    facts = _facts(options)
    try:
        write_profile(settings.profiles, name, facts, replace_it=replace_it)
    except OSError as error:
        hint = "set AWCOPY_PROFILES to another folder"
        raise UsageError(f"{settings.profiles} cannot hold profiles: {error.strerror}", hint=hint) from error
    print_line(name)
    print_note(
        f"in {settings.profiles}; it has to be on every worker's machine: try it there with `awcopy profile test`"
    )


@profile.command("list", cls=helpful("awcopy profile list", "awcopy profile list -o json", exit_codes=_CODES))
@output_option("table", "json")
def list_profiles(output: str) -> None:
    """List the profiles on this machine, with what they allow."""
    from awcopy.vault import profile_files

    settings = begin()
    rows = [_row(settings, name) for name in profile_files.list_profiles(settings.profiles)]
    if output == "json":
        print_json([dict(zip(map(str.lower, _COLUMNS), row, strict=True)) for row in rows])
    else:
        print_table(_COLUMNS, rows)


@profile.command(
    "show", cls=helpful("awcopy profile show photos", "awcopy profile show photos -o json", exit_codes=_CODES)
)
@click.argument("name", metavar="NAME")
@output_option("table", "json")
def show_profile(name: str, output: str) -> None:
    """Show a profile as its file holds it; secrets are not shown."""
    from awcopy.vault.profile_files import read_facts

    shown = _redacted(read_facts(begin().profiles, name))
    if output == "json":
        print_json(shown)
    else:
        for key, value in shown.items():
            print_line(safe_text(f"{key} = {json.dumps(value, ensure_ascii=False)}"))


@profile.command(
    "test",
    cls=helpful(
        "awcopy profile test photos backup",
        "awcopy profile test photos --bucket photos-2024",
        exit_codes=(*_CODES, Exit.UNREACHABLE),
    ),
)
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option(
    "--bucket", default="", help="The bucket to look at; else those that the profile names in full."
)
@click.option("--container", default="", help="The container to look at; likewise.")
@output_option("table", "json")
def try_profiles(names: tuple[str, ...], bucket: str, container: str, output: str) -> int:
    """Try what profiles can do from this machine, which should be a worker's.

    Of a bucket a page is listed and a byte is read. Into a container a block is staged and never committed: no blob
    appears, and Azure forgets the block within a week.
    """
    from awcopy.cli.profile_trial import make_checks
    from awcopy.jobs.health import run_checks

    settings = begin()
    checks = [check for name in names for check in make_checks(settings, name, bucket, container)]
    return print_findings("awcopy.profile-test/1", run_checks(checks), output)


@profile.command(
    "rm", cls=helpful("awcopy profile rm photos", "awcopy profile rm photos backup", exit_codes=_CODES)
)
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def remove_profiles(names: tuple[str, ...]) -> None:
    """Remove profiles from this machine. Jobs that name them are paused when they next need them."""
    from awcopy.vault.profile_files import remove_profile

    folder = begin().profiles
    for name in names:
        remove_profile(folder, name)
        print_line(name)


def _facts(options: Mapping[str, Any]) -> Facts:
    """Return what the file is to hold, secrets resolved: another machine has other variables."""
    from awcopy.vault.profile_files import SECRETS

    kinds = [kind for kind, option in _KINDS.items() if options[option]]
    if len(kinds) != 1:
        hint = "give one of --bucket, --container, --webhook and --email"
        raise UsageError(
            "a profile is for buckets, for containers, or for a receiver of notifications", hint=hint
        )
    shown = {key: "--webhook" if key == "url" else f"--{key.replace('_', '-')}" for key in SECRETS}
    warn_of_clear_ones({shown[key]: options[key] for key in sorted(SECRETS) if options[key]}, join=" ")
    facts: dict[str, str | bool | list[str]] = {"kind": kinds[0]}
    for key, value in options.items():
        if isinstance(value, tuple):
            facts |= {key: list(value)} if value else {}
        elif value:
            facts[key] = read_secret(shown[key], value).reveal() if key in SECRETS else value
    return facts


def _redacted(facts: Facts) -> Facts:
    from awcopy.vault.profile_files import SECRETS

    return {
        key: _HIDDEN if key in SECRETS and not _is_reference(value) else value for key, value in facts.items()
    }


def _is_reference(value: object) -> bool:
    return isinstance(value, str) and value.startswith((FROM_VARIABLE, FROM_FILE))


def _row(settings: Settings, name: str) -> tuple[str, ...]:
    from awcopy.vault.profile_files import read_profile

    try:
        found = read_profile(settings.profiles, name)
    except AwcopyError as error:
        return (name, "", "", "", f"cannot be used: {error.message}")
    if isinstance(found, EmailProfile):
        return (name, "email", ", ".join(found.receivers), "", "a mail server")
    if isinstance(found, WebhookProfile):
        return (name, "webhook", "", "", "signed" if found.signing_key else "not signed")
    kind, allows = (
        ("source", found.buckets) if isinstance(found, SourceProfile) else ("sink", found.containers)
    )
    delete = " (and to delete)" if found.allow_delete else ""
    return (name, kind, f"{', '.join(allows)}{delete}", _at(found), describe_access(found))


def _at(found: StoreProfile) -> str:
    if isinstance(found, SinkProfile):
        return f"{found.account} {found.endpoint_url}".rstrip()
    return found.endpoint_url or "AWS"


def describe_access(found: StoreProfile) -> str:
    """Return by which way a profile comes to its credentials, for people."""
    if isinstance(found, SinkProfile):
        if isinstance(found.access, AzureKeys):
            return "the account's key" if found.access.account_key else "a SAS token"
        return f"azure-identity {found.access.client_id}".rstrip()
    login = found.login
    way = "boto3's own"
    if login.keys:
        way = "an access key"
    elif login.aws_profile:
        way = f"AWS profile {login.aws_profile}"
    elif login.web_identity_token_file:
        way = "a web identity"
    return f"{login.role_arn} by {way}" if login.role_arn else way
