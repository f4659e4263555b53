from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from awcopy.config import Settings, load_settings, load_settings_with_origins, variable_name
from awcopy.errors import UsageError


def test_without_an_environment_every_setting_has_its_default():
    assert load_settings({}) == Settings()


def test_each_setting_comes_from_its_own_variable():
    settings = load_settings(
        {
            "AWCOPY_REDIS_URL": "redis://h/1",
            "AWCOPY_LEDGER": "https://a.blob.core.windows.net",
            "AWCOPY_NAMESPACE": "staging",
            "AWCOPY_KEYS": "/keys",
            "AWCOPY_ALLOW_PRIVATE_ENDPOINTS": "1",
            "AWCOPY_LEASE_S": "90",
            "AWCOPY_CONNECTIONS": "4",
            "AWCOPY_LOG_LEVEL": "DEBUG",
            "HOME": "/root",
        }
    )
    assert settings.redis_url.reveal() == "redis://h/1"
    assert settings.ledger.reveal() == "https://a.blob.core.windows.net"
    assert (settings.namespace, settings.keys) == ("staging", Path("/keys"))
    assert settings.allow_private_endpoints is True
    assert (settings.lease_s, settings.connections, settings.log_level) == (90, 4, "DEBUG")


@pytest.mark.parametrize("name", [f.name for f in fields(Settings)])
def test_every_setting_says_what_it_is_for(name):
    [setting] = [f for f in fields(Settings) if f.name == name]
    assert setting.metadata["help"].endswith(".")
    assert variable_name(name) == f"AWCOPY_{name.upper()}"


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("true", True), ("YES", True), ("on", True), ("0", False), ("no", False), ("", False)],
)
def test_flags_are_read_as_people_write_them(text, value):
    assert load_settings({"AWCOPY_ALLOW_PRIVATE_ENDPOINTS": text}).allow_private_endpoints is value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("AWCOPY_ALLOW_PRIVATE_ENDPOINTS", "maybe"),
        ("AWCOPY_LEASE_S", "0"),
        ("AWCOPY_LEASE_S", "-1"),
        ("AWCOPY_LEASE_S", "1.5"),
        ("AWCOPY_LEASE_S", ""),
        ("AWCOPY_LEASE_S", "3601"),
        ("AWCOPY_LEASE_S", "9" * 5000),
        ("AWCOPY_STORE_TIMEOUT_S", "99999999999999"),
        ("AWCOPY_CONNECTIONS", "many"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(variable, text):
    with pytest.raises(UsageError, match=variable):
        load_settings({variable: text})


@pytest.mark.parametrize("name", [f.name for f in fields(Settings) if type(f.default) is int])
def test_every_number_has_a_bound_that_is_accepted_and_named(name):
    [setting] = [f for f in fields(Settings) if f.name == name]
    most = setting.metadata["most"]
    assert getattr(load_settings({variable_name(name): str(most)}), name) == most
    with pytest.raises(UsageError, match=rf"{variable_name(name)}='{most + 1}' .* of 1 to {most:,}"):
        load_settings({variable_name(name): str(most + 1)})


@pytest.mark.parametrize(
    "variable",
    [
        "AWCOPY_CONFIG", "AWCOPY_LEASE_S", "AWCOPY_LIVE_SINK", "AWCOPY_FAULT_SEED", "_AWCOPY_COMPLETE",
        "AWCOPY_SERVICE_HOST", "AWCOPY_WEB_SERVICE_PORT_HTTP", "AWCOPY_REDIS_PORT", "AWCOPY_REDIS_PORT_6379_TCP_ADDR",
    ],
)  # fmt: skip
def test_a_variable_of_a_setting_or_of_others_is_known(variable):
    value = "" if variable == "AWCOPY_CONFIG" else "1"
    assert load_settings_with_origins({variable: value}).unknown == ()


@pytest.mark.parametrize("variable", ["AWCOPY_LEASES", "AWCOPY_LEASE", "AWCOPY_REPORTS", "AWCOPY_"])
def test_any_other_variable_that_begins_so_is_unknown(variable):
    assert load_settings_with_origins({variable: "3"}).unknown == (variable,)


def test_a_variable_that_holds_a_setting_s_secret_may_have_any_name():
    env = {"AWCOPY_LEDGER": "@env:AWCOPY_OURS", "AWCOPY_OURS": "https://a.blob.core.windows.net"}
    assert load_settings_with_origins(env).unknown == ()


def test_settings_show_no_secret():
    settings = load_settings(
        {"AWCOPY_REDIS_URL": "redis://:hunter2@h", "AWCOPY_LEDGER": "AccountKey=hunter2"}
    )
    assert "hunter2" not in repr(settings)
