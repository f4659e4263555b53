"""``awcopy copy``: what is to be copied and how, read from the command line into a job's specification."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from awcopy.cli.addresses import parse_sink, parse_source
from awcopy.cli.archived import archived_options, read_archived
from awcopy.cli.conflicts import require_someone_to_choose
from awcopy.cli.console import print_note, print_warning
from awcopy.cli.credentials import azure_endpoint, credentials_for, require_some
from awcopy.cli.deletion import deletion_options, make_deletion, require_someone_to_ask
from awcopy.cli.encryption import (
    NO_ENCRYPTION,
    GivenEncryption,
    encryption_options,
    read_encryption,
)
from awcopy.cli.help import COPY_CODES, Exit, helpful
from awcopy.cli.launch import Launch, run_locally, run_on_fleet
from awcopy.cli.pricing import pricing_options
from awcopy.cli.selection import make_selection, selection_options
from awcopy.cli.setup import begin
from awcopy.cli.values import (
    BLOCK_SIZE,
    NAME,
    RATE,
    check_endpoint,
    names_option,
    notify_option,
    output_option,
    profile_options,
    recursive_option,
    service_options,
    source_access_options,
    verbose_option,
    versions_option,
)
from awcopy.config import StoreDefaults, load_store_defaults
from awcopy.errors import UsageError
from awcopy.model.outcome import Proof, Route
from awcopy.model.spec import (
    Addressing,
    JobSpec,
    MetadataPolicy,
    NamePolicy,
    Overwrite,
    SinkSpec,
    SourceSpec,
    Verify,
    Versions,
)
from awcopy.planning.blocks import MAX_BLOCKS
from awcopy.planning.tiers import AUTO, TIERS
from awcopy.units import MIB, format_count, format_size
from awcopy.vault.credentials import JobCredentials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from awcopy.config import Settings
    from awcopy.jobs.journal import Journal

REQUIRED_PROOFS = (Proof.CRC64, Proof.SHA, Proof.MD5, Proof.CRC32, Proof.BLOCKS)  # strongest first
MOST_AGENTS = 1000
MOST_FILES_PER_TASK = 10_000
EXAMPLES = (
    "awcopy copy s3://photos/2024/ az://backup/photos/2024/",
    (
        "awcopy copy s3://logs az://archive/logs --include '*.gz' --newer-than 7d \\\n"
        "    --tier Cool --agents 16 --create-container --detach"
    ),
)


@click.command(cls=helpful(*EXAMPLES, exit_codes=COPY_CODES))
@click.argument("source", metavar="SRC")
@click.argument("sink", metavar="DST")
@recursive_option
@selection_options
@service_options
@click.option(
    "--agents", type=click.IntRange(1, MOST_AGENTS), default=4, show_default=True, help="Most tasks at once."
)
@click.option(
    "--bandwidth",
    type=RATE,
    metavar="RATE",
    help="Most bytes a second, over all workers: 200M, 1.5G; `awcopy jobs bandwidth` changes it.",
)
@click.option(
    "--block-size",
    type=BLOCK_SIZE,
    default=8 * MIB,
    metavar="SIZE",
    help="Size of a block, 1 B to 4000M; larger in files that would have more than 50,000.  [default: 8M]",
)
@click.option(
    "--files-per-task",
    type=click.IntRange(1, MOST_FILES_PER_TASK),
    default=500,
    show_default=True,
    help="Most small files that one task copies.",
)
@click.option(
    "--overwrite",
    type=click.Choice([choice.value for choice in Overwrite]),
    default=Overwrite.CHANGED.value,
    show_default=True,
    help="What to do with a blob that is there already; prompt: ask once, before the job starts.",
)
@click.option(
    "--verify",
    type=click.Choice([choice.value for choice in Verify]),
    default=Verify.AUTO.value,
    show_default=True,
    help="full: read an object twice where only that proves it whole.",
)
@click.option(
    "--require-proof",
    type=click.Choice([proof.value for proof in REQUIRED_PROOFS]),
    help="Fail objects that cannot have this proof or a stronger one; beyond blocks as thorough as --verify full.",
)
@click.option(
    "--route",
    type=click.Choice([route.value for route in Route]),
    default=Route.AUTO.value,
    show_default=True,
    help="auto: Azure reads objects of 1 MiB and more from Amazon by itself, and what it cannot read streams; "
    "server: Azure must, whatever the endpoint; stream: all bytes go through the workers.",
)
@click.option(
    "--tier",
    type=click.Choice((*TIERS, AUTO), case_sensitive=False),
    help="Access tier of the blobs, auto: by the storage class; else the account's.",
)
@names_option
@click.option(
    "--metadata",
    type=click.Choice([choice.value for choice in MetadataPolicy]),
    default=MetadataPolicy.RENAME.value,
    show_default=True,
    help="Metadata, tags and headers that Azure does not take as they are: rewrite them so that they can be "
    "told back, leave them out, or fail the object.",
)
@versions_option
@click.option("--tags", is_flag=True, help="Copy the objects' tags as index tags of the blobs.")
@click.option(
    "--no-stamp",
    is_flag=True,
    help="Do not write in the blobs' metadata what they are copies of (awcopy_etag and others); what changed "
    "is then told by size and date.",
)
@archived_options
@encryption_options
@source_access_options
@click.option(
    "--name", type=NAME, default="default", show_default=True, help="The job's name; need not be unique."
)
@click.option("--create-container", is_flag=True, help="Create the container if it is missing.")
@click.option(
    "--credentials",
    "credentials_mode",
    type=click.Choice(["auto", "workers"]),
    default="auto",
    show_default=True,
    help="auto: seal what the environment gives to the fleet's key; workers: send none, they use their own.",
)
@click.option(
    "--journal",
    is_flag=False,
    flag_value="",
    metavar="[PATH]",
    help="Write a line per event to PATH, or to awcopy-DATE-TIME.log here.",
)
@profile_options("the workers'", "source", "sink")
@notify_option
@click.option(
    "--dry-run", is_flag=True, help="Print what would be done with each object, and why; write nothing."
)
@click.option("--estimate", is_flag=True, help="Print what the copy costs, as an estimate; copy nothing.")
@pricing_options
@deletion_options
@click.option("--detach", is_flag=True, help="Print the job's id and return at once.")
@click.option("--local", is_flag=True, help="Copy in this process, without a fleet.")
@output_option("table", "json", "ndjson")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress and no summary.")
@verbose_option
@click.pass_obj
def copy(given: JobCredentials | None, /, **options: Any) -> Exit:  # noqa: ANN401 - made a record at once
    """Copy the objects under SRC (s3://bucket/prefix) to DST (az://account/container/prefix).

    DST may also be a container's URL: https://ACCOUNT.blob.core.windows.net/container/prefix.

    SRC is a prefix: s3://b/data takes data/k, and data2/k and database.csv as well. End a folder with "/":
    s3://b/data/ takes what is in it.

    A blob is named DST's prefix plus the key below SRC's folder, which is SRC up to its last "/":
    s3://b/data/ to az://a/c/x/ makes x/k of data/k; s3://b/data/report.csv to az://a/c makes report.csv;
    s3://b to az://a/c keeps every key whole. DST's prefix is a folder, with or without a "/" at its end.

    Globs look at the last part of a key; those with a "/" at the whole key below SRC's folder.
    """
    return start(given, options)


def start(
    given: JobCredentials | None,
    options: Mapping[str, Any],
    adapt: Callable[[JobSpec, Settings], JobSpec] | None = None,
) -> Exit:
    """Look ahead or run the copy that the options ask for, and return the exit code.

    Args:
        given: Credentials from the form of 2015, if that was spoken.
        options: Those of ``awcopy copy``, by name.
        adapt: Makes the specification another command's.
    """
    if options["detach"] and options["journal"] is not None:
        raise UsageError("--journal follows the job, and --detach does not", hint="leave one of them out")
    if options["local"] and (options["detach"] or options["credentials_mode"] == "workers"):
        raise UsageError("--local works without a fleet", hint="leave out --detach and --credentials workers")
    if options["local"] and options["notify"]:
        raise UsageError("--local works without a fleet, which is who tells", hint="leave out --notify")
    looks_only = options["dry_run"] or options["estimate"]
    if looks_only:
        _check_looks_only(options)
    else:
        require_someone_to_ask(options)
        require_someone_to_choose(Overwrite(options["overwrite"]))
    settings = begin(verbose=options["verbose"])
    defaults = load_store_defaults()
    encryption = read_encryption(options, settings)
    spec = make_spec(options, defaults, encryption)
    spec = adapt(spec, settings) if adapt else spec
    launch = Launch(
        settings=settings,
        spec=spec,
        name=options["name"],
        credentials=replace(
            _choose_credentials(options, given, defaults, spec),
            source_key=encryption.source_key,
            sink_key=encryption.sink_key,
        ),
        create_container=options["create_container"],
        is_detached=options["detach"],
        output=options["output"],
        quiet=options["quiet"],
        verbose=options["verbose"],
        journal=_open_journal(options["journal"]),
        is_confirmed=options["yes"],
    )
    if looks_only:
        from awcopy.cli.look_ahead import look_ahead

        return look_ahead(launch, options)
    if not launch.quiet:
        _say_what_small_blocks_mean(spec.block_size_bytes)
    return run_locally(launch) if options["local"] else run_on_fleet(launch)


def _say_what_small_blocks_mean(block_bytes: int) -> None:
    if block_bytes < MIB:
        most = format_size(block_bytes * MAX_BLOCKS)
        print_note(
            f"awcopy: files above {most} get larger blocks than {format_size(block_bytes)}, of the least whole MiB "
            f"that will do, since no blob has more than {format_count(MAX_BLOCKS)}"
        )


def _check_looks_only(options: Mapping[str, Any]) -> None:
    """Raise where an option has no meaning for a look.

    Raises:
        UsageError: It follows or sends a job, and there is none; or there are no credentials here.
    """
    asked = "--dry-run" if options["dry_run"] else "--estimate"
    for name in ("detach", "journal"):
        if options[name] not in (False, None):
            raise UsageError(
                f"{asked} starts no job, so --{name} has nothing to do", hint="leave one of them out"
            )
    if options["overwrite"] == Overwrite.PROMPT.value:
        hint = "write --overwrite changed: it looks at the same blobs"
        raise UsageError(f"{asked} starts no job, so that there is nothing to ask", hint=hint)
    if options["credentials_mode"] == "workers":
        hint = "leave out --credentials workers, and give credentials here"
        raise UsageError(f"{asked} looks at the stores from here, not from the workers", hint=hint)


def _open_journal(path: str | None) -> Journal | None:
    if path is None:
        return None
    from awcopy.jobs.journal import Journal, journal_name

    journal = Journal(Path(path or journal_name(datetime.now(UTC).astimezone())), tell=print_warning)
    journal.open()
    return journal


def make_spec(
    options: Mapping[str, Any], defaults: StoreDefaults, encryption: GivenEncryption = NO_ENCRYPTION
) -> JobSpec:
    """Return the job's specification.

    Raises:
        UsageError: An address is wrong, or the options contradict each other.
    """
    source_key, sink_key = encryption.source_key, encryption.sink_key
    archived, restore = read_archived(options)
    return JobSpec(
        archived=archived,
        restore=restore,
        source=replace(make_source(options, defaults), key_sha256=source_key.sha256 if source_key else ""),
        sink=replace(
            make_sink(options, defaults),
            encryption_scope=encryption.scope,
            key_sha256=sink_key.sha256 if sink_key else "",
        ),
        selection=make_selection(options),
        overwrite=Overwrite(options["overwrite"]),
        route=Route(options["route"]),
        agents=options["agents"],
        bandwidth=options["bandwidth"] or 0,
        block_size_bytes=options["block_size"],
        files_per_task=options["files_per_task"],
        tier=options["tier"] or "",
        names=NamePolicy(options["names"]),
        metadata=MetadataPolicy(options["metadata"]),
        versions=_read_versions(options),
        copies_tags=options["tags"],
        has_stamps=not options["no_stamp"],
        deletion=make_deletion(options),
        verify=Verify(options["verify"]),
        require_proof=Proof(options["require_proof"] or ""),
        notify=options["notify"],
    )


def _read_versions(options: Mapping[str, Any]) -> Versions:
    versions = Versions(options["versions"])
    if versions is Versions.ALL and options["delete_source"]:
        raise UsageError(
            "--versions all copies what a bucket keeps of deleted objects, and --delete-source deletes there",
            hint="copy all versions first, and delete with a job of its own",
        )
    return versions


def make_source(options: Mapping[str, Any], defaults: StoreDefaults) -> SourceSpec:
    """Return the source that ``SRC``, ``--region`` and ``--endpoint-url`` name, or the environment."""
    address, profile = parse_source(options["source"]), options.get("source_profile", "")
    if profile:
        # What the environment says of S3 goes with its own credentials; a profile has its own region and endpoint.
        defaults = StoreDefaults()
    return SourceSpec(
        bucket=address.bucket,
        prefix=address.prefix,
        region=options["region"] or defaults.region,
        endpoint_url=options["endpoint_url"] or check_endpoint(defaults.s3_endpoint_url, "AWS_ENDPOINT_URL"),
        addressing=Addressing(options["addressing"]),
        pays_requests=options["request_payer"] == "requester",
        profile=profile,
    )


def make_sink(options: Mapping[str, Any], defaults: StoreDefaults) -> SinkSpec:
    """Return the sink that ``DST`` and ``--azure-endpoint`` name, or the environment."""
    address, asked = parse_sink(options["sink"]), options["azure_endpoint"] or ""
    if asked and address.endpoint_url:
        raise UsageError(
            "the destination's URL and --azure-endpoint both name a service", hint="leave one of them out"
        )
    is_url, profile = not options["sink"].lower().startswith("az://"), options.get("sink_profile", "")
    usual = "" if is_url or profile else azure_endpoint(defaults, address.account)
    return SinkSpec(
        account=address.account,
        container=address.container,
        prefix=address.prefix,
        endpoint_url=address.endpoint_url or asked or check_endpoint(usual, "AZURE_STORAGE_SERVICE_ENDPOINT"),
        profile=profile,
    )


def _choose_credentials(
    options: Mapping[str, Any], given: JobCredentials | None, defaults: StoreDefaults, spec: JobSpec
) -> JobCredentials:
    if given:
        return given
    if options["credentials_mode"] == "workers":
        return JobCredentials()
    found = credentials_for(spec, defaults)
    has_profile = bool(spec.source.profile or spec.sink.profile)
    is_here = options["local"] or options["dry_run"] or options["estimate"]
    return found if is_here or has_profile else require_some(found)
