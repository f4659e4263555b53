"""Jobs that last longer than their credentials, on real workers: each is renewed, and every request signed anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from awcopy.config import Secret
from awcopy.demo.fleet import awcopy_command
from awcopy.demo.processes import ChildProcess, Launch
from awcopy.live.redis import RedisLive
from awcopy.vault.profile_files import write_profile
from tests.acceptance.passing_s3 import PassingServer, serve_passing

BUCKET, CONTAINER, NAMESPACE = "passing", "passing", "passing"
ROLE = "arn:aws:iam::123456789012:role/reader"
OBJECTS = {f"data/{number:03}": b"%d" % number for number in range(300)}
# Far more than are ever under way at once, and far fewer than a job asks for.
LASTS = 150
OWN = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_REGION")


@pytest.fixture
def passing(place, tmp_path: Path) -> Iterator[PassingServer]:
    """A server whose credentials pass, and a worker of its own fleet that asks it for them."""
    with ExitStack() as stack:
        server = stack.enter_context(serve_passing(BUCKET, OBJECTS, lasts=LASTS))
        env = {
            **{name: value for name, value in place.env.items() if name not in OWN},
            "AWCOPY_NAMESPACE": NAMESPACE,
            "AWCOPY_PROFILES": str(tmp_path / "profiles"),
            "AWS_ENDPOINT_URL_STS": server.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        live = RedisLive(Secret(place.servers.redis.url), NAMESPACE)
        stack.callback(live.close)
        launch = Launch(
            name="worker",
            command=awcopy_command("worker", "--processes", "1"),
            folder=tmp_path / "worker",
            is_ready=lambda: bool(live.workers()),
            environment=env,
        )
        worker = ChildProcess(launch)
        worker.start()
        stack.callback(worker.stop)
        yield server


BY_KEYS = {"access_key": "AKIAOWN", "secret_key": "own", "external_id": "acme"}
BY_TOKEN = {"web_identity_token_file": "token"}


@pytest.mark.parametrize("way", [BY_KEYS, BY_TOKEN], ids=["keys", "web identity"])
def test_a_job_outlives_the_credentials_that_it_began_with(place, passing, tmp_path, way) -> None:
    if "web_identity_token_file" in way:
        token = tmp_path / "token"
        token.write_text("a.b.c")
        way = {"web_identity_token_file": str(token)}
    write_profile(
        tmp_path / "profiles",
        "role",
        {"kind": "source", "buckets": [BUCKET], "role_arn": ROLE, "endpoint_url": passing.url, **way},
    )
    sink = f"az://{place.servers.sink.account}/{CONTAINER}-{len(way)}/"
    line = [
        "copy",
        f"s3://{BUCKET}/data/",
        sink,
        "--source-profile",
        "role",
        "--create-container",
        "--route",
        "stream",
    ]
    env = {**dict.fromkeys(OWN, ""), "AWCOPY_NAMESPACE": NAMESPACE}
    done = place.awcopy(*line, **env)
    assert done.returncode == 0, (done.stderr, passing.refused)
    assert passing.refused == []
    assert len(passing.taken) >= len(OBJECTS)
    # The first credentials were long refused when the last request came.
    assert passing.taken[-1] - passing.taken[0] > LASTS
    assert len(set(passing.taken)) > LASTS
    assert {asked["RoleArn"] for asked in passing.asked} == {ROLE}
    blobs = place.blobs.get_container_client(f"{CONTAINER}-{len(way)}")
    assert {blob.name for blob in blobs.list_blobs()} == {key.removeprefix("data/") for key in OBJECTS}
