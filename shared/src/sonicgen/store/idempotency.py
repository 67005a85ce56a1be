"""What requests with an Idempotency-Key were answered, for a day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from sonicgen.store.database import Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("idempotency")


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier request with the same key; `status` is None as long as it is at work."""

    is_same_request: bool
    status: int | None
    body: Any


def begin(database: Database, owner: str, key: str, request_hash: bytes) -> Earlier | None:
    """Claim a key for a request; return the earlier request when it is taken, None when the caller may go on."""
    values = {"owner": owner, "key": key, "request_hash": request_hash}
    with database.transaction() as connection:
        if connection.execute(_SQL["begin"], values).fetchone() is not None:
            return None
        row = connection.execute(_SQL["look"], values).fetchone()
    if row is None:  # given up between the two statements
        return Earlier(True, None, None)
    return Earlier(bytes(row["request_hash"]) == request_hash, row["status"], row["body"])


def end(database: Database, owner: str, key: str, status: int, body: object) -> None:
    """Keep the answer."""
    database.execute(_SQL["end"], {"owner": owner, "key": key, "status": status, "body": Jsonb(body)})


def give_up(database: Database, owner: str, key: str) -> None:
    """Free a key whose request failed, so that it can be tried again."""
    database.execute(_SQL["give_up"], {"owner": owner, "key": key})


def sweep(database: Database) -> int:
    """Forget answers of yesterday; return how many."""
    return database.execute(_SQL["sweep"]).rowcount
