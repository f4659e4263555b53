"""Jobs whose credentials lie on the workers: named, used for what they allow, and renewed without the job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from awcopy.vault.profile_files import write_profile

BUCKET, CONTAINER = "profiled", "profiled"
OWN = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AZURE_STORAGE_CONNECTION_STRING")


@pytest.fixture(scope="module")
def profiles(place) -> Iterator[Path]:
    """One profile for each side, on the workers; the user's shell has no credentials of its own."""
    place.make_bucket(BUCKET, {"data/a.csv": b"a,b\n", "data/b.csv": b""})
    place.make_bucket("salaries", {"x": b"secret"})
    place.blobs.create_container(CONTAINER)
    folder = Path(place.env["AWCOPY_PROFILES"])
    source, sink = place.servers.source, place.servers.sink
    write_profile(
        folder,
        "photos",
        {
            "kind": "source", "buckets": ["prof*"], "access_key": source.access_key,
            "secret_key": source.secret_key, "endpoint_url": source.endpoint_url, "region": source.region,
        },
    )  # fmt: skip
    write_profile(
        folder,
        "backup",
        {"kind": "sink", "containers": [CONTAINER], "connection_string": sink.connection_string},
    )
    yield folder
    for path in folder.iterdir():
        path.unlink()


def copy(place, bucket: str = BUCKET, source: str = "photos", sink: str = "backup", *words: str):
    line = ["copy", f"s3://{bucket}/", f"az://{place.servers.sink.account}/{CONTAINER}/x"]
    profiles = ["--source-profile", source, "--sink-profile", sink]
    return place.awcopy(*line, *profiles, *words, **dict.fromkeys(OWN, ""))


def test_a_job_copies_with_the_workers_profiles(place, profiles):
    done = copy(place)
    assert done.returncode == 0, done.stderr
    assert place.differences(BUCKET, f"{CONTAINER}/x") == (2, ())
    job = place.job("@last")
    assert (job["source_profile"], job["sink_profile"]) == ("photos", "backup")
    assert "with profile photos" in done.stdout
    _, held = place.redis_dump()
    assert place.servers.sink.key.encode() not in held


def test_here_too_a_copy_can_use_this_machines_profiles(place, profiles):
    done = copy(place, BUCKET, "photos", "backup", "--local")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("facts", "code", "says"),
    [
        ({"bucket": "salaries"}, 1, "profile 'photos' does not allow the bucket salaries"),
        ({"source": "backup"}, 1, "profile 'backup' is not for a source"),
        ({"sink": "nobody"}, 4, "there is no profile 'nobody'"),
    ],
)
def test_what_the_workers_do_not_allow_is_refused_with_the_reason(place, profiles, facts, code, says):
    done = copy(place, **facts)
    assert done.returncode == code
    assert says in done.stdout


def test_a_profile_that_was_mended_lets_the_paused_job_go_on(place, profiles):
    facts = {"kind": "sink", "containers": ["*"], "account": place.servers.sink.account}
    bad = "d3Jvbmc="
    endpoint = {"endpoint_url": place.servers.sink.blob_url}
    write_profile(profiles, "rotated", {**facts, **endpoint, "account_key": bad})
    assert copy(place, sink="rotated").returncode == 4
    job = place.job("@last")
    assert (job["state"], job["pause_reason"]) == ("paused", "auth")
    write_profile(
        profiles, "rotated", {**facts, **endpoint, "account_key": place.servers.sink.key}, replace_it=True
    )
    assert place.awcopy("jobs", "resume", job["id"]).returncode == 0
    assert place.awcopy("jobs", "watch", job["id"], "-q").returncode == 0


def test_profiles_are_tried_where_they_lie(place, profiles):
    done = place.awcopy("profile", "test", "photos", "backup", "--bucket", BUCKET)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        f"ok    photos s3://{BUCKET}/             can list and read",
        f"ok    backup az://awcopydemo/{CONTAINER}/  can list and write",
    ]


def test_a_profile_serves_every_command_that_looks_from_here(place, profiles):
    env = dict.fromkeys(OWN, "")
    sides = ["--source-profile", "photos", "--sink-profile", "backup"]
    ends = [f"s3://{BUCKET}/", f"az://awcopydemo/{CONTAINER}/x"]
    assert "data/a.csv" in place.awcopy("ls", "-r", ends[0], *sides[:2], **env).stdout
    assert place.awcopy("copy", *ends, *sides, "--dry-run", **env).returncode == 0
    assert place.awcopy("copy", *ends, *sides, "-q", **env).returncode == 0
    checked = place.awcopy("check", *ends, *sides, **env)
    assert checked.returncode == 0, checked.stderr
