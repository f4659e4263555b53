"""The commands that start parts: each passes its options on, and keys are made and shown."""

from __future__ import annotations

import socket
import sys
from types import SimpleNamespace

import pytest

from awcopy.bootstrap import memory_fleet
from awcopy.cli.main import main
from awcopy.vault.sealing import PUBLIC_FILE
from tests.unit.cli.snapshots import JOB_ID, make_job


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch):
    """Stand-ins for the services, which remember how they were called."""
    calls: list[tuple] = []

    def note(name: str):
        return lambda *args, **named: calls.append((name, *args, *named.values())) or 0

    lifecycle = SimpleNamespace(**{name: note(name) for name in ("run_worker", "run_beat", "run_flower")})
    monkeypatch.setitem(sys.modules, "workers.lifecycle", lifecycle)
    monkeypatch.setitem(sys.modules, "web.server", SimpleNamespace(run_web=note("run_web")))
    monkeypatch.setitem(sys.modules, "awcopy.demo.run", SimpleNamespace(run_demo=note("run_demo")))
    monkeypatch.setattr("awcopy.cli.demo.begin", lambda: None)
    return calls


@pytest.mark.parametrize(
    ("words", "name", "rest"),
    [
        (["worker", "--processes", "2", "--concurrency", "16"], "run_worker", (16, 2)),
        (["beat"], "run_beat", ()),
        (["web"], "run_web", ("127.0.0.1", 8080, "", (), 0)),
        (
            ["web", "--port", "0", "--host", "::1", "--flower-url", "http://127.0.0.1:1"],
            "run_web",
            ("::1", 0, "http://127.0.0.1:1", (), 0),
        ),
        (
            ["web", "--name", "a.example", "--name", "b.example", "--proxies", "1"],
            "run_web",
            ("127.0.0.1", 8080, "", ("a.example", "b.example"), 1),
        ),
        (["flower", "--port", "5556"], "run_flower", ("127.0.0.1", 5556)),
    ],
)
def test_a_part_is_started_as_asked(started, words: list[str], name: str, rest: tuple) -> None:
    assert main(words) == 0
    ((called, _settings, *given),) = started
    assert (called, tuple(given)) == (name, rest)


def test_a_worker_has_a_process_per_core_at_least_one(started) -> None:
    assert main(["worker"]) == 0
    assert started[0][2] == 8
    assert started[0][3] >= 1


@pytest.mark.parametrize(
    ("command", "slots", "where", "code"),
    [
        ("worker", 8, "", 0),
        ("worker", 0, "", 7),
        ("worker", 8, "-elsewhere", 7),
        ("beat", 0, "", 0),
        ("beat", 8, "", 7),
    ],
)
def test_a_health_check_finds_the_part_on_its_own_machine_alone(
    command: str, slots: int, where: str, code: int, monkeypatch, capsys
) -> None:
    live = memory_fleet().live
    live.beat(f"awcopy-17@{socket.gethostname()}{where}", slots)
    monkeypatch.setattr("awcopy.bootstrap.connect_live", lambda *_: live)
    assert main([command, "--check"]) == code
    assert ("here: 1" in capsys.readouterr().out) is (code == 0)


@pytest.mark.parametrize("keep", [True, False])
def test_the_demo_is_told_whether_to_keep_its_servers(started, keep: bool) -> None:
    assert main(["demo", "--keep"] if keep else ["demo"]) == 0
    assert started == [("run_demo", keep)]


@pytest.mark.parametrize("command", ["worker", "beat", "web", "flower"])
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("AWCOPY_LOG_LEVEL", "LOUD"),
        ("AWCOPY_LEDGER", "AccountName"),
        ("AWCOPY_REDIS_URL", "redis://host/0?password=word"),
        ("AWCOPY_API_URL", "https://awcopy.example"),
    ],
)
def test_a_bad_setting_stops_a_part_before_it_starts(
    started, command: str, setting: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(setting, value)
    assert main([command]) == 2
    assert not started


def test_keys_are_made_once_and_shown(
    tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWCOPY_KEYS", str(tmp_path / "keys"))
    monkeypatch.setattr("awcopy.cli.keys.begin", _settings)
    assert main(["keys", "public"]) == 4
    assert main(["keys", "init"]) == 0
    made = capsys.readouterr().out
    assert main(["keys", "public"]) == 0
    assert capsys.readouterr().out == made == (tmp_path / "keys" / PUBLIC_FILE).read_text()
    assert main(["keys", "init"]) == 4


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AWCOPY_KEYS", str(tmp_path / "file" / "keys"))
    monkeypatch.setattr("awcopy.cli.keys.begin", _settings)
    assert main(["keys", "init"]) == 4


def _settings():
    from awcopy.config import load_settings

    return load_settings()


def test_keys_are_rotated_and_the_older_ones_kept_while_a_job_needs_them(
    tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from awcopy.config import AwsKeys, Secret
    from awcopy.vault.credentials import JobCredentials
    from awcopy.vault.sealing import read_public_key, seal

    fleet = memory_fleet()
    monkeypatch.setenv("AWCOPY_KEYS", str(tmp_path))
    monkeypatch.setattr("awcopy.cli.keys.begin", _settings)
    monkeypatch.setattr("awcopy.cli.keys.open_fleet", lambda _settings, _what: fleet)
    assert main(["keys", "rotate"]) == 4
    assert main(["keys", "init"]) == 0
    given = JobCredentials(aws=AwsKeys(access_key=Secret("A"), secret_key=Secret("S")))
    sealed = seal(given, JOB_ID, read_public_key(tmp_path))
    job = fleet.ledger.add_job(make_job(sealed=sealed))
    capsys.readouterr()
    assert main(["keys", "rotate"]) == 0
    assert capsys.readouterr().out == (tmp_path / PUBLIC_FILE).read_text()
    assert main(["keys", "prune"]) == 0
    fleet.ledger.delete_job(job.id)
    assert main(["keys", "prune"]) == 0
    assert capsys.readouterr().out == "0\n1\n"


@pytest.mark.parametrize(
    ("shell", "holds"), [("bash", "complete "), ("zsh", "#compdef awcopy"), ("fish", "complete --no-files")]
)
def test_a_shell_is_told_how_to_complete(shell: str, holds: str, monkeypatch, capsys) -> None:
    monkeypatch.setattr("click.shell_completion.BashComplete._check_version", lambda *_: None)
    assert main(["completion", shell]) == 0
    assert holds in capsys.readouterr().out


def test_commands_and_options_are_completed(monkeypatch, capsys) -> None:
    for words, wanted in (
        ("awcopy jo", "plain,jobs"),
        ("awcopy jobs w", "plain,watch"),
        ("awcopy copy --tie", "--tier"),
    ):
        monkeypatch.setenv("_AWCOPY_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        with pytest.raises(SystemExit):
            main([])
        assert wanted in capsys.readouterr().out
