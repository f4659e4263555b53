"""The installed program, without any server: every command answers, and each kind of mistake has its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from awcopy.cli.help import Exit
from awcopy.demo.ports import pick_ports
from docs.generate import walk_commands

LIMIT_S = 60
PROGRAM = str(Path(sys.executable).with_name("awcopy"))
COMMANDS = [context.command_path.split()[1:] for context in walk_commands()]


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """Return an environment in which nothing is set up, and no service can be reached."""
    port = pick_ports(1)[0]
    return {
        "PATH": os.environ["PATH"],  # noqa: TID251 - no setting of awcopy
        "HOME": str(folder),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWCOPY_REDIS_URL": f"redis://127.0.0.1:{port}/0",
        **variables,
    }


def run(env: Mapping[str, str], *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *words], env=env, input=given, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


def test_every_command_explains_itself(tmp_path):
    env = environment(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda words: run(env, *words, "--help"), COMMANDS))
    for words, done in zip(COMMANDS, answers, strict=True):
        assert (done.returncode, done.stderr) == (0, ""), words
        assert done.stdout.startswith(f"Usage: awcopy {' '.join(words)}".rstrip())
        assert "Exit codes:" in done.stdout


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("--version", Exit.OK, ""),
        ("config path", Exit.OK, "is not there"),
        ("config show --origin", Exit.OK, ""),
        ("completion zsh", Exit.OK, ""),
        ("profile list", Exit.OK, ""),
        ("/H", Exit.OK, ""),
        ("", Exit.USAGE, "Commands:"),
        ("cpoy", Exit.USAGE, "did you mean 'copy'?"),
        ("copy s3://b az://acme/con --blocksize 8M", Exit.USAGE, "did you mean '--block-size'?"),
        ("profile add p", Exit.USAGE, "--bucket, --container, --webhook"),
        ("jobs clean --older-than 2999-01-01", Exit.ERROR, "still to come"),
        ("jobs clean --older-than 0s --yes", Exit.USAGE, "have only just ended"),
        ("jobs clean --older-than 1d", Exit.USAGE, "add --yes"),
        ("keys public", Exit.CREDENTIALS, "awcopy keys init"),
        ("keys rotate", Exit.CREDENTIALS, "no private key"),
        ("profile show nobody", Exit.CREDENTIALS, "awcopy profile add nobody"),
        ("copy s3://photos az://acme/backup", Exit.CREDENTIALS, "the environment gives no credentials"),
        ("ls s3://photos", Exit.CREDENTIALS, "this machine has no AWS credentials"),
        ("copy s3://photos az://acme/backup --credentials workers", Exit.UNREACHABLE, "Redis at"),
    ],
)
def test_each_kind_of_mistake_has_its_exit_code_and_says_what_to_do(tmp_path, line, code, says):
    done = run(environment(tmp_path), *line.split())
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_an_output_that_takes_nothing_is_one_line_or_none(tmp_path):
    env = environment(tmp_path)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [PROGRAM, "config", "show"],
            env=env, stdout=full, stderr=subprocess.PIPE, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (Exit.ERROR, 1)
    assert done.stderr.startswith("awcopy: the output cannot be written: ")
    reading, writing = os.pipe()
    os.close(reading)  # as when `head` has gone
    with os.fdopen(writing, "w") as gone:
        done = subprocess.run(
            [PROGRAM, "config", "show"],
            env=env, stdout=gone, stderr=subprocess.PIPE, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (Exit.ERROR, "")


def test_a_secret_that_is_asked_for_may_come_from_standard_input(tmp_path):
    env = environment(tmp_path)
    words = ["profile", "add", "backup", "--account", "acme", "--container", "c", "--account-key", "-"]
    assert run(env, *words, given="a2V5\n").returncode == Exit.OK
    shown = run(env, "profile", "show", "backup")
    assert 'account_key = "**redacted**"' in shown.stdout
    assert (
        run(env, *words, given="a2V5\n").returncode == Exit.USAGE
    )  # it is there already, and is not replaced unasked
