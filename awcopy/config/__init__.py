"""Everything awcopy reads from the environment and its configuration files; no other package looks there."""

from awcopy.config.credentials import (
    AwsKeys,
    AwsLogin,
    AzureIdentity,
    AzureKeys,
    CustomerKey,
    parse_customer_key,
)
from awcopy.config.network import ca_files, proxy_for
from awcopy.config.secrets import FROM_FILE, FROM_VARIABLE, Secret, resolve_secret
from awcopy.config.settings import (
    DEVELOPMENT_STORAGE,
    LoadedSettings,
    Settings,
    config_files,
    load_settings,
    load_settings_with_origins,
    suggest_variable,
    variable_name,
)
from awcopy.config.stores import (
    AZURE_AUTHORITIES,
    StoreDefaults,
    load_source_defaults,
    load_store_defaults,
    parse_connection_string,
)

__all__ = [
    "AZURE_AUTHORITIES",
    "DEVELOPMENT_STORAGE",
    "FROM_FILE",
    "FROM_VARIABLE",
    "AwsKeys",
    "AwsLogin",
    "AzureIdentity",
    "AzureKeys",
    "CustomerKey",
    "LoadedSettings",
    "Secret",
    "Settings",
    "StoreDefaults",
    "ca_files",
    "config_files",
    "load_settings",
    "load_settings_with_origins",
    "load_source_defaults",
    "load_store_defaults",
    "parse_connection_string",
    "parse_customer_key",
    "proxy_for",
    "resolve_secret",
    "suggest_variable",
    "variable_name",
]
