"""The completion scripts in real shells: what a Tab offers after the beginning of a line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LIMIT_S = 60
FOLDER = Path(sys.executable).parent  # of the program that the scripts call by its name
LINES = [
    # what is typed, and what is offered
    ("awcopy jo", {"jobs"}),
    ("awcopy jobs sh", {"show"}),
    ("awcopy jobs re", {"report", "resume", "retry"}),
    ("awcopy copy --over", {"--overwrite"}),
    ("awcopy copy s3://b az://a/c --overwrite ne", {"never", "newer"}),
    ("awcopy completion f", {"fish"}),
    ("awcopy zzz", set()),
]
IN_BASH = """
source <(awcopy completion bash)
complete -p awcopy > /dev/null || exit 9
COMP_WORDS=($1); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_awcopy_completion awcopy "${COMP_WORDS[-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
IN_FISH = "awcopy completion fish | source; complete --do-complete $argv[1]"
# Zsh's own completion needs a terminal; the script is read by it, and asked as its function asks.
IN_ZSH = """
autoload -Uz compinit && compinit -u
source <(awcopy completion zsh)
(( $+_comps[awcopy] )) || exit 9
words=(${=1})
env COMP_WORDS="$1" COMP_CWORD=$(( ${#words} - 1 )) _AWCOPY_COMPLETE=zsh_complete awcopy
"""
SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-c", IN_BASH, "bash"],
    "fish": ["fish", "--no-config", "-c", IN_FISH],
    "zsh": ["zsh", "-f", "-c", IN_ZSH, "zsh"],
}


def offered(shell: str, typed: str, folder: Path) -> set[str]:
    """Return what the shell offers in place of the last word."""
    env = {"PATH": f"{FOLDER}:{os.environ['PATH']}", "HOME": str(folder)}  # noqa: TID251 - no setting of awcopy
    done = subprocess.run(
        [*SHELLS[shell], typed], env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    if shell == "zsh":  # the kind, the word and what it does, a line each
        return set(lines[1::3])
    return {line.partition("\t")[0] for line in lines if line}


@pytest.mark.parametrize("typed", [line[0] for line in LINES])
@pytest.mark.parametrize("shell", SHELLS)
def test_a_tab_offers_what_can_follow(shell: str, typed: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    assert offered(shell, typed, tmp_path) == dict(LINES)[typed]
