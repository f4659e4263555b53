from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

import web

WEB = Path(web.__file__).parent
TEMPLATES = sorted((WEB / "templates").rglob("*.html"))
VENDOR = WEB / "static" / "vendor"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_holds_script_or_style_or_trusts_text(template):
    text = template.read_text(encoding="utf-8")

    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"<style|\sstyle\s*=|\son[a-z]+\s*=|javascript:", text, re.IGNORECASE)
    assert not re.search(r"\|\s*safe\b|autoescape|Markup", text)
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", text)


def test_our_own_files_load_nothing_from_elsewhere():
    for path in (WEB / "static").glob("*.[cj]s*"):
        assert not re.search(
            r"https?://|innerHTML|insertAdjacentHTML|eval\(", path.read_text(encoding="utf-8")
        )


def test_vendored_files_are_those_of_the_manifest():
    packages = json.loads((VENDOR / "MANIFEST.json").read_text(encoding="utf-8"))["packages"]
    listed = {
        f"{package['folder']}/{name}": digest
        for package in packages
        for name, digest in package["files"].items()
    }

    found = {
        path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "MANIFEST.json"
    }

    assert found == listed
    assert all(package["version"] and package["licence"] for package in packages)


def test_what_a_page_loads_is_kept_under_the_address_of_its_version(client):
    page = client.get("/").get_data(as_text=True)
    files = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))

    assert any(file.startswith("/static/live.js?v=") for file in files)
    for file in files:
        with client.get(file) as response:
            assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("query", ["", "?v=0123456789ab", "?v="])
def test_under_an_address_of_another_version_a_file_is_asked_for_each_time(client, query):
    with client.get(f"/static/live.js{query}") as response:
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "no-cache"


def test_what_went_wrong_is_kept_nowhere(client):
    page = client.get("/").get_data(as_text=True)
    file = re.search(r'"(/static/live\.js\?v=[^"]+)"', page)[1]
    with client.get(file, headers={"Range": "bytes=99999999-"}) as response:
        assert response.status_code == 416
        assert "immutable" not in response.headers.get("Cache-Control", "")
