"""The ways to AWS credentials: plain keys, what botocore finds on this machine, a role that is assumed."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import botocore.exceptions
import botocore.session
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    AssumeRoleWithWebIdentityCredentialFetcher,
    DeferredRefreshableCredentials,
)
from botocore.loaders import Loader, create_loader
from botocore.utils import FileWebIdentityTokenLoader

from awcopy.config import AwsKeys, AwsLogin
from awcopy.errors import CredentialsError
from awcopy.source.s3_errors import translating_botocore

# botocore's names of its ways, as its documentation calls them.
_WAYS = {
    "env": "environment variables",
    "shared-credentials-file": "the shared credentials file",
    "config-file": "the AWS configuration file",
    "assume-role": "a role that is assumed",
    "assume-role-with-web-identity": "a role assumed with a web identity",
    "sso": "IAM Identity Center",
    "login": "`aws login`",
    "custom-process": "a credential process",
    "container-role": "the container's role",
    "iam-role": "the instance's role",
}


# The service that hands out tokens is in every region; this one answers for all of them.
_ROLE_REGION = "us-east-1"


def new_session(profile: str = "") -> Any:  # noqa: ANN401 - botocore's, which has no types
    """Return a session of its own, which shares with all others only what is known of the services.

    Each session would read that anew from botocore's files, which takes several times as long as all the rest.
    """
    session = botocore.session.Session(profile=profile or None)
    session.register_component("data_loader", _service_loader(session.get_config_variable("data_path")))
    return session


@cache
def _service_loader(data_path: str | None) -> Loader:
    return create_loader(data_path)


def find_credentials(access: AwsKeys | AwsLogin | None) -> Any:  # noqa: ANN401 - botocore's, which has no types
    """Return botocore's credentials, which renew themselves unless they are plain keys.

    Nothing is sent for a role before the first use.

    Raises:
        botocore.exceptions.NoCredentialsError: This machine has none.
    """
    login = access if isinstance(access, AwsLogin) else AwsLogin(keys=access)
    session = new_session(login.aws_profile)
    create_client = partial(session.create_client, region_name=login.region or _ROLE_REGION)
    if login.web_identity_token_file:
        load_token = FileWebIdentityTokenLoader(login.web_identity_token_file)
        fetcher = AssumeRoleWithWebIdentityCredentialFetcher(
            create_client, load_token, login.role_arn, extra_args={"RoleSessionName": login.session_name}
        )
        return DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role-with-web-identity")
    if login.keys:
        session.set_credentials(
            login.keys.access_key.reveal(),
            login.keys.secret_key.reveal(),
            login.keys.session_token.reveal() or None,
        )
    found = session.get_credentials()
    if found is None:
        raise botocore.exceptions.NoCredentialsError
    if not login.role_arn:
        return found
    extra = {"ExternalId": login.external_id} if login.external_id else {}
    fetcher = AssumeRoleCredentialFetcher(
        create_client, found, login.role_arn, extra_args={"RoleSessionName": login.session_name, **extra}
    )
    return DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")


def describe_own_credentials() -> str:
    """Return where this machine's AWS credentials come from.

    Raises:
        CredentialsError: There are none.
    """
    with translating_botocore(op="looking for credentials", bucket=""):
        found = new_session().get_credentials()
    if found is None:
        raise CredentialsError("this machine has no AWS credentials")
    way = str(found.method)
    return _WAYS.get(way, way)
