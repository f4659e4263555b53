"""Option values as people write them, checked while they are read, and options that commands share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

from awcopy.errors import UsageError
from awcopy.model.spec import Addressing, NamePolicy, Versions
from awcopy.planning.blocks import check_block_size
from awcopy.planning.filters import check_regex
from awcopy.units import parse_rate, parse_size, parse_when

if TYPE_CHECKING:
    from collections.abc import Callable

Decorated = TypeVar("Decorated", bound="Callable[..., Any]")

LONGEST_NAME = 100


class _Parsed(click.ParamType[Any]):
    """A value read by one of awcopy's own parsers; its error names the option."""

    def __init__(self, name: str, parse: Callable[[str], object]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """Return the parsed value; a default that is no text is taken as it is."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except UsageError as error:
            self.fail(": ".join(filter(None, (error.message, error.hint))), param, ctx)


def parse_endpoint(text: str) -> str:
    """Return the URL of a service, without a slash at its end.

    Raises:
        UsageError: It is no http or https URL of a host, or it holds credentials.
    """
    hint = "write it like https://host or http://host:port"
    try:
        parts = urlsplit(text)
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        raise UsageError("it is not an http or https URL", hint=hint)
    if parts.username or parts.password or parts.query:
        raise UsageError("an endpoint holds no credentials", hint="give them in the environment")
    return text.rstrip("/")


def check_endpoint(text: str, variable: str) -> str:
    """Return the endpoint that a variable of the environment holds, if any.

    Raises:
        UsageError: It is no endpoint; the message names the variable.
    """
    try:
        return parse_endpoint(text) if text else ""
    except UsageError as error:
        raise UsageError(f"{variable}: {error.message}", hint=error.hint) from None


def parse_name(text: str) -> str:
    """Return the name of a job: anything printable, at most 100 characters."""
    if not text.isprintable() or not 1 <= len(text) <= LONGEST_NAME:
        raise UsageError("a job's name is 1 to 100 printable characters")
    return text


SIZE = _Parsed("size", parse_size)
RATE = _Parsed("size", parse_rate)
BLOCK_SIZE = _Parsed("size", lambda text: check_block_size(parse_size(text)))
WHEN = _Parsed("when", lambda text: parse_when(text, now=datetime.now(UTC)))
REGEX = _Parsed("regex", check_regex)
ENDPOINT = _Parsed("url", parse_endpoint)
NAME = _Parsed("name", parse_name)


def parse_profile(text: str) -> str:
    """Return the name of a profile, which may be left out."""
    from awcopy.vault.profiles import check_profile_name

    return check_profile_name(text) if text else ""


PROFILE = _Parsed("name", parse_profile)


def output_option(*formats: str) -> Callable[[Decorated], Decorated]:
    """Return the ``-o`` option with these formats, the first of them the default."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="Format of what is printed on standard output.",
    )


recursive_option = click.option(
    "-r",
    "--recursive/--no-recursive",
    default=True,
    help="Take keys below folders too, the default.",
    show_default=False,
)


def service_options(command: Decorated) -> Decorated:
    """Return a command with the options that say where both stores are."""
    azure = click.option(
        "--azure-endpoint",
        type=ENDPOINT,
        metavar="URL",
        help="The blob service; else AZURE_STORAGE_SERVICE_ENDPOINT, the connection string's, or Azure's own.",
    )
    return source_service_options(azure(command))


def source_service_options(command: Decorated) -> Decorated:
    """Return a command with the options that say where the source is."""
    for option in (
        click.option("--region", default="", help="The bucket's region; else AWS_REGION, else found out."),
        click.option(
            "--endpoint-url",
            type=ENDPOINT,
            metavar="URL",
            help="The S3 service; else AWS_ENDPOINT_URL, else AWS's own.",
        ),
    ):
        command = option(command)
    return command


names_option = click.option(
    "--names",
    type=click.Choice([choice.value for choice in NamePolicy]),
    default=NamePolicy.FAIL.value,
    show_default=True,
    help="Keys that Azure would change or refuse: fail them, or encode what it would not keep as %XX.",
)


versions_option = click.option(
    "--versions",
    type=click.Choice([choice.value for choice in Versions]),
    default=Versions.LATEST.value,
    show_default=True,
    help="all: also what keys held before, each version as a blob of its own, named by its date and its id.",
)


def source_access_options(command: Decorated) -> Decorated:
    """Return a command with the options that say how a bucket is reached, beside where it is."""
    command = click.option(
        "--request-payer",
        type=click.Choice(["requester"]),
        help="Pay for requests to a bucket whose readers pay; your account is charged.",
    )(command)
    return click.option(
        "--addressing",
        type=click.Choice([style.value for style in Addressing]),
        default=Addressing.AUTO.value,
        show_default=True,
        help="Where requests name the bucket: in the path, or before the host's name; auto: in the path at "
        "an endpoint of your own.",
    )(command)


def profile_options(whose: str, *sides: str) -> Callable[[Decorated], Decorated]:
    """Return the options that name a profile for each of these sides, ``source`` and ``sink``."""

    def add(command: Decorated) -> Decorated:
        for side in reversed(sides):
            does = "Read" if side == "source" else "Write"
            command = click.option(
                f"--{side}-profile",
                type=PROFILE,
                default="",
                metavar="NAME",
                help=f"{does} with {whose} profile of this name, in place of the environment's credentials.",
            )(command)
        return command

    return add


notify_option = click.option(
    "--notify",
    type=PROFILE,
    multiple=True,
    metavar="NAME",
    help="Whom the fleet tells how it ended: a profile of the workers' for a web hook or e-mail; may be repeated.",
)


verbose_option = click.option(
    "-v", "--verbose", is_flag=True, help="Show more of what is done, on standard error."
)
