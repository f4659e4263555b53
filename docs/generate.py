"""Writes the parts of docs/reference that come from the code: settings, exit codes, command line, HTTP API.

Run ``python -m docs.generate`` in the repository's folder. Owns only what stands between the two marks of
a page; ``tests/unit/test_docs.py`` fails when that is behind the code.
"""
# ruff: noqa: INP001 - a script beside the pages that it writes, and no package

from __future__ import annotations

from dataclasses import Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from awcopy.cli.help import Exit, write_epilog
from awcopy.cli.legacy import legacy_help
from awcopy.cli.main import cli
from awcopy.config import Secret, Settings, variable_name
from web.openapi import describe_api

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent
BEGIN = "<!-- From here to the next mark `python -m docs.generate` writes. -->"
END = "<!-- End of what is generated. -->"
_COLUMNS = 78  # what Click leaves of a terminal of 80
_ONE_LINE = 1000


def settings_table() -> str:
    """Return the settings as a table: variable, kind of value, default, meaning."""
    rows = ["| variable | value | default | meaning |", "|---|---|---|---|"]
    for setting in fields(Settings):
        name, default = variable_name(setting.name), _default(setting.default)
        shown = f"`{default}`" if default else "none"
        rows.append(f"| `{name}` | {_kind(setting)} | {shown} | {setting.metadata['help']} |")
    return "\n".join(rows)


def exit_codes_table() -> str:
    """Return the exit codes as the help pages name them."""
    formatter = click.HelpFormatter(width=_ONE_LINE)
    write_epilog(formatter, (), tuple(Exit))
    lines = formatter.getvalue().partition("Exit codes:\n")[2].splitlines()
    codes = (line.split(maxsplit=1) for line in lines)
    return "\n".join(["| code | meaning |", "|---|---|", *(f"| {code} | {about} |" for code, about in codes)])


def help_pages() -> str:
    """Return the help page of every command, and that of the form of 2015."""
    pages = [(context.command_path, context.get_help()) for context in walk_commands()]
    pages.append(("The form of 2015: awcopy /H", legacy_help()))
    return "\n\n".join(f"## {title}\n\n```text\n{_trimmed(text)}\n```" for title, text in pages)


def walk_commands(
    command: click.Command = cli, name: str = "awcopy", parent: click.Context | None = None
) -> Iterator[click.Context]:
    """Yield the context of a command and of every command below it, in the order of the help pages."""
    options = {"terminal_width": _COLUMNS, **command.context_settings}
    context = click.Context(command, info_name=name, parent=parent, **options)
    yield context
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None, f"{inner} is listed and not there"  # noqa: S101 - a defect of the group
            yield from walk_commands(found, inner, context)


def http_api() -> str:
    """Return every request of the HTTP API: what it is for, takes and answers."""
    paths = describe_api()["paths"]
    requests = [
        _request(path, method, about) for path, item in paths.items() for method, about in item.items()
    ]
    body = describe_api()["components"]["schemas"]["JobRequest"]
    rows = [
        f"| `{name}`{' (required)' if name in body['required'] else ''} | {_value(schema)} | {schema['description']} |"
        for name, schema in body["properties"].items()
    ]
    return "\n\n".join(
        [*requests, "## JobRequest", "\n".join(["| member | value | meaning |", "|---|---|---|", *rows])]
    )


def _request(path: str, method: str, about: dict[str, Any]) -> str:
    given = [one for one in about["parameters"] if one["in"] != "path"]
    lines = [f"## {method.upper()} {path}", "", about["summary"], ""]
    if "x-role" in about:
        lines.append(f"- role: {about['x-role']}")
    lines += [
        f"- {one['in']} `{one['name']}` ({_value(one['schema'])}): {one['description']}" for one in given
    ]
    if "requestBody" in about:
        lines.append(f"- body: {_value(about['requestBody']['content']['application/json']['schema'])}")
    for status, answer in about["responses"].items():
        kinds = {_value(content["schema"]) for content in answer.get("content", {}).values()}
        lines.append(f"- {status} {' or '.join(sorted(kinds))}: {answer['description']}")
    return "\n".join(lines)


def _value(schema: dict[str, Any]) -> str:
    """Return what a value is, in few words."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "oneOf" in schema:
        return " or ".join(map(_value, schema["oneOf"]))
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    if schema["type"] == "array":
        return f"list: {_value(schema['items'])}"
    limits = [f"{schema[name]}" for name in ("minimum", "maximum") if name in schema]
    kind = {"string": "text", "integer": "whole number"}.get(schema["type"], schema["type"])
    return f"{kind}, {' to '.join(limits)}" if len(limits) > 1 else kind


PAGES = {
    "reference/settings.md": settings_table,
    "reference/exit-codes.md": exit_codes_table,
    "reference/cli.md": help_pages,
    "reference/http-api.md": http_api,
}


def render(page: str) -> str:
    """Return the whole text of a page, what is generated brought up to date."""
    before, _, rest = (FOLDER / page).read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{PAGES[page]()}\n\n{END}{after}"


def _kind(setting: Field[Any]) -> str:
    default = setting.default
    if isinstance(default, bool):
        return "`1` or `0`"
    if isinstance(default, int):
        return f"whole number, 1 to {setting.metadata['most']:,}"
    if isinstance(default, Secret):
        return "text, kept secret"
    return "path" if isinstance(default, Path) else "text"


def _default(default: object) -> str:
    if isinstance(default, Secret):
        return default.reveal()
    return str(int(default)) if isinstance(default, bool) else str(default)


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines())


if __name__ == "__main__":
    for path in PAGES:
        (FOLDER / path).write_text(render(path), encoding="utf-8")
