"""The pages say what the code says: settings, commands, options, exit codes; and links lead somewhere."""

from __future__ import annotations

import inspect
import re
from itertools import takewhile
from pathlib import Path

import click
import pytest

from awcopy import errors
from awcopy.cli.help import Exit, HelpfulCommand
from awcopy.cli.legacy import is_legacy
from awcopy.cli.main import COMMANDS
from awcopy.config import stores
from docs import generate

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
CONTEXTS = {context.command_path: context for context in generate.walk_commands()}

_FENCE = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#:\s]*)(?:#([^)\s]+))?\)")
_STORE_VARIABLE = re.compile(r'"((?:AWS|AZURE)_[A-Z0-9_]+)"')


def commands_of(page: Path) -> list[str]:
    """Return the awcopy command lines in a page's code blocks, those cut by a backslash whole again."""
    blocks = "\n".join(_FENCE.findall(page.read_text(encoding="utf-8"))).replace("\\\n", " ")
    lines = (line.strip().removeprefix("$ ") for line in blocks.splitlines())
    return [line for line in lines if line.startswith("awcopy ")]


def slug(heading: str) -> str:
    """Return the name by which a link reaches a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", generate.PAGES)
def test_what_is_generated_is_up_to_date(page):
    text = (generate.FOLDER / page).read_text(encoding="utf-8")

    assert text == generate.render(page), "run `python -m docs.generate`"


def test_every_variable_of_the_ecosystem_that_is_read_is_explained():
    read = set(_STORE_VARIABLE.findall(inspect.getsource(stores)))
    text = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")

    assert read
    assert {name for name in read if f"`{name}`" not in text} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_pages_and_headings_that_are_there(page):
    for target, heading in _LINK.findall(page.read_text(encoding="utf-8")):
        found = (page.parent / target).resolve() if target else page
        assert found.exists(), f"{target} is not there"
        if heading:
            headings = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {slug(text) for text in headings}, f"{target} has no heading #{heading}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_that_are_shown_are_there(page):
    for line in commands_of(page):
        words = list(takewhile(lambda word: word not in {"|", ">", "#"}, line.split()))[1:]
        if words[0] in COMMANDS or words[0].startswith("-"):
            check_options(words)
        else:
            assert is_legacy(words), line


def check_options(words: list[str]) -> None:
    """Fail unless the words name a command, and options that it has."""
    path = "awcopy"
    for word in words:
        if word.startswith("-") and word != "-":
            assert word.partition("=")[0] in options_of(path), f"{path} has no option {word}"
        elif f"{path} {word}" in CONTEXTS:
            path = f"{path} {word}"


def options_of(path: str) -> set[str]:
    """Return the spellings of a command's options."""
    context = CONTEXTS[path]
    options = [one for one in context.command.get_params(context) if isinstance(one, click.Option)]
    return {spelling for option in options for spelling in (*option.opts, *option.secondary_opts)}


def test_every_test_that_the_reliability_page_names_is_there():
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "reliability.md").read_text()))
    written = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert named
    assert {name for name in named if f"def {name}(" not in written} == set()


@pytest.mark.parametrize("path", CONTEXTS)
def test_every_command_and_option_says_what_it_is_for(path):
    context = CONTEXTS[path]
    options = [one for one in context.command.get_params(context) if isinstance(one, click.Option)]
    assert context.command.help
    assert [option.opts for option in options if not option.help] == []


@pytest.mark.parametrize("path", CONTEXTS)
def test_every_command_says_its_exit_codes_and_shows_examples_of_itself(path):
    command = CONTEXTS[path].command
    assert isinstance(command, HelpfulCommand)
    assert Exit.OK in command.exit_codes
    assert Exit.USAGE in command.exit_codes
    assert any(path in example for example in command.examples)


def test_every_error_leaves_with_an_exit_code_that_is_explained():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    explained = {int(row.split("|")[1]) for row in generate.exit_codes_table().splitlines()[2:]}
    assert {kind.exit_code for kind in kinds} <= explained == {int(code) for code in Exit}
