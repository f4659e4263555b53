"""A real ``awcopy web``, asked as each role whatever its OpenAPI document allows, and what it does not."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from awcopy.demo.fleet import awcopy_command
from awcopy.demo.ports import pick_ports
from awcopy.demo.processes import ChildProcess, Launch

NAMESPACE = "described"
CONFIG = Path(__file__).with_name("schemathesis.toml")
LIMIT_S = 600  # for hangs, not a measurement
SEED = "20260131"
# An admin gets past every check of a role, so that all else is asked as one; the others find what is refused to them.
EXAMPLES = {"anonymous": 3, "viewer": 5, "operator": 5, "admin": 5}
PHASES = {"admin": "coverage,fuzzing"}


@pytest.fixture(scope="module")
def dashboard(place, tmp_path_factory):
    """Its port, and a token of each role."""
    folder = tmp_path_factory.mktemp("described")
    tokens = {}
    for role in ("viewer", "operator", "admin"):
        made = place.awcopy("token", "create", role, "--role", role, AWCOPY_NAMESPACE=NAMESPACE)
        assert made.returncode == 0, made.stderr
        tokens[role] = made.stdout.strip()
    [port] = pick_ports(1)

    def is_open():
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    launch = Launch(
        name="web",
        command=awcopy_command("web", "--port", str(port)),
        folder=folder,
        is_ready=is_open,
        environment={**place.env, "AWCOPY_NAMESPACE": NAMESPACE},
    )
    process = ChildProcess(launch)
    process.start()
    yield port, tokens
    process.stop()


@pytest.mark.parametrize("role", EXAMPLES)
def test_every_request_is_answered_as_the_document_says(dashboard, tmp_path, role):
    port, tokens = dashboard
    header = ["-H", f"Authorization: Bearer {tokens[role]}"] if role in tokens else []

    done = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run",
            f"http://127.0.0.1:{port}/api/v1/openapi.json", *header, "--phases", PHASES.get(role, "fuzzing"),
            "--max-examples", str(EXAMPLES[role]), "--seed", SEED, "--continue-on-failure", "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )  # fmt: skip

    assert done.returncode == 0, "\n".join(line[:500] for line in done.stdout.splitlines()) + done.stderr
    assert int(re.search(r"Tested: (\d+)", done.stdout)[1]) > 25
