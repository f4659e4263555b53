"""Findings of checks as lines or as a record, and what the shell is told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awcopy.cli.console import print_json, print_texts, safe_text
from awcopy.cli.help import Exit
from awcopy.jobs.health import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from awcopy.jobs.health import Finding

_STYLES = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}


def print_findings(schema: str, findings: Sequence[Finding], output: str) -> int:
    """Print the findings, one line each, and return the exit code of the first that fails, else 0."""
    states = [finding.state for finding in findings]
    if output == "json":
        worst = max(states, key=list(State).index)
        records = [finding.to_json() for finding in findings]
        print_json({"schema": schema, "state": worst.value, "findings": records})
    else:
        print_texts(_lines(findings))
    return next((finding.exit_code for finding in findings if finding.state is State.FAIL), Exit.OK)


def _lines(findings: Sequence[Finding]) -> Iterator[Text]:
    from rich.text import Text

    from awcopy.logs import mask_secrets

    widest = max(len(finding.part) for finding in findings)
    for finding in findings:
        told = f"{finding.says}; {finding.advice}" if finding.advice else finding.says
        yield Text.assemble(
            (f"{finding.state.value:<4}", _STYLES[finding.state]),
            safe_text(f"  {finding.part:<{widest}}  {mask_secrets(told)}"),
        )
