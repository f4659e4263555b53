"""The command line of 2015 (``awcopy bucket:B path:P ... /C /B:4M``) as one table, turned into today's.

Owns the table and the reading of such a command line. The secrets in it are resolved by ``legacy_secrets``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from awcopy.cli.addresses import check_account, check_bucket, check_container
from awcopy.cli.legacy_path import check_path, read_path
from awcopy.errors import UsageError
from awcopy.planning.blocks import check_block_size
from awcopy.units import parse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_SWITCH = re.compile(r"/([A-Za-z?])(?::(.*))?", re.DOTALL)
_PARAMETER = re.compile(r"([A-Za-z]+):(.*)", re.DOTALL)
# What /D is confirmed with beforehand; the form of 2015 only asked.
_YES = "--yes"
_HELP_HINT = "`awcopy /H` explains them all"
_MOST_AGENTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One ``name:value`` argument."""

    name: str
    meaning: str
    is_required: bool = True
    is_secret: bool = False
    is_of_sink: bool = False  # not needed to list, which contacts the source alone
    check: Callable[[str], str] = str


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One ``/X`` switch and today's option for it."""

    letter: str
    meaning: str
    modern: str = ""  # today's option; empty: nothing has to be said
    value: str = ""  # what its value is; empty: it takes none
    example: str = ""  # of such a value
    check: Callable[[str], str] = str
    is_there: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyCall:
    """A command line of 2015, read and checked; secrets are still as they were written."""

    parameters: Mapping[str, str]
    switches: Mapping[str, str]

    @property
    def wants_help(self) -> bool:
        """Whether it only asks what there is."""
        return "H" in self.switches

    @property
    def is_list(self) -> bool:
        """Whether it lists, and copies nothing."""
        return "L" in self.switches

    def modern_argv(self) -> list[str]:
        """Return today's command line for the same, without the secrets."""
        return self._list_argv() if self.is_list else self._copy_argv()

    def _list_argv(self) -> list[str]:
        """Return the list that the original made: of everything below, with an estimate; copies' switches are moot."""
        given = self.parameters
        path = read_path(given["path"], recursive=True)
        argv = ["ls", "--recursive", "--estimate", f"s3://{given['bucket']}/{path.prefix}", *path.filters]
        argv += ["--region", given["region"]] if given.get("region") else []
        return [*argv, "--block-size", self.switches["B"]] if "B" in self.switches else argv

    def _copy_argv(self) -> list[str]:
        given = self.parameters
        path = read_path(given["path"], recursive="S" in self.switches)
        is_recursive = "S" in self.switches or "/" in path.pattern
        argv = [
            "copy",
            f"s3://{given['bucket']}/{path.prefix}",
            f"az://{given['storageaccount']}/{given['container']}/{path.folder}",
            *path.filters,
        ]
        argv += ["--recursive" if is_recursive else "--no-recursive"]
        argv += ["--region", given["region"]] if given.get("region") else []
        argv += [] if "C" in self.switches else ["--local"]
        for letter, value in self.switches.items():
            option = letter if letter == _YES else _SWITCHES[letter].modern
            argv += [option, value] if option and value else [option] if option else []
        return argv


def check_agents(text: str) -> str:
    """Return the number as text if a job can have so many agents."""
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_AGENTS:
        raise UsageError(f"{text!r} is no number of agents", hint=f"write 1 to {_MOST_AGENTS}")
    return text


def check_blocks(text: str) -> str:
    """Return the size as text if a block can have it."""
    check_block_size(parse_size(text))
    return text


def check_name(text: str) -> str:
    """Return the name if the original would have taken it."""
    if not text.isprintable() or " " in text:
        raise UsageError("a job's name holds no spaces", hint="write it like /J:nightly-backup")
    return text


PARAMETERS = (
    Parameter(name="bucket", meaning="the S3 bucket", check=check_bucket),
    Parameter(
        name="path",
        meaning="a key, a folder (data/), *.* for everything, a wildcard (data/*.p?f) or a regular\n"
        f"{'':19}expression for whole keys (data/.*\\.(jpg|png))",
        check=check_path,
    ),
    Parameter(name="accesskey", meaning="the AWS access key's id", is_secret=True),
    Parameter(
        name="secret",
        meaning="the AWS secret key: @env:NAME, @file:PATH, - to be asked, or the key itself",
        is_secret=True,
    ),
    Parameter(name="region", meaning="the bucket's region; found out when left out", is_required=False),
    Parameter(name="container", meaning="the Azure container", is_of_sink=True, check=check_container),
    Parameter(
        name="storageaccount", meaning="the Azure storage account", is_of_sink=True, check=check_account
    ),
    Parameter(
        name="storagekey", meaning="the account's key, written like secret:", is_secret=True, is_of_sink=True
    ),
)
SWITCHES = (
    Switch(
        letter="A",
        meaning="most agents that copy at once (default 4)",
        modern="--agents",
        value="a number",
        example="4",
        check=check_agents,
    ),
    Switch(
        letter="B",
        meaning="block size, nnnnK or nnnnM (default 8M)",
        modern="--block-size",
        value="a size",
        example="8M",
        check=check_blocks,
    ),
    Switch(letter="C", meaning="copy on the fleet"),
    Switch(
        letter="D",
        meaning="delete in S3, after the copy, what is proved; asks first (--yes: does not)",
        modern="--delete-source",
    ),
    Switch(
        letter="E",
        meaning="encrypt the blobs with AWCOPY_ENCRYPTION_SCOPE or AWCOPY_ENCRYPTION_KEY",
        modern="--encrypt",
    ),
    Switch(letter="H", meaning="show this help"),
    Switch(
        letter="J",
        meaning="the job's name, without spaces (default: default)",
        modern="--name",
        value="a name",
        example="nightly",
        check=check_name,
    ),
    Switch(letter="L", meaning="list all below the path and estimate the charges, copy nothing"),
    Switch(letter="N", meaning="count the files, copy nothing", is_there=False),
    Switch(
        letter="P",
        meaning="prompt before blobs are overwritten: once, for all of them",
        modern="--overwrite=prompt",
    ),
    Switch(letter="S", meaning="take what lies in folders below, too"),
    Switch(letter="U", meaning="copy on this machine, without the fleet (the default)"),
    Switch(letter="V", meaning="say more", modern="--verbose"),
    Switch(letter="Z", meaning="log everything to a journal here, awcopy-date-time.log", modern="--journal"),
)
_PARAMETERS = {parameter.name: parameter for parameter in PARAMETERS}
_SWITCHES = {switch.letter: switch for switch in SWITCHES}


def is_legacy(argv: Sequence[str]) -> bool:
    """Return whether a command line is of the 2015 form; a file's path like ``/data`` is no switch."""
    return any(_is_legacy_token(token) for token in argv)


def read_legacy(argv: Sequence[str]) -> LegacyCall:
    """Return what a command line of the 2015 form says.

    Raises:
        UsageError: A word is unknown, given twice, wrong, missing, or means what awcopy does not do yet.
    """
    parameters: dict[str, str] = {}
    switches: dict[str, str] = {}
    for name, value in _read_words(list(argv)):
        into = switches if len(name) == 1 or name == _YES else parameters
        shown = f"/{name}" if len(name) == 1 else name if name == _YES else f"{name}:"
        if name in into:
            raise UsageError(f"{shown} is given twice", hint="leave one of them out")
        into[name] = value
    call = LegacyCall(parameters=parameters, switches=switches)
    if not call.wants_help:
        _check_call(call)
    return call


def legacy_help() -> str:
    """Return the explanation of every parameter and switch."""
    lines = [
        "Usage: awcopy NAME:VALUE... /SWITCH...   (the form of 2015; `awcopy --help` shows today's)",
        "",
        "Parameters:",
    ]
    lines += [f"  {f'{each.name}:':<17}{each.meaning}" for each in PARAMETERS]
    lines += ["", "Switches, in either case, values after a colon or a space:"]
    for switch in SWITCHES:
        note = "" if switch.is_there else " (not there yet)"
        lines.append(f"  {_spelled(switch):<17}{switch.meaning}{note}")
    lines += [
        "",
        "Examples:",
        "  awcopy bucket:photos path:2024/*.jpg accesskey:@env:AWS_ID secret:@env:AWS_SECRET \\",
        "      region:eu-west-1 container:backup storageaccount:acme storagekey:@env:AZ_KEY /C /S",
        "  awcopy legacy-explain bucket:photos path:*.* ... /U     shows the same in today's form",
    ]
    return "\n".join(lines)


def _spelled(switch: Switch) -> str:
    return f"/{switch.letter}:{switch.example}" if switch.value else f"/{switch.letter}"


def _is_legacy_token(token: str) -> bool:
    if _SWITCH.fullmatch(token):
        return True
    found = _PARAMETER.fullmatch(token)
    return bool(found) and found is not None and found[1].lower() in _PARAMETERS


def _read_words(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each parameter's name, or switch's letter, with its value."""
    while words:
        word = words.pop(0)
        if word == _YES:
            yield _YES, ""
        elif found := _SWITCH.fullmatch(word):
            switch = _find_switch(found[1].upper())
            yield switch.letter, _switch_value(switch, found[2], words)
        elif found := _PARAMETER.fullmatch(word):
            parameter = _find_parameter(found[1].lower())
            yield (
                parameter.name,
                _checked(f"{parameter.name}:", parameter.check, found[2]) if found[2] else "",
            )
        else:
            raise UsageError(
                f"{word!r} is neither NAME:VALUE nor a /SWITCH of the 2015 form", hint=_HELP_HINT
            )


def _find_switch(letter: str) -> Switch:
    switch = _SWITCHES.get("H" if letter == "?" else letter)
    if switch is None:
        raise UsageError(f"there is no switch /{letter}", hint=_HELP_HINT)
    if not switch.is_there:
        raise UsageError(
            f"/{letter} ({switch.meaning}) is not there yet", hint="leave it out; nothing was copied"
        )
    return switch


def _find_parameter(name: str) -> Parameter:
    if name not in _PARAMETERS:
        close = get_close_matches(name, _PARAMETERS, n=1)
        raise UsageError(
            f"there is no parameter {name}:", hint=f"did you mean {close[0]}:?" if close else _HELP_HINT
        )
    return _PARAMETERS[name]


def _switch_value(switch: Switch, after_colon: str | None, words: list[str]) -> str:
    shown = f"/{switch.letter}"
    if not switch.value:
        if after_colon is not None:
            raise UsageError(f"{shown} takes no value", hint=f"write {shown} alone")
        return ""
    value = after_colon
    if value is None and words and not _is_legacy_token(words[0]):
        value = words.pop(0)
    if not value:
        raise UsageError(f"{shown} needs {switch.value}", hint=f"write it like {_spelled(switch)}")
    return _checked(shown, switch.check, value)


def _checked(shown: str, check: Callable[[str], str], value: str) -> str:
    try:
        return check(value)
    except UsageError as error:
        raise UsageError(f"{shown} {error.message}", hint=error.hint) from None


def _check_call(call: LegacyCall) -> None:
    if {"C", "U"} <= set(call.switches):
        raise UsageError(
            "/C (on the fleet) and /U (on this machine) contradict each other", hint="leave one of them out"
        )
    required = [each for each in PARAMETERS if each.is_required and not (call.is_list and each.is_of_sink)]
    missing = [each.name for each in required if not call.parameters.get(each.name)]
    if missing:
        raise UsageError(f"missing parameters: {', '.join(missing)}", hint=_HELP_HINT)
