"""``awcopy token``: what people and programs show to the dashboard and the HTTP API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from awcopy.cli.console import print_json, print_line, print_note, print_table
from awcopy.cli.help import helpful, helpful_group
from awcopy.cli.setup import begin, open_fleet, user_name
from awcopy.cli.values import output_option
from awcopy.jobs.tokens import create_token, revoke_token
from awcopy.model.token import Role
from awcopy.units import parse_duration

if TYPE_CHECKING:
    from datetime import datetime

    from awcopy.model.token import Token

SCHEMA = "awcopy.token/1"
_COLUMNS = ("NAME", "ROLE", "STATE", "EXPIRES (UTC)", "USED (UTC)", "CREATED (UTC)", "BY")
_NAME = click.argument("name", metavar="NAME")


@click.group(cls=helpful_group("awcopy token create dana --role operator", "awcopy token list"))
def token() -> None:
    """Let people into the dashboard and programs into the HTTP API.

    A token is pasted where the dashboard asks for it, or sent as `Authorization: Bearer`. While there is none, the
    dashboard lets in whoever is on its machine; from the first one on, it lets in nobody without.
    """


@token.command(
    "create",
    cls=helpful(
        "awcopy token create dana --role operator",
        "awcopy token create nightly --role viewer --expires 52w > token",
    ),
)
@_NAME
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.VIEWER.value,
    show_default=True,
    help="A viewer looks; an operator creates and controls jobs; an admin does so with jobs that delete, too.",
)
@click.option("--expires", default="90d", show_default=True, metavar="TIME", help="When: 12h, 90d.")
@output_option("text", "json")
def create(name: str, role: str, expires: str, output: str) -> None:
    """Make a token and print it: this once, since only a digest of it is kept."""
    fleet = open_fleet(begin(), "awcopy token")
    made, text = create_token(fleet.ledger, name, Role(role), parse_duration(expires), user_name())
    if output == "json":
        print_json({**_record(made, made.created_at), "token": text.reveal()})
    else:
        print_line(text.reveal())
    print_note(f"it is shown this once; {role} until {_say(made.expires_at)} UTC")


@token.command("list", cls=helpful("awcopy token list", "awcopy token list -o json"))
@output_option("table", "json")
def list_tokens(output: str) -> None:
    """List the tokens, without what is secret of them."""
    ledger = open_fleet(begin(), "awcopy token").ledger
    found, now = ledger.list_tokens(), ledger.now()
    if output == "json":
        print_json([_record(one, now) for one in found])
    else:
        print_table(_COLUMNS, (_row(one, now) for one in found))


@token.command("revoke", cls=helpful("awcopy token revoke dana", "awcopy token list"))
@_NAME
def revoke(name: str) -> None:
    """Let nobody in any more by this token; who is logged in by it is out within seconds."""
    revoke_token(open_fleet(begin(), "awcopy token").ledger, name)
    print_line(name)


def _state(one: Token, now: datetime) -> str:
    return "good" if one.is_good(now) else "revoked" if one.is_revoked else "expired"


def _record(one: Token, now: datetime) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "name": one.name,
        "role": one.role.value,
        "state": _state(one, now),
        "expires_at": one.expires_at.isoformat(),
        "used_at": one.used_at.isoformat() if one.used_at else None,
        "created_at": one.created_at.isoformat(),
        "user": one.user,
    }


def _row(one: Token, now: datetime) -> tuple[str, ...]:
    used = _say(one.used_at) if one.used_at else "never"
    return (
        one.name,
        one.role.value,
        _state(one, now),
        _say(one.expires_at),
        used,
        _say(one.created_at),
        one.user,
    )


def _say(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
