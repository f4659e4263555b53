"""The form of 2015: the command lines of its README and of the case study, on real stores."""

from __future__ import annotations

from pathlib import Path

import pytest

BUCKET = "legacy"
OBJECTS = {
    "report.csv": b"a,b\n",
    "docs/one.pdf": b"%PDF 1",
    "docs/two.pnf": b"pnf",
    "docs/deep/three.pdf": b"%PDF 3",
    "docs2/four.txt": b"four",
    "large.bin": bytes(range(256)) * 4096 * 9,  # 9 MiB: several blocks
}


@pytest.fixture(scope="module")
def bucket(place) -> str:
    place.make_bucket(BUCKET, OBJECTS)
    return BUCKET


def line(place, container: str, path: str, *switches: str) -> list[str]:
    """Return the case study's command line: AWS's parameters, Azure's, and options."""
    aws = [
        f"bucket:{BUCKET}",
        f"path:{path}",
        "accesskey:@env:AWS_ACCESS_KEY_ID",
        "secret:@env:AWS_SECRET_ACCESS_KEY",
    ]
    azure = [f"container:{container}", f"storageaccount:{place.servers.sink.account}", "storagekey:@env:KEY"]
    return [*aws, f"region:{place.servers.source.region}", *azure, *switches]


def copied(place, container: str) -> set[str]:
    return {blob.name for blob in place.blobs.get_container_client(container).list_blobs()}


IN_DOCS = {"docs/one.pdf", "docs/two.pnf", "docs/deep/three.pdf"}
CASES = {
    "everything-on-the-fleet": ("*.*", ["/C", "/S", "/B:4MB", "/J:nightly", "/A:4", "/V"], set(OBJECTS)),
    "everything-here": ("*", ["/U", "/S"], set(OBJECTS)),
    "by-default-here": ("report.csv", [], {"report.csv"}),
    "a-single-file": ("docs/one.pdf", ["/U"], {"docs/one.pdf"}),
    "a-folder": ("docs/", ["/u"], {"docs/one.pdf", "docs/two.pnf"}),
    "a-folder-and-below": ("docs/", ["/c", "/s", "/b", "8M", "/a", "2"], IN_DOCS),
    "a-prefix": ("docs", ["/S"], IN_DOCS | {"docs2/four.txt"}),
    "a-wildcard": ("docs/*.p?f", ["/U"], {"docs/one.pdf", "docs/two.pnf"}),
    "a-wildcard-below": ("*.pdf", ["/S"], {"docs/one.pdf", "docs/deep/three.pdf"}),
    "a-regular-expression": ("docs/.*\\.(pdf|txt)", ["/C", "/S"], {"docs/one.pdf", "docs/deep/three.pdf"}),
    "large-in-small-blocks": ("large.bin", ["/U", "/B:1024K"], {"large.bin"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_command_line_of_2015_copies_what_it_says(place, bucket, name):
    path, switches, taken = CASES[name]
    place.blobs.create_container(name)
    done = place.awcopy(*line(place, name, path, *switches), KEY=place.servers.sink.key)
    assert done.returncode == 0, done.stderr
    assert copied(place, name) == taken
    for blob in taken:
        assert place.blobs.get_blob_client(name, blob).download_blob().readall() == OBJECTS[blob]
    assert place.servers.sink.key not in done.stdout + done.stderr
    if "/C" in switches or "/c" in switches:
        job = place.job("@last")
        assert job["name"] == ("nightly" if "/J:nightly" in switches else "default")


def test_names_in_any_case_and_secrets_in_clear_work_with_a_warning(place, bucket):
    place.blobs.create_container("in-clear")
    source, sink = place.servers.source, place.servers.sink
    done = place.awcopy(
        f"BUCKET:{BUCKET}", "Path:report.csv", f"AccessKey:{source.access_key}", f"SECRET:{source.secret_key}",
        "CONTAINER:in-clear", f"StorageAccount:{sink.account}", f"STORAGEKEY:{sink.key}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "in clear can be read in the process list" in done.stderr
    assert copied(place, "in-clear") == {"report.csv"}
    assert sink.key not in done.stderr


def test_a_journal_is_written_where_the_command_runs(place, bucket, tmp_path: Path, monkeypatch):
    place.blobs.create_container("journalled")
    monkeypatch.chdir(tmp_path)
    done = place.awcopy(*line(place, "journalled", "report.csv", "/Z"), KEY=place.servers.sink.key)
    assert done.returncode == 0, done.stderr
    [journal] = tmp_path.glob("awcopy-*-*.log")
    assert '"object_ended"' in journal.read_text()


def test_the_list_names_every_key_and_what_a_copy_would_cost(place, bucket):
    done = place.awcopy(*line(place, "unused", "*.*", "/L"), KEY=place.servers.sink.key)
    assert done.returncode == 0, done.stderr
    assert all(key in done.stdout for key in OBJECTS)
    assert "unused" not in {container.name for container in place.blobs.list_containers()}
