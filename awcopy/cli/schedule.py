"""``awcopy schedule``: syncs that run by themselves, again and again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from awcopy.cli.console import print_json, print_line, print_note, print_records, print_table
from awcopy.cli.copy import make_spec
from awcopy.cli.encryption import read_encryption
from awcopy.cli.follow import watch_hint
from awcopy.cli.help import helpful, helpful_group
from awcopy.cli.setup import begin, open_desk, user_name
from awcopy.cli.sync import DECIDED, LAST, make_sync, sync
from awcopy.cli.values import output_option
from awcopy.config import load_store_defaults
from awcopy.errors import UsageError
from awcopy.jobs.schedule_control import ScheduleRequest
from awcopy.model.schedule import CatchUp, Overlap, is_schedule_name
from awcopy.planning.backup import check_backup
from awcopy.planning.occurrences import check_times
from awcopy.units import parse_duration

if TYPE_CHECKING:
    from awcopy.cli.desk.base import Record

_COLUMNS = ("NAME", "STATE", "WHEN", "NEXT (UTC)", "LATEST", "JOB", "FROM", "TO")
_HISTORY_COLUMNS = ("PLANNED (UTC)", "WHAT", "JOB", "JOB'S STATE", "WHY")
# Of `awcopy sync`: how a single job is launched and shown, which nobody does here.
_OF_LAUNCHING = frozenset(
    {
        "name", "create_container", "credentials_mode", "journal", "dry_run", "estimate", "detach", "local",
        "output", "quiet", "verbose", "price_table", "azure_region", "sent_this_month", "older_than",
    }
)  # fmt: skip
_NAME = click.argument("name", metavar="NAME")
_EXAMPLES = (
    (
        'awcopy schedule add photos s3://photos az://backup/photos --cron "30 2 * * *" --zone Europe/Berlin \\\n'
        "    --source-profile photos --sink-profile backup"
    ),
    "awcopy schedule add logs s3://logs az://archive/logs --every 6h --since last",
)


@click.group(cls=helpful_group("awcopy schedule list", "awcopy schedule history photos"))
def schedule() -> None:
    """Sync by themselves, at the times of a cron line or at intervals.

    Schedules are kept in the ledger, and any worker or beat fires them: each occurrence leads to one job, whatever
    dies meanwhile. Their jobs use profiles (`awcopy profile`) or the workers' own credentials.
    """


@schedule.command(
    "add",
    cls=helpful(*_EXAMPLES),
    params=[
        click.Argument(["name"], metavar="NAME"),
        *(option for option in sync.params if option.name not in _OF_LAUNCHING),
    ],
)
@click.option("--cron", default="", metavar="LINE", help='When: minute hour day month weekday, "30 2 * * *".')
@click.option("--zone", default="UTC", show_default=True, help="Time zone of the cron line: Europe/Berlin.")
@click.option(
    "--every", default="", metavar="TIME", help="In place of --cron: 30m, 6h, 1d; the first after that time."
)
@click.option(
    "--catch-up",
    type=click.Choice([choice.value for choice in CatchUp]),
    default=CatchUp.LATEST.value,
    show_default=True,
    help="What runs of occurrences that nothing fired in time: the latest, all one after the other, or none.",
)
@click.option(
    "--overlap",
    type=click.Choice([choice.value for choice in Overlap]),
    default=Overlap.SKIP.value,
    show_default=True,
    help="An occurrence whose predecessor has not ended: skip it, or let it wait.",
)
def add_schedule(name: str, **options: Any) -> None:  # noqa: ANN401 - made a record at once
    """Sync SRC (s3://bucket/prefix) to DST (az://account/container/prefix) again and again; as `awcopy sync`.

    What is given once on a command line cannot be kept for ever: credentials come from profiles on the workers, or
    are the workers' own.
    """
    if not is_schedule_name(name):
        hint = "use lower-case letters, digits, '.', '_' and '-'"
        raise UsageError(f"{name!r} cannot be the name of a schedule", hint=hint)
    settings = begin()
    every_s = int(parse_duration(options["every"])) if options["every"] else 0
    check_times(cron=options["cron"], zone=options["zone"], every_s=every_s)
    encryption = read_encryption(options, settings)
    if encryption.source_key or encryption.sink_key:
        raise UsageError(
            "an encryption key is a credential, and a schedule keeps none",
            hint="use --encryption-scope, or run `awcopy sync` from a scheduler of your own",
        )
    if options["since"] not in (None, LAST):
        hint = "leave it out, or say --since last"
        raise UsageError("a schedule goes on, and a date does not: --since takes `last` here", hint=hint)
    spec = make_spec({**options, **DECIDED, "older_than": None}, load_store_defaults(), encryption)
    added = open_desk(settings).add_schedule(
        ScheduleRequest(
            name=name,
            user=user_name(),
            spec=check_backup(replace(spec, sync=make_sync(options))),
            cron=options["cron"],
            zone=options["zone"],
            every_s=every_s,
            catch_up=CatchUp(options["catch_up"]),
            overlap=Overlap(options["overlap"]),
        )
    )
    print_line(name)
    print_note(f"it is first due at {_say(added['next'])} UTC; try it at once: awcopy schedule run {name}")
    for side, profile in (("source", spec.source.profile), ("destination", spec.sink.profile)):
        if not profile:
            print_note(f"the {side} is reached with the workers' own credentials")


@schedule.command("list", cls=helpful("awcopy schedule list", "awcopy schedule list -o json"))
@output_option("table", "json", "ndjson")
def list_schedules(output: str) -> None:
    """List the schedules, when each is due next, and what became of the latest occurrence."""
    found = open_desk(begin()).list_schedules()
    if output == "table":
        print_table(_COLUMNS, map(_row, found))
    else:
        print_records(found, output)


@schedule.command("show", cls=helpful("awcopy schedule show photos", "awcopy schedule show photos -o json"))
@_NAME
@output_option("table", "json", "ndjson")
def show_schedule(name: str, output: str) -> None:
    """Show one schedule."""
    record = open_desk(begin()).show_schedule(name)
    if output != "table":
        print_json(record, is_line=output == "ndjson")
        return
    for key, value in record.items():
        if key != "schema":
            print_line(f"{key.replace('_', ' '):<12}{value}")


@schedule.command(
    "history", cls=helpful("awcopy schedule history photos", "awcopy schedule history photos --limit 100")
)
@_NAME
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Most occurrences."
)
@output_option("table", "json", "ndjson")
def show_history(name: str, limit: int, output: str) -> None:
    """Show what became of each time at which the schedule was due, the latest first."""
    rows = open_desk(begin()).list_occurrences(name, limit)
    if output == "table":
        print_table(_HISTORY_COLUMNS, (tuple(row.values()) for row in rows))
    else:
        print_records(rows, output)


@schedule.command("run", cls=helpful("awcopy schedule run photos", "awcopy jobs watch @last"))
@_NAME
def run_schedule(name: str) -> None:
    """Run a schedule's job now, beside its times; an earlier job that has not ended comes first."""
    found = open_desk(begin()).run_schedule(name)
    if found["why"]:
        print_note(f"{found['what']}: {found['why']}")
    elif found["job"]:
        print_line(found["job"])
        print_note(f"job {found['job']} is submitted; {watch_hint(found['job'])}")


@schedule.command("pause", cls=helpful("awcopy schedule pause photos", "awcopy schedule list"))
@_NAME
def pause_schedule(name: str) -> None:
    """Let no occurrence run until the schedule is resumed; a job that runs goes on."""
    open_desk(begin()).pause_schedule(name)
    print_line(name)


@schedule.command("resume", cls=helpful("awcopy schedule resume photos", "awcopy schedule list"))
@_NAME
def resume_schedule(name: str) -> None:
    """Go on from the next occurrence; those of the pause are not caught up with."""
    open_desk(begin()).resume_schedule(name)
    print_line(name)


@schedule.command("rm", cls=helpful("awcopy schedule rm photos", "awcopy schedule list"))
@_NAME
def remove_schedule(name: str) -> None:
    """Remove a schedule and its history; its jobs stay, and one that runs goes on."""
    open_desk(begin()).remove_schedule(name)
    print_line(name)


def _row(record: Record) -> tuple[str, ...]:
    names = ("latest", "latest_job", "source", "sink")
    due = _say(record["next"]) if record["next"] else ""
    return (record["name"], record["state"], record["when"], due, *(record[name] for name in names))


def _say(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M:%S}"
