"""The ``awcopy`` program: picks the command, and says every error in one place.

A command's module is imported only when it is invoked, so that ``awcopy --help`` answers at once.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import sys
import traceback
from typing import TYPE_CHECKING

import click

from awcopy import __version__
from awcopy.cli.console import outputs_json, prepare_streams, print_error, print_line, print_note
from awcopy.cli.help import Exit
from awcopy.cli.lazy import lazy_group, stand_ins
from awcopy.errors import AwcopyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from awcopy.vault.credentials import JobCredentials

# In the order of the help page: name, where it is, what it does.
COMMANDS = {
    "copy": ("awcopy.cli.copy:copy", "Copy objects from S3 to Azure Blob Storage."),
    "sync": ("awcopy.cli.sync:sync", "Copy what is new or changed."),
    "check": ("awcopy.cli.check:check", "Compare a source with a destination."),
    "ls": ("awcopy.cli.ls:ls", "List the keys of a bucket."),
    "schedule": ("awcopy.cli.schedule:schedule", "Sync by themselves, at the times of a cron line."),
    "jobs": ("awcopy.cli.jobs:jobs", "List, show, watch and report jobs."),
    "keys": ("awcopy.cli.keys:keys", "Make, show and rotate the keys that credentials are sealed with."),
    "config": ("awcopy.cli.config:config", "Show the settings, and where they come from."),
    "profile": ("awcopy.cli.profile:profile", "Keep credentials on the workers, for jobs that name them."),
    "token": ("awcopy.cli.token:token", "Let people into the dashboard, and programs into the HTTP API."),
    "doctor": ("awcopy.cli.doctor:doctor", "Look at all parts, and say what is missing."),
    "worker": ("awcopy.cli.worker:worker", "Run a worker: the processes that copy."),
    "beat": ("awcopy.cli.beat:beat", "Run beat: what has to happen at its time."),
    "web": ("awcopy.cli.web:web", "Run the dashboard and the HTTP API."),
    "flower": ("awcopy.cli.flower:flower", "Run Flower: tasks and workers in a browser."),
    "demo": ("awcopy.cli.demo:demo", "Copy between real servers on this machine, and prove it."),
    "completion": ("awcopy.cli.completion:completion", "Print what a shell completes commands with."),
    "legacy-explain": (
        "awcopy.cli.legacy_explain:legacy_explain",
        "Show today's form of a 2015 command line.",
    ),
}
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_MEANT = re.compile(r"\.? \(?Did you mean (?:one of: )?([^?]*)\?\)?$")
EXAMPLES = (
    "awcopy copy s3://photos/2024/ az://backup/photos/2024/",
    (
        "awcopy bucket:photos path:2024/ accesskey:@env:ID secret:@env:KEY region:eu-west-1 \\\n"
        "    container:photos storageaccount:backup storagekey:- /C /S    (the form of 2015)"
    ),
)


@click.group(
    cls=lazy_group(COMMANDS, *EXAMPLES, exit_codes=tuple(Exit)),
    commands=stand_ins(COMMANDS),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="awcopy")
def cli() -> None:
    """Copy objects from Amazon S3 to Azure Blob Storage, in bulk, and prove every copy."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; nothing is raised, errors are one line each."""
    words = list(sys.argv[1:] if argv is None else argv)
    prepare_streams()
    try:
        code = _run(words)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return Exit.USAGE
    except BrokenPipeError:
        _abandon_output()  # whoever read it has gone, as `head` does
        return Exit.ERROR
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place that makes a line of any error
        return _fail(_as_awcopy_error(error), words, cause=error)
    return code


def _abandon_output() -> None:
    """Let nothing be flushed at the end to an output that does not take it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Interrupted(AwcopyError):
    """The person pressed Ctrl-C."""

    code = "interrupted"
    exit_code = Exit.INTERRUPTED


def _run(words: list[str]) -> int:
    credentials: JobCredentials | None = None
    if _speaks_2015(words):
        from awcopy.cli.legacy import legacy_help, read_legacy
        from awcopy.cli.legacy_secrets import resolve_credentials

        call = read_legacy(words)
        if call.wants_help:
            print_line(legacy_help())
            return Exit.OK
        words, credentials = call.modern_argv(), resolve_credentials(call)
        if "V" in call.switches:
            print_note(f"in today's form: {shlex.join(['awcopy', *words])}")
    done = cli.main(args=words, prog_name="awcopy", standalone_mode=False, obj=credentials)
    return done if isinstance(done, int) else Exit.OK


def _speaks_2015(words: list[str]) -> bool:
    """Return whether the 2015 form is spoken; a command's name or an option in front means today's."""
    if not words or words[0] in COMMANDS or words[0].startswith("-"):
        return False
    from awcopy.cli.legacy import is_legacy

    return is_legacy(words)


def _fail(error: AwcopyError, words: Sequence[str], *, cause: BaseException) -> int:
    if _wants_traceback():
        from awcopy.logs import mask_secrets

        sys.stderr.write(mask_secrets("".join(traceback.format_exception(cause))))
    from awcopy.cli.setup import name_file

    print_error(name_file(error), as_json=outputs_json(words))
    return int(error.exit_code)


def _as_awcopy_error(error: BaseException) -> AwcopyError:
    if isinstance(error, AwcopyError):
        return error
    if isinstance(error, click.ClickException):
        return _from_click(error)
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return _Interrupted("interrupted")
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        _abandon_output()
        return AwcopyError(
            f"the output cannot be written: {error.strerror}", hint="make room, or send it elsewhere"
        )
    hint = "please report it; AWCOPY_LOG_LEVEL=DEBUG shows the traceback"
    return AwcopyError(f"unexpected {type(error).__name__}: {error}", hint=hint)


def _from_click(error: click.ClickException) -> UsageError:
    message, context = error.format_message().strip(), getattr(error, "ctx", None)
    # Click appends what may have been meant; it belongs to what to do.
    meant = _MEANT.search(message)
    wrong = (message[: meant.start()] if meant else message).rstrip(".")
    hints = [f"did you mean {meant[1].replace(', ', ' or ')}?" if meant else ""]
    hints.append(f"`{context.command_path} --help` shows what there is" if context else "")
    return UsageError(wrong[:1].lower() + wrong[1:], hint=" ".join(filter(None, hints)))


def _wants_traceback() -> bool:
    from awcopy.config import load_settings

    try:
        return load_settings().log_level.upper() == "DEBUG"
    except AwcopyError:
        return False


if __name__ == "__main__":
    sys.exit(main())
