"""Every command, every option and every exit code, by the real program: one table of command lines, all of them run.

``test_the_table_leaves_out_nothing`` walks the program's own tree and fails for what no line of the table has. What
the options do in depth is tested beside; here each is taken, and the end and the words are what they should be.
"""

from __future__ import annotations

import os
import pty
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click
import pytest

from awcopy.cli.help import Exit
from awcopy.demo.fleet import awcopy_command
from awcopy.demo.ports import pick_ports
from docs.generate import walk_commands
from tests.acceptance.conftest import LIMIT_S, Place

NOBODY = {"AWCOPY_NAMESPACE": "nobodyworks"}  # a fleet without a single worker
DEAD_PROXY = {"HTTPS_PROXY": "http://127.0.0.1:{port}", "https_proxy": "http://127.0.0.1:{port}"}


@dataclass(frozen=True, kw_only=True)
class Line:
    """A command line, how it must end, and what it must say."""

    words: str
    code: Exit
    says: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    keep_as: str = ""  # the name under which later lines find what this one prints
    typed: str = ""  # on standard input, which is no terminal
    until: str = ""  # what a program that goes on must say before it is asked to end


def ok(words: str, *says: str, **more) -> Line:
    return Line(words=words, code=Exit.OK, says=says, **more)


def ends(code: Exit, words: str, *says: str, **more) -> Line:
    return Line(words=words, code=code, says=says, **more)


SOURCE, SINK = "s3://every/data/", "az://{account}/every/{place}"
CHOICE = (
    "--include '*.txt' --exclude 'x*' --include-regex '.*' --exclude-regex 'never' --min-size 0 --max-size 1G"
)
AGES = "--newer-than 2000-01-01 --older-than 0s"
WHERE = "--endpoint-url {s3} --region {region} --addressing path"
PAYS = "--request-payer requester"
COPYING = (
    "--agents 2 --bandwidth 1G --block-size 1M --files-per-task 10 --verify full --require-proof blocks "
    "--route stream --tier Cool --names encode --metadata exclude --tags --archived restore --restore-tier Bulk "
    "--restore-days 2 --restore-max-objects 5 --restore-max-bytes 1G"
)
PRICES = "--price-table {tmp}/prices.csv --azure-region westeurope --sent-this-month 1T"
PROFILES = "--source-profile none --sink-profile none"
KEYS = ("--encryption-key clear", "--source-encryption-key clear")
SAYS_KEYS = "takes no key in clear"

SCENARIOS: dict[str, list[Line]] = {
    "copy": [
        ok("config prices -o csv", "egress", keep_as="prices.csv"),
        ok(
            f"copy {SOURCE} {SINK} --local --recursive {CHOICE} {AGES} {WHERE} {PAYS} {COPYING} --overwrite always "
            "--azure-endpoint {azure} --no-stamp --versions all --name every --create-container --credentials auto "
            "--journal={tmp}/journal -o json --quiet --verbose",
            '"state": "completed"',
            '"objects": 2',
        ),
        ok(f"copy {SOURCE} {SINK} --local -r -q -v"),
        ok(f"copy {SOURCE} {SINK} --no-recursive --dry-run --output ndjson", '"unchanged"'),
        ok(f"copy {SOURCE} {SINK} --estimate {PRICES}", "estimate"),
        ends(Exit.USAGE, f"copy {SOURCE} {SINK} --local --encrypt", "AWCOPY_ENCRYPTION_SCOPE"),
        ends(Exit.USAGE, f"copy {SOURCE} {SINK} --local --encryption-scope 'a b'", "scope"),
        *[ends(Exit.USAGE, f"copy {SOURCE} {SINK} {key}", SAYS_KEYS) for key in KEYS],
        ends(Exit.CREDENTIALS, f"copy {SOURCE} {SINK} --local {PROFILES}", "none"),
        ends(
            Exit.GUARDED,
            f"copy {SOURCE} {SINK} --delete-source --max-delete 0 --delete-proof blocks "
            "--delete-despite-failures --yes",
            "kept",
        ),
        ends(Exit.USAGE, f"copy {SOURCE} {SINK} --local --notify desk", "leave out --notify"),
        ok(f"copy {SOURCE} {SINK} --detach --credentials auto --notify desk", keep_as="job"),
    ],
    "sync": [
        ok("config prices -o csv", "egress", keep_as="prices.csv"),
        ok(
            f"sync {SOURCE} {SINK} --local --recursive {CHOICE} --older-than 0s {WHERE} {PAYS} {COPYING} "
            "--azure-endpoint {azure} --name every --create-container --credentials auto --compare checksum "
            "--since 2000-01-01 --delete --max-delete 50% --delete-unstamped --journal={tmp}/journal "
            "--output json --quiet --verbose",
            '"state": "completed"',
            '"objects": 2',
        ),
        ok(f"sync {SOURCE} {SINK} -r -q -v -o json --local", '"completed"'),
        ok(f"sync {SOURCE} {SINK} --no-recursive --dry-run", "unchanged"),
        ok(f"sync {SOURCE} {SINK} --estimate {PRICES}", "estimate"),
        ends(Exit.USAGE, f"sync {SOURCE} {SINK} --local --encrypt", "AWCOPY_ENCRYPTION_SCOPE"),
        ends(Exit.USAGE, f"sync {SOURCE} {SINK} --local --encryption-scope 'a b'", "scope"),
        *[ends(Exit.USAGE, f"sync {SOURCE} {SINK} {key}", SAYS_KEYS) for key in KEYS],
        ends(Exit.CREDENTIALS, f"sync {SOURCE} {SINK} --local {PROFILES}", "none"),
        ends(Exit.USAGE, f"sync {SOURCE} {SINK} --local --backup-prefix sync/kept", "overlap"),
        ok(f"sync {SOURCE} {SINK} --detach --notify desk --backup-prefix kept", keep_as="job"),
        ok("jobs watch {job} --quiet --output json", '"completed"'),
        ok("jobs logs {job}", "desk cannot be told by the worker", "awcopy profile add desk"),
    ],
    "check": [
        ok(f"copy {SOURCE} {SINK} --local -q"),
        ok(
            f"check {SOURCE} {SINK} --recursive {CHOICE} {AGES} {WHERE} {PAYS} --azure-endpoint {{azure}} "
            "--names encode --checksum --combined {tmp}/combined --all --output json",
            '"same"',
        ),
        ok(f"check {SOURCE} {SINK} -r --download --all -o ndjson", '"verdict": "="'),
        ok(f"check {SOURCE} {SINK} --no-recursive --versions latest"),
        ends(Exit.DIFFERENT, f"check s3://every/ {SINK}"),
        *[ends(Exit.USAGE, f"check {SOURCE} {SINK} {key}", SAYS_KEYS) for key in KEYS],
        ends(Exit.CREDENTIALS, f"check {SOURCE} {SINK} {PROFILES}", "none"),
    ],
    "ls": [
        ok("config prices -o csv", "egress", keep_as="prices.csv"),
        ok(f"ls {SOURCE} --recursive {CHOICE} {AGES} {WHERE} {PAYS} --totals --output json", '"objects": 2'),
        ok(f"ls {SOURCE} -r --versions all -o json", "2 versions"),
        ok(f"ls {SOURCE} -r --estimate --tier Cool --block-size 8M {PRICES} -o ndjson", "awcopy.estimate/1"),
        ends(Exit.CREDENTIALS, f"ls {SOURCE} --source-profile none", "none"),
    ],
    "jobs": [
        ok("copy s3://every/ {sink} --detach", keep_as="job"),
        ends(Exit.SOME_FAILED, "jobs watch {job} -q -o table"),
        ok("jobs list --limit 1 -o json", "{job}"),
        ok("jobs list --all --output ndjson", "{job}"),
        ok("jobs list --state failed --state completed_with_errors --text S3://EVERY -o json", "{job}"),
        ok("jobs show {short} -o json", "completed_with_errors"),
        ok("jobs show @last --output table", "completed with errors"),
        ok("jobs show @last -o ndjson", '"completed_with_errors"'),
        ok("jobs logs {short} --output ndjson", "completed_with_errors"),
        ok("jobs logs {job} -f -o table", "completed with errors"),
        ok("jobs logs {job} --follow", "completed with errors"),
        ok("jobs report {short} --failed --cancelled -o ndjson", "name_not_allowed"),
        ok("jobs report {short} --copied --skipped --deleted --kept --output csv", "data/one.txt"),
        ok("jobs retry {short} --reason name_not_allowed", "tries 1 object again"),
        ends(Exit.SOME_FAILED, "jobs watch {short} --quiet --output json"),
        *[ends(Exit.USAGE, f"jobs retry {{job}} {key}", SAYS_KEYS) for key in KEYS],
        ends(Exit.ERROR, "jobs pause {short}", "completed"),
        ok("jobs rm {short}", "{job}"),
        ends(Exit.USAGE, "jobs show {job}", "{job}"),
    ],
    "jobs that wait": [
        ok("copy s3://every/ {sink} --detach", "no worker is running", env=NOBODY, keep_as="job"),
        ok("jobs pause {short}", "is paused", env=NOBODY),
        *[ends(Exit.USAGE, f"jobs resume {{job}} {key}", SAYS_KEYS, env=NOBODY) for key in KEYS],
        ends(
            Exit.CREDENTIALS,
            "jobs resume {short} --credentials",
            "every",
            env={**NOBODY, "AWS_SECRET_ACCESS_KEY": "wrong"},
        ),
        ok("jobs show {short} -o json", '"paused"', env=NOBODY),
        ok("jobs resume {short} --credentials", "goes on", env=NOBODY),
        ok("jobs agents {short} 1", "runs 1 task at once", env=NOBODY),
        ok("jobs bandwidth {short} 20M", "at most 20.0 MiB a second", env=NOBODY),
        ok("jobs cancel {short}", "is being cancelled", env=NOBODY),
        ends(Exit.USAGE, "jobs clean --older-than 1m", "add --yes", env=NOBODY),
        ok("jobs clean --older-than 36500d --yes", "0 jobs removed", env=NOBODY),
    ],
    "a job that is cancelled": [
        ok("copy s3://slow/ {sink} --block-size 64K --agents 1 --bandwidth 8M --detach", keep_as="job"),
        ok("jobs cancel {job}"),
        ends(Exit.CANCELLED, "jobs watch {job}", "cancelled"),
    ],
    "schedule": [
        ok(
            "schedule add every {source} {sink} --recursive --include '*.txt' --exclude 'x*' --include-regex '.*' "
            f"--exclude-regex 'never' --min-size 0 --max-size 1G {WHERE} {PAYS} {COPYING} --azure-endpoint {{azure}} "
            "--compare stamp --since last --delete --max-delete 50% --delete-unstamped --cron '30 2 * * *' "
            "--zone Europe/Berlin --catch-up skip --overlap skip"
        ),
        ok("schedule add often {source} {sink} -r --every 6h"),
        ok("schedule add flat {source} {sink} --no-recursive --every 6h"),
        ends(Exit.USAGE, "schedule add e {source} {sink} --every 6h --encrypt", "AWCOPY_ENCRYPTION"),
        ends(Exit.USAGE, "schedule add e {source} {sink} --every 6h --encryption-scope 'a b'", "scope"),
        *[ends(Exit.USAGE, f"schedule add e {{source}} {{sink}} --every 6h {key}") for key in KEYS],
        ok(
            f"schedule add named {{source}} {{sink}} --every 6h {PROFILES} --notify desk --backup-prefix kept"
        ),
        ok("schedule list -o json", '"every"'),
        ok("schedule list --output table", "often"),
        ok("schedule list -o ndjson", '"name": "often"'),
        ok("schedule show every -o json", "Europe/Berlin"),
        ok("schedule show every --output table", "Europe/Berlin"),
        ok("schedule pause every"),
        ok("schedule resume every"),
        ok("schedule run often", keep_as="job"),
        ok("schedule history often --limit 5 -o json", "{job}"),
        ok("schedule history often --output table", "{job}"),
        ok("schedule history often -o ndjson", "{job}"),
        ok("schedule rm every"),
        ok("schedule rm often"),
        ok("schedule rm flat"),
        ok("schedule rm named"),
    ],
    "keys": [
        ok("keys init", env={"AWCOPY_KEYS": "{tmp}/keys"}),
        ok("keys public", env={"AWCOPY_KEYS": "{tmp}/keys"}),
        ok("keys rotate", env={"AWCOPY_KEYS": "{tmp}/keys"}),
        ok("keys prune", "1", env={**NOBODY, "AWCOPY_KEYS": "{tmp}/keys"}),
    ],
    "profile": [
        ok(
            "profile add role --bucket 'every*' --access-key AKIA --secret-key - --session-token @env:TOKEN "
            "--role-arn arn:aws:iam::123456789012:role/x --external-id e --role-session-name s --region {region} "
            "--endpoint-url {s3} --allow-delete",
            env={"AWCOPY_PROFILES": "{tmp}/profiles", "TOKEN": "SECRETMARK"},
            typed="SECRETMARK\n",
        ),
        ok("profile add own --bucket b --aws-profile default", env={"AWCOPY_PROFILES": "{tmp}/profiles"}),
        ok(
            "profile add web --bucket b --role-arn arn:aws:iam::123456789012:role/x --web-identity-token-file {tmp}/t",
            env={"AWCOPY_PROFILES": "{tmp}/profiles"},
        ),
        ok(
            "profile add sink --account acme --container c --account-key -",
            env={"AWCOPY_PROFILES": "{tmp}/profiles"},
            typed="a2V5\n",
        ),
        ok(
            "profile add sink --account acme --container c --sas-token @env:SAS --replace",
            env={"AWCOPY_PROFILES": "{tmp}/profiles", "SAS": "sig=SECRETMARK"},
        ),
        ok(
            "profile add text --container every --connection-string @env:AZURE_STORAGE_CONNECTION_STRING",
            env={"AWCOPY_PROFILES": "{tmp}/profiles"},
        ),
        ok(
            "profile add identity --account acme --container c "
            "--identity-client-id 11111111-2222-3333-4444-555555555555",
            env={"AWCOPY_PROFILES": "{tmp}/profiles"},
        ),
        ok(
            "profile add real --bucket every --access-key {access} --secret-key @env:AWS_SECRET_ACCESS_KEY "
            "--endpoint-url {s3} --region {region}",
            env={"AWCOPY_PROFILES": "{tmp}/profiles"},
        ),
        ok(
            "profile add hook --webhook @env:HOOK --signing-key -",
            env={"AWCOPY_PROFILES": "{tmp}/profiles", "HOOK": "https://hooks.example.com/SECRETMARK"},
            typed="whsec_U0VDUkVUTUFSS1NFQ1JFVE1BUktTRUNSRVRNQVJL\n",
        ),
        ok(
            "profile add mail --email ops@example.com --smtp-url @env:MAIL --sender awcopy@example.com",
            env={
                "AWCOPY_PROFILES": "{tmp}/profiles",
                "MAIL": "smtps://awcopy:SECRETMARK@mail.example.com:465",
            },
        ),
        ok("profile list -o json", '"role"', env={"AWCOPY_PROFILES": "{tmp}/profiles"}),
        ok("profile list --output table", "role", env={"AWCOPY_PROFILES": "{tmp}/profiles"}),
        ok("profile show role -o json", "redacted", env={"AWCOPY_PROFILES": "{tmp}/profiles"}),
        ok("profile show role --output table", "redacted", env={"AWCOPY_PROFILES": "{tmp}/profiles"}),
        ok("profile test real --bucket every -o json", env={"AWCOPY_PROFILES": "{tmp}/profiles"}),
        ok("profile test text --container every --output table", env={"AWCOPY_PROFILES": "{tmp}/profiles"}),
        ok("profile rm role", env={"AWCOPY_PROFILES": "{tmp}/profiles"}),
    ],
    "here": [
        ok("--version", "awcopy"),
        ok("config show --origin -o json", '"origin"'),
        ok("config show --output table", "redis_url"),
        ok("config path"),
        ok("config prices -o json", '"'),
        ok("config prices --output table", "egress from"),
        ends(Exit.UNREACHABLE, "config prices --refresh --region eu-west-1", env=DEAD_PROXY),
        ok("doctor -o json", '"findings"'),
        ok("doctor --output table", "redis"),
        ok("completion bash", "complete"),
        ok("completion zsh", "compdef"),
        ok("completion fish", "complete"),
        ok(
            "legacy-explain bucket:photos path:p accesskey:a secret:- region:eu-west-1 container:con "
            "storageaccount:acme storagekey:-",
            "awcopy copy",
        ),
        ok("/H", "/B"),
    ],
    "token": [
        ok("token create every --role operator --expires 1d -o json", '"operator"', env=NOBODY),
        ok("token create other --output text", "awc_other_", env=NOBODY),
        ok("token list -o json", '"every"', env=NOBODY),
        ok("token list --output table", "other", env=NOBODY),
        ok("token revoke every", env=NOBODY),
        ok("web --port {port} --name awcopy.example.com --proxies 1", until="web_listening", env=NOBODY),
        ok("token revoke other", env=NOBODY),
        ends(Exit.CREDENTIALS, "web --port {port} --name awcopy.example.com", "token create", env=NOBODY),
    ],
    "parts": [
        ends(Exit.UNREACHABLE, "worker --check", "worker", env=NOBODY),
        ends(Exit.UNREACHABLE, "beat --check", "beat", env=NOBODY),
        ok("worker --concurrency 2 --processes 1", until="ready", env=NOBODY),
        ok("beat", until="beat_running", env=NOBODY),
        ok(
            "web --host 127.0.0.1 --port {port} --flower-url http://127.0.0.1:5555",
            until="http://127.0.0.1:{port}",
        ),
        ok("flower --address 127.0.0.1 --port {port}", until="{port}"),
        ok("demo --keep", "Every object arrived, byte for byte.", until="Everything goes on running"),
    ],
}
DETACHED = "copy s3://slow/ az://{account}/every/interrupted --block-size 64K --agents 1 --bandwidth 8M"


def environment(place: Place, facts: Mapping[str, str], line: Line | None = None) -> dict[str, str]:
    changes = line.env if line else {}
    return {**place.env, **{name: value.format(**facts) for name, value in changes.items()}}


@pytest.fixture(scope="module")
def stores(place: Place) -> Place:
    texts = {"data/one.txt": b"1", "data/sub/two.txt": b"22", "bad.": b"no blob ends so"}
    place.make_bucket("every", texts, ChecksumAlgorithm="CRC64NVME")
    place.make_bucket("slow", {"large.bin": os.urandom(1 << 26)})
    place.blobs.create_container("every")
    return place


@pytest.fixture
def facts(stores: Place, tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    servers, name = stores.servers, getattr(request, "param", "interrupted").replace(" ", "-")
    sink = f"az://{servers.sink.account}/every/{name}"
    return {
        "account": servers.sink.account, "place": name, "sink": sink, "source": "s3://every/data/",
        "s3": servers.source.endpoint_url, "azure": servers.sink.blob_url, "access": servers.source.access_key,
        "region": servers.source.region, "tmp": str(tmp_path), "port": str(pick_ports(1)[0]),
    }  # fmt: skip


def run(place: Place, line: Line, facts: Mapping[str, str]) -> tuple[int, str, str]:
    """Run a line to its end and return its exit code and what it printed; one that goes on is interrupted."""
    command = awcopy_command(*shlex.split(line.words.format(**facts)))
    env = environment(place, facts, line)
    if not line.until:
        done = subprocess.run(
            command, env=env, input=line.typed, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        return done.returncode, done.stdout, done.stderr
    with subprocess.Popen(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        said = ""
        for text in process.stdout or ():
            said += text
            if line.until.format(**facts) in text:
                process.send_signal(signal.SIGINT)
    return process.returncode, said, ""


@pytest.mark.timeout(900)  # one of the lines is the whole demo
@pytest.mark.parametrize("facts", SCENARIOS, indirect=True)
def test_each_line_of_the_table_ends_as_it_says(
    stores: Place, facts: dict[str, str], request: pytest.FixtureRequest
) -> None:
    for line in SCENARIOS[request.node.callspec.params["facts"]]:
        code, out, err = run(stores, line, facts)
        assert code == line.code, (line.words, out, err)
        for said in line.says:
            assert said.format(**facts) in out + err, (line.words, out, err)
        assert "SECRETMARK" not in out + err
        assert "Traceback" not in out + err
        if line.keep_as == "job":
            facts["job"], facts["short"] = out.strip(), out.strip()[:8]
        elif line.keep_as:
            Path(facts["tmp"], line.keep_as).write_text(out)


@dataclass(frozen=True, kw_only=True)
class Terminal:
    """A program at a terminal of its own, whose Ctrl-C reaches it as a person's does."""

    process: subprocess.Popen[bytes]
    screen: int

    def read_until(self, text: bytes) -> bytes:
        """Return what is shown until this is, or until the program has ended."""
        shown = b""
        while text not in shown:
            try:
                more = os.read(self.screen, 65536)
            except OSError:  # the program has closed its end
                break
            shown += more
        return shown


def at_terminal(words: str, env: Mapping[str, str]) -> Terminal:
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        ["/usr/bin/env", "setsid", "--ctty", "--wait", *awcopy_command(*shlex.split(words))],
        env={**env, "TERM": "xterm", "COLUMNS": "80"}, stdin=terminal, stdout=terminal, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    return Terminal(process=process, screen=screen)


def test_ctrl_c_at_a_terminal_detaches_and_watch_attaches_again(stores: Place, facts: dict[str, str]) -> None:
    env = environment(stores, facts)
    copying = at_terminal(DETACHED.format(**facts), env)
    assert b"large.bin" not in copying.read_until(b"\x1b[")  # the bar is drawn; it names no keys
    job_id = wait_for_job(stores)
    os.write(copying.screen, b"\x03")
    shown = copying.read_until(b"nothing like this is shown")
    assert copying.process.wait(LIMIT_S) == Exit.INTERRUPTED
    assert f"job {job_id} goes on".encode() in shown
    watching = at_terminal("jobs watch @last", env)
    shown = watching.read_until(b"nothing like this is shown")
    assert watching.process.wait(LIMIT_S) == Exit.OK
    assert b"100" in shown
    assert b"completed" in shown
    for one in (copying, watching):
        os.close(one.screen)


def wait_for_job(place: Place) -> str:
    """Return the id of the copy as soon as its bytes arrive."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        job = place.job("@last")
        if "slow" in str(job["source"]) and job["moved_bytes"]:
            return job["id"]
    raise AssertionError("no byte arrived")


def required() -> set[tuple[str, str]]:
    """Return every command, and every option of each under each of its names."""
    found = set()
    for context in walk_commands():
        path, command = context.command_path.removeprefix("awcopy").strip(), context.command
        if not isinstance(command, click.Group):
            found.add((path, ""))
        options = (one for one in command.params if isinstance(one, click.Option))
        found |= {(path, name) for one in options for name in (*one.opts, *one.secondary_opts)}
    return found


def taken() -> set[tuple[str, str]]:
    """Return the same of what the table runs."""
    paths = {context.command_path.removeprefix("awcopy").strip() for context in walk_commands()}
    found = set()
    for words in (*(line.words for lines in SCENARIOS.values() for line in lines), DETACHED):
        given = shlex.split(words)
        path = max((one for one in paths if given[: len(one.split())] == one.split()), key=len)
        found |= {(path, ""), *((path, word.partition("=")[0]) for word in given)}
    return found


def test_the_table_leaves_out_nothing() -> None:
    assert required() - taken() == set()
    codes = {line.code for lines in SCENARIOS.values() for line in lines} | {Exit.INTERRUPTED}
    assert codes == set(Exit)
