"""Which of botocore's ways leads to AWS credentials on this machine."""

from __future__ import annotations

import botocore.session

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


def describe_own_credentials() -> str:
    """Return where this machine's AWS credentials come from.

    Raises:
        CredentialsError: There are none.
    """
    with translating_botocore(op="looking for credentials", bucket=""):
        found = botocore.session.Session().get_credentials()
    if found is None:
        raise CredentialsError("this machine has no AWS credentials")
    way = str(found.method)
    return _WAYS.get(way, way)
