"""Printing: data on standard output, everything else on standard error, untrusted text made harmless.

Owns how a line reaches the terminal. What it says about a job is said in ``summary`` and ``progress``.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, TextIO

from awcopy.errors import AwcopyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console
    from rich.text import Text

# Everything that moves the cursor, changes colours, turns text around or cannot be seen: C0 with ESC, DEL, C1,
# bidi controls, spaces and joiners of no width, fillers, tags, the two separators that some terminals break lines
# at, code points that are no characters, and what UTF-8 cannot carry. Two keys that differ never look the same for
# want of one of these.
_NO_CHARACTERS = "\ufdd0-\ufdef" + "".join(
    chr(end - 1) + chr(end) for end in range(0xFFFF, 0x110000, 0x10000)
)
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff"
    f"{_NO_CHARACTERS}]"
)
# A spreadsheet takes a cell that begins so for a formula (OWASP ASVS 1.2.10).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\0")
_ASKS_FOR_JSON = re.compile(r" (-o|--output)[ =]?(nd)?json ")
_BYTE_END = 0x100
_SHORT_END = 0x10000
_NARROWEST_TABLE = 72
_CUT_TO = 14
_GAP = 2  # between the columns of a table
_NUMBER = re.compile(r"[\d.,:+ -]*(?:[KMGTP]?i?B)?")  # a count, a size or a date
_WIDEST = 10_000


def safe_text(text: str) -> str:
    r"""Return the text with control, bidi and invisible characters shown as ``\x1b`` or ``\u202e``."""
    return _UNSAFE.sub(lambda match: _escape(ord(match[0])), text)


def safe_cell(text: str) -> str:
    """Return the text as a CSV cell that no spreadsheet runs."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def prepare_streams() -> None:
    """Let a terminal that cannot show a character show its escape, in place of an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def print_line(text: str = "") -> None:
    """Print one line of data; the caller has made untrusted parts safe."""
    sys.stdout.write(f"{text}\n")


def print_sentence(text: str) -> None:
    """Print a line that may be long: on a terminal broken between words, a piece indented like its beginning."""
    if not sys.stdout.isatty():
        print_line(safe_text(text))
        return
    indent = " " * (len(text) - len(text.lstrip(" -")))
    width = max(_NARROWEST_TABLE // 2, shutil.get_terminal_size().columns)
    for line in textwrap.wrap(safe_text(text), width, subsequent_indent=indent, break_on_hyphens=False):
        print_line(line)


def print_note(text: str) -> None:
    """Print one line for the person, on standard error."""
    sys.stderr.write(f"{safe_text(text)}\n")
    sys.stderr.flush()


def print_warning(text: str) -> None:
    """Print one line that the person should not miss, on standard error."""
    print_note(f"awcopy: warning: {text}")


def print_json(record: object, *, is_line: bool = False) -> None:
    """Print a record as JSON; non-ASCII characters are escaped, so that no terminal acts on them."""
    print_line(json.dumps(record, indent=None if is_line else 2))
    if is_line:
        sys.stdout.flush()


def print_records(records: Iterable[object], output: str) -> None:
    """Print records as one list of JSON, or with ``ndjson`` a line each, as they come."""
    if output == "json":
        print_json(list(records))
        return
    for record in records:
        print_json(record, is_line=True)


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows as RFC 4180 CSV, as they come; what is not to be seen is shown escaped, line breaks too."""
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    writer.writerows([safe_cell(safe_text(cell)) for cell in row] for row in rows)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table whose cells are safe; cut to the terminal's width, never cut in a pipe.

    On a terminal that is too narrow for a table, each row is a few lines, one for each cell.
    """
    from rich.table import Table
    from rich.text import Text

    console = make_console(sys.stdout)
    if console.width < _NARROWEST_TABLE:
        _print_records(columns, rows)
        return
    shown = [[Text(safe_text(cell)) for cell in row] for row in rows]
    cells = [[Text(column), *(row[index] for row in shown)] for index, column in enumerate(columns)]
    natural = [max(cell.cell_len for cell in column) for column in cells]
    # Half a number is a wrong one; of a name the beginning tells enough.
    may_cut = [index > 0 and not all(map(_is_number, column[1:])) for index, column in enumerate(cells)]
    widths = fit_columns(natural, may_cut, console.width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, width in zip(columns, widths, strict=False):
        table.add_column(column, no_wrap=True, width=width)
    for row in shown:
        table.add_row(*row[: len(widths)])
    console.print(table)
    if left_out := columns[len(widths) :]:
        print_note(f"a wider terminal also shows {', '.join(left_out)}")


def fit_columns(natural: Sequence[int], may_cut: Sequence[bool], limit: int) -> list[int]:
    """Return the widths of the columns that fit in a line: long ones are cut, then the last ones left out.

    Room that is left goes first to those that lack least.
    """
    least = [min(width, _CUT_TO) if cut else width for width, cut in zip(natural, may_cut, strict=True)]
    count = len(least)
    while count > 1 and sum(least[:count]) + _GAP * (count - 1) > limit:
        count -= 1
    widths, spare = least[:count], limit - sum(least[:count]) - _GAP * (count - 1)
    for index in sorted(range(count), key=lambda column: natural[column] - widths[column]):
        more = max(0, min(spare, natural[index] - widths[index]))
        widths[index] += more
        spare -= more
    return widths


def _is_number(cell: Text) -> bool:
    return _NUMBER.fullmatch(cell.plain) is not None


def _print_records(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    widest = max(map(len, columns))
    for number, row in enumerate(rows):
        if number:
            print_line()
        for column, cell in zip(columns, row, strict=True):
            print_line(f"{column:<{widest}}  {safe_text(cell)}".rstrip())


def print_texts(lines: Iterable[Text]) -> None:
    """Print styled lines as data; colours only on a terminal, and not with NO_COLOR."""
    console = make_console(sys.stdout)
    for line in lines:
        console.print(line, soft_wrap=True)


def make_console(stream: TextIO) -> Console:
    """Return a rich console that takes no markup and guesses no highlights."""
    from rich.console import Console

    width = None if stream.isatty() else _WIDEST
    return Console(file=stream, markup=False, highlight=False, emoji=False, width=width)


def print_error(error: AwcopyError, *, as_json: bool) -> None:
    """Print what happened, why and what to do, as one line or as one JSON record, on standard error."""
    from awcopy.logs import mask_secrets

    message, hint = mask_secrets(error.message), mask_secrets(error.hint)
    if as_json:
        print_note(json.dumps({"error": {"code": error.code, "message": message, "hint": hint}}))
        return
    print_note(": ".join(_one_line(part) for part in ("awcopy", message, hint) if part))


def outputs_json(argv: Sequence[str]) -> bool:
    """Return whether a command line asks for JSON, also one that is otherwise wrong."""
    words = " ".join(argv)
    return _ASKS_FOR_JSON.search(f" {words} ") is not None


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _escape(code: int) -> str:
    if code < _SHORT_END:
        return f"\\x{code:02x}" if code < _BYTE_END else f"\\u{code:04x}"
    return f"\\U{code:08x}"
