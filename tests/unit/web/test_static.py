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
