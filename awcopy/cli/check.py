"""``awcopy check``: what is the same on both sides, what differs, and what is on one side only."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from awcopy.cli.console import print_line, print_note, safe_text
from awcopy.cli.copy import make_sink, make_source
from awcopy.cli.credentials import credentials_for
from awcopy.cli.encryption import KEY_FORMS
from awcopy.cli.help import PLAIN_CODES, Exit, helpful
from awcopy.cli.preflight import check_sink, check_source, warn_of_siblings
from awcopy.cli.secrets import read_customer_key
from awcopy.cli.selection import make_selection, selection_options
from awcopy.cli.setup import begin
from awcopy.cli.values import (
    names_option,
    output_option,
    profile_options,
    recursive_option,
    service_options,
    source_access_options,
    versions_option,
)
from awcopy.config import load_store_defaults
from awcopy.errors import OutOfOrder, UsageError
from awcopy.model.spec import JobSpec, NamePolicy, Versions
from awcopy.planning.compare import Level, Verdict
from awcopy.units import format_count, format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from awcopy.compare.sides import LeftOut
    from awcopy.planning.compare import Finding

CHECK_SCHEMA = "awcopy.check/1"
_SAID = {
    Verdict.SAME: "the same",
    Verdict.DIFFERENT: "different",
    Verdict.MISSING: "missing at the destination",
    Verdict.EXTRA: "only at the destination",
    Verdict.FAILED: "not compared",
}
_LEVELS = {
    Level.LISTING: "by the listings and the blobs' stamps; --download reads both sides",
    Level.CHECKSUM: "by the source's checksums; --download reads both sides",
    Level.DOWNLOAD: "byte by byte",
}
_SORTED_FIRST = "name its service with --endpoint-url or --azure-endpoint, then its listing is sorted first"
_STDOUT = "-"
_NOTE_EVERY_S = 5.0


@click.command(
    cls=helpful(
        "awcopy check s3://photos/2024/ az://backup/photos/2024/",
        "awcopy check s3://photos az://backup/photos --download --combined photos.txt",
        exit_codes=sorted((*PLAIN_CODES, Exit.DIFFERENT)),
    )
)
@click.argument("source", metavar="SRC")
@click.argument("sink", metavar="DST")
@recursive_option
@selection_options
@service_options
@names_option
@versions_option
@click.option(
    "--checksum",
    is_flag=True,
    help="Ask S3 for the checksum of each object (a HEAD each) and compare it with the blob's stamp.",
)
@click.option("--download", is_flag=True, help="Read both sides and compare their bytes, trusting no stamp.")
@click.option(
    "--combined",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Write each name with its letter to FILE, or - for standard output, as rclone does.",
)
@click.option("--all", "shows_all", is_flag=True, help="Print what is the same, too.")
@click.option(
    "--encryption-key",
    metavar="KEY",
    help=f"For --download: the key that the blobs are encrypted with: {KEY_FORMS}.",
)
@click.option(
    "--source-encryption-key",
    metavar="KEY",
    help=f"The key that the objects are encrypted with (SSE-C): {KEY_FORMS}.",
)
@source_access_options
@profile_options("this machine's", "source", "sink")
@output_option("table", "json", "ndjson")
def check(**options: Any) -> Exit:  # noqa: ANN401 - made a record at once
    """Compare the objects under SRC with the blobs under DST that `awcopy copy SRC DST` would make of them.

    Each name gets a letter: "=" the same, "*" different, "-" missing at the destination, "+" only at the
    destination, "!" could not be compared. Totals go to standard error.

    By itself it lists both sides and reads neither: an object and its blob are the same if their lengths
    agree and the blob's stamp names this very object, or its MD5 is the object's.
    """
    from awcopy.bootstrap import open_stores
    from awcopy.compare.check import compare_sides
    from awcopy.compare.sides import Check, LeftOut
    from awcopy.transfer.retry import Retrier

    if options["checksum"] and options["download"]:
        raise UsageError("--download compares more than --checksum does", hint="leave one of them out")
    if options["combined"] == Path(_STDOUT) and options["output"] != "table":
        raise UsageError("--combined - and -o both print on standard output", hint="leave one of them out")
    settings, defaults = begin(), load_store_defaults()
    source_key = read_customer_key("--source-encryption-key", options["source_encryption_key"])
    sink_key = read_customer_key("--encryption-key", options["encryption_key"])
    spec = JobSpec(
        source=replace(make_source(options, defaults), key_sha256=source_key.sha256 if source_key else ""),
        sink=replace(make_sink(options, defaults), key_sha256=sink_key.sha256 if sink_key else ""),
        selection=make_selection(options),
        names=NamePolicy(options["names"]),
        versions=Versions(options["versions"]),
    )
    credentials = replace(credentials_for(spec, defaults), source_key=source_key, sink_key=sink_key)
    left_out = LeftOut()
    with ExitStack() as stack:
        stores = stack.enter_context(closing(open_stores(settings, spec, credentials)))
        check_source(spec.source, stores.source, spec.versions)
        warn_of_siblings(spec, stores.source)
        check_sink(spec, stores.sink, create_container=False)
        checked = Check(
            spec=spec,
            source=stores.source,
            sink=stores.sink,
            retrier=Retrier(wait=time.sleep, chance=random.random),
            level=_level(options),
            at_once=settings.connections,
        )
        report = _Report(
            output=options["output"],
            shows_all=options["shows_all"],
            names_blobs=spec.versions is Versions.ALL,
        )
        report.combined = _open_combined(options["combined"], stack)
        try:
            report.print(compare_sides(checked, left_out))
        except OutOfOrder as error:
            raise OutOfOrder(error.message, hint=_SORTED_FIRST) from error
    for line in totals_lines(report.counts, report.proofs, left_out, checked.level):
        print_note(line)
    return exit_code_of(report.counts, left_out)


def exit_code_of(counts: Counter[Verdict], left_out: LeftOut) -> Exit:
    """Return 8 if there is any difference, else 1 if something could not be compared, else 0.

    But 2 if the filters left nothing to compare: a check that looked at nothing has found nothing to be right.
    """
    if counts[Verdict.DIFFERENT] or counts[Verdict.MISSING] or counts[Verdict.EXTRA]:
        return Exit.DIFFERENT
    if not counts.total() and left_out.excluded:
        return Exit.USAGE
    return Exit.ERROR if counts[Verdict.FAILED] else Exit.OK


def totals_lines(
    counts: Counter[Verdict], proofs: Mapping[str, int], left_out: LeftOut, level: Level
) -> Iterable[str]:
    """Yield what was found, as a person reads it."""
    total = counts.total()
    said = ", ".join(f"{format_count(counts[verdict])} {_SAID[verdict]}" for verdict in Verdict)
    yield f"{format_count(total)} {'name' if total == 1 else 'names'}: {said}"
    by = ", ".join(f"{name} {format_count(count)}" for name, count in sorted(proofs.items()))
    yield f"compared {_LEVELS[level]}{f' (the same by: {by})' if by else ''}"
    if left_out.excluded:
        yield f"left out by the filters: {format_count(left_out.excluded)}"
    if left_out.folders:
        yield f"left out as markers of folders, which are not copied: {format_count(left_out.folders)}"
    if left_out.delete_markers:
        yield f"left out as delete markers, which are not copied: {format_count(left_out.delete_markers)}"
    if not total:
        yield f"nothing was compared: {_why_nothing(left_out)}"


def _why_nothing(left_out: LeftOut) -> str:
    if left_out.excluded:
        return "the filters leave out all that there is"
    if left_out.folders:
        return "there are only markers of folders"
    return "there are only delete markers" if left_out.delete_markers else "both sides are empty"


def _level(options: Mapping[str, Any]) -> Level:
    if options["download"]:
        return Level.DOWNLOAD
    return Level.CHECKSUM if options["checksum"] else Level.LISTING


def _open_combined(path: Path | None, stack: ExitStack) -> TextIO | None:
    if path is None:
        return None
    if path == Path(_STDOUT):
        return sys.stdout
    try:
        return stack.enter_context(path.open("w", encoding="utf-8", errors="backslashreplace"))
    except OSError as error:
        raise UsageError(
            f"--combined: {error.strerror}: {path}", hint="name a file that can be written"
        ) from None


@dataclass(kw_only=True)
class _Report:
    """Prints findings as they come, and counts them."""

    output: str
    shows_all: bool
    names_blobs: bool = False  # a key may have several, each of one of its versions
    combined: TextIO | None = None
    counts: Counter[Verdict] = field(default_factory=Counter)
    proofs: Counter[str] = field(default_factory=Counter)
    _opening: str = "["
    _noted_at: float = field(default_factory=time.monotonic)

    def print(self, findings: Iterable[Finding]) -> None:
        if self.output == "json":
            sys.stdout.write(f'{{"schema": "{CHECK_SCHEMA}", "findings": ')
        for finding in findings:
            self.counts[finding.verdict] += 1
            if finding.by:
                self.proofs[finding.by] += 1
            if self.combined:
                self.combined.write(f"{finding.verdict} {safe_text(self._name(finding))}\n")
            if self.combined is not sys.stdout and (self.shows_all or finding.verdict is not Verdict.SAME):
                self._print_one(finding)
            self._note_progress()
        if self.output == "json":
            import json

            totals = {verdict.name.lower(): self.counts[verdict] for verdict in Verdict}
            print_line(f'{"[" if self._opening == "[" else ""}], "totals": {json.dumps(totals)}}}')

    def _print_one(self, finding: Finding) -> None:
        if self.output == "table":
            print_line(f"{finding.verdict} {safe_text(self._name(finding))}  ({safe_text(_why(finding))})")
            return
        import json

        record = json.dumps(_record(finding))
        if self.output == "ndjson":
            print_line(record)
            return
        sys.stdout.write(f"{self._opening}\n{record}")
        self._opening = ","

    def _name(self, finding: Finding) -> str:
        return finding.blob if self.names_blobs or finding.verdict is Verdict.EXTRA else finding.key

    def _note_progress(self) -> None:
        """Tell a person who waits how far it is; nothing where nobody watches."""
        now = time.monotonic()
        if now - self._noted_at >= _NOTE_EVERY_S and sys.stderr.isatty():
            self._noted_at = now
            print_note(f"... {format_count(self.counts.total())} names so far")


def _why(finding: Finding) -> str:
    if finding.verdict in (Verdict.MISSING, Verdict.EXTRA):
        return ", ".join(filter(None, (format_size(finding.size_bytes), finding.detail)))
    return finding.by or finding.detail


def _record(finding: Finding) -> dict[str, str | int]:
    return {
        "verdict": finding.verdict.value,
        "key": finding.key,
        "blob": finding.blob,
        "version": finding.version_id,
        "bytes": finding.size_bytes,
        "reason": finding.reason,
        "by": finding.by,
        "detail": finding.detail,
    }
