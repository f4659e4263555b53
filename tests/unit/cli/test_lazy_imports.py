"""Help answers at once, because nothing that it does not need is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from awcopy.cli.help import Exit
from awcopy.cli.main import COMMANDS

SDKS = (
    "boto3",
    "botocore",
    "azure",
    "celery",
    "kombu",
    "redis",
    "flask",
    "cryptography",
    "rich",
    "structlog",
    "awscrt",
)
ROOT = Path(__file__).parents[3]
SCRIPT = """
import sys
from awcopy.cli.main import main
code = main(sys.argv[1:])
sys.stderr.write(f"\\n{code} " + " ".join(sys.modules))
"""


def modules_after(*words: str, **variables: str) -> tuple[int, set[str]]:
    """Return the exit code of a command line, and the modules that it imported."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words],
        cwd=ROOT,
        env={**os.environ, **variables},  # noqa: TID251 - no setting of awcopy
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    code, *names = done.stderr.splitlines()[-1].split()
    return int(code), set(names)


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["copy", "--help"], ["jobs", "--help"], ["/H"]], ids=" ".join
)
def test_help_imports_no_sdk(words: list[str]) -> None:
    code, names = modules_after(*words)
    assert code == 0
    assert "click" in names
    assert not names & set(SDKS)


@pytest.mark.parametrize(
    "words", [["jobs", "list"], ["jobs", "show", "@last"], ["schedule", "list"]], ids=" ".join
)
def test_looking_at_jobs_imports_neither_the_stores_clients_nor_celery(words: list[str]) -> None:
    ledger = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;TableEndpoint=http://127.0.0.1:1/a"
    code, names = modules_after(*words, AWCOPY_LEDGER=ledger)
    assert code == Exit.UNREACHABLE
    assert "azure.data.tables" in names
    assert not names & {"boto3", "botocore", "azure.storage.blob", "awscrt", "celery", "kombu", "flask"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_can_be_imported_and_ends_its_help_with_examples_and_exit_codes(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from awcopy.cli.main import main

    assert main([command, "--help"]) == 0
    _, examples, codes = (
        capsys.readouterr().out.replace("Examples:", "\0").replace("Exit codes:", "\0").split("\0")
    )
    assert examples.count("  awcopy ") + examples.count("=") >= 2
    assert codes.split()[0] == "0"


def test_a_reader_that_has_gone_ends_the_program_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "awcopy.cli.main", "/H"],
        cwd=ROOT,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")
