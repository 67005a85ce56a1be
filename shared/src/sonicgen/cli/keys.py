"""`sonicgen keys`: who may use the console and its API from elsewhere."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from sonicgen.cli.connect import connected
from sonicgen.cli.console import escape, output, print_json
from sonicgen.domain.role import Role
from sonicgen.errors import InputError

app = typer.Typer(help="Make, list and revoke keys for the API and the pages.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_DAY_SECONDS = 86_400.0


class KeyRole(StrEnum):
    """What a key may be made for."""

    VIEWER = "viewer"
    LABELLER = "labeller"
    ADMIN = "admin"


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Whose it is, for people.", show_default=False)],
    role: Annotated[KeyRole, typer.Option(help="What it allows.")] = KeyRole.VIEWER,
    days: Annotated[int | None, typer.Option(min=1, help="How long it is good; for ever without.")] = None,
    json: AsJson = False,
) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    from sonicgen.store import api_keys

    with connected() as services:
        key, text = api_keys.add(services.database, name, Role(role), days * _DAY_SECONDS if days else None)
    if json:
        print_json({**key.to_json(), "key": text})
        return
    output.print(f"[bold]{text}[/]", soft_wrap=True)
    output.print(f"[dim]{escape(key.name)}, {key.role}. It is shown this once; keep it where secrets are kept.[/]")


@app.command("list")
def list_keys(json: AsJson = False) -> None:
    """List every key by how it begins."""
    from sonicgen.store import api_keys

    with connected() as services:
        keys = api_keys.list_all(services.database)
    if json:
        print_json([key.to_json() for key in keys])
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("id", "name", "role", "begins with", "made", "last used", ""):
        table.add_column(heading)
    for key in keys:
        ended = "revoked" if key.revoked_at else f"until {key.expires_at:%Y-%m-%d}" if key.expires_at else ""
        used = f"{key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never"
        table.add_row(
            str(key.id)[:8], escape(key.name), str(key.role), key.hint, f"{key.created_at:%Y-%m-%d}", used, ended
        )
    output.print(table if keys else "No keys yet: sonicgen keys create NAME")


@app.command("revoke")
def revoke(
    identifier: Annotated[str, typer.Argument(help="The key's id, or how it begins.", show_default=False)],
) -> None:
    """End a key at once."""
    from sonicgen.store import api_keys

    with connected() as services:
        fitting = [key for key in api_keys.list_all(services.database) if str(key.id).startswith(identifier.lower())]
        if len(fitting) != 1:
            raise InputError(f"{'Several keys have' if fitting else 'No key has'} an id that begins with {identifier}.")
        key = api_keys.revoke(services.database, UUID(str(fitting[0].id)))
    output.print(f"Revoked: {escape(key.name)}")
