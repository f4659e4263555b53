"""``--delete-source``: its options, and the question before a job that deletes at the source."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar

import click

from awcopy.cli.console import print_note, safe_text
from awcopy.errors import UsageError
from awcopy.model.outcome import Proof
from awcopy.model.spec import Deletion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from awcopy.model.spec import JobSpec
    from awcopy.source.base import Source

Decorated = TypeVar("Decorated", bound="Callable[..., object]")

_PROOFS = tuple(proof.value for proof in Proof if proof not in (Proof.LENGTH, Proof.NONE))
_WITHOUT = "leave it out, or add --delete-source"


def deletion_options(command: Decorated) -> Decorated:
    """Return a command with the options that say what is deleted at the source."""
    options = [
        click.option(
            "--delete-source",
            is_flag=True,
            help="When everything is copied, delete at the source each object whose copy is proved. Asks first.",
        ),
        click.option(
            "--max-delete",
            type=click.IntRange(0),
            metavar="N",
            help="With --delete-source: delete nothing if more than N objects would go.",
        ),
        click.option(
            "--delete-proof",
            type=click.Choice(_PROOFS),
            default=None,
            help="With --delete-source: keep objects whose copy has a weaker proof than this.  [default: md5]",
        ),
        click.option(
            "--delete-despite-failures",
            is_flag=True,
            help="With --delete-source: delete what is proved even if other objects failed.",
        ),
        click.option("--yes", is_flag=True, help="With --delete-source: do not ask, delete."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def make_deletion(options: Mapping[str, Any]) -> Deletion | None:
    """Return what the options ask to be deleted.

    Raises:
        UsageError: An option is about a deletion that is not asked for, or the blobs will not say what they are.
    """
    if not options["delete_source"]:
        for name in ("max_delete", "delete_proof", "delete_despite_failures", "yes"):
            if options[name] not in (None, False):
                raise UsageError(f"--{name.replace('_', '-')} goes with --delete-source", hint=_WITHOUT)
        return None
    if options["no_stamp"]:
        raise UsageError(
            "--delete-source needs the blobs' stamps to tell what they are copies of",
            hint="leave out --no-stamp",
        )
    return Deletion(
        weakest_proof=Proof(options["delete_proof"] or Proof.MD5),
        most=options["max_delete"],
        despite_failures=options["delete_despite_failures"],
    )


def require_someone_to_ask(options: Mapping[str, Any]) -> None:
    """Raise ``UsageError`` where a deletion would have to be confirmed and nobody can be asked."""
    if options["delete_source"] and not options["yes"] and not sys.stdin.isatty():
        raise UsageError(
            "--delete-source has to be confirmed, and there is no terminal to ask at",
            hint="add --yes if you are sure",
        )


def confirm_deletion(spec: JobSpec, source: Source | None, *, is_confirmed: bool) -> None:
    """Say what will be deleted, and return when that is confirmed: by the option, or by the bucket's name typed.

    Args:
        spec: The job's.
        source: To look at the bucket's versioning; None where this process has no credentials for it.
        is_confirmed: Whether the command line says yes already.

    Raises:
        UsageError: Something else was typed.
    """
    if spec.deletion is None:
        return
    for line in _consequences(spec, source):
        print_note(line)
    if is_confirmed:
        return
    bucket = spec.source.bucket
    typed = click.prompt(
        f"Type the bucket's name, {safe_text(bucket)}, to go on", default="", show_default=False, err=True
    )
    if str(typed).strip() != bucket:
        raise UsageError(
            "that is not the bucket's name; nothing was started",
            hint="leave out --delete-source to copy only",
        )


def _consequences(spec: JobSpec, source: Source | None) -> list[str]:
    most = spec.deletion.most if spec.deletion else None
    limit = "how many that are is known when all is listed; --max-delete N sets a limit"
    if most is not None:
        limit = f"nothing is, if those are more than {most:,}"
    what = f"when everything is copied, each object under {spec.source} whose copy is proved is deleted there"
    return [f"awcopy: {what}: {limit}", f"awcopy: {_about_versions(source)}"]


def _about_versions(source: Source | None) -> str:
    from awcopy.jobs.submit import look

    is_versioned = look(source.is_versioned) if source else None
    if is_versioned:
        return (
            "the bucket keeps versions: deleting hides each object behind a marker, and its versions stay and "
            "are still charged for"
        )
    if is_versioned is None:
        return "whether the bucket keeps versions cannot be seen from here; if not, what is deleted is gone for good"
    return "the bucket keeps no versions: what is deleted is gone for good"
