"""Keys of programs, as hashes; the key itself is shown once, when it is made."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import DictRow

from sonicgen.domain.role import Role
from sonicgen.errors import InputError, NotFoundError
from sonicgen.store.database import Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("api_keys")

# By it a key is known for one of ours, also by programs that look for secrets in source code.
PREFIX = "sgk_"
_HINT_CHARACTERS = 10
LONGEST_NAME_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key; `hint` is how it begins."""

    id: UUID
    name: str
    role: Role
    hint: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    def to_json(self) -> dict[str, object]:
        """Return the documented form (docs/api.md)."""
        return {
            "id": str(self.id),
            "name": self.name,
            "role": str(self.role),
            "hint": self.hint,
            "created_at": self.created_at.isoformat(),
            "expires_at": self.expires_at.isoformat() if self.expires_at else None,
            "last_used_at": self.last_used_at.isoformat() if self.last_used_at else None,
            "revoked_at": self.revoked_at.isoformat() if self.revoked_at else None,
        }


def add(database: Database, name: str, role: Role, life_seconds: float | None = None) -> tuple[ApiKey, str]:
    """Make a key; return it and its text, which is kept nowhere. Raises InputError for a name that is none."""
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST_NAME_CHARACTERS or "\x00" in name:
        raise InputError(f"A key's name has 1 to {LONGEST_NAME_CHARACTERS} characters.")
    text = PREFIX + secrets.token_urlsafe(32)
    values = {
        "name": name,
        "role": role.value,
        "hash": _hash(text),
        "hint": text[:_HINT_CHARACTERS],
        "life_seconds": life_seconds,
    }
    row = database.execute(_SQL["add"], values).fetchone()
    assert row is not None  # noqa: S101 - an insert returns its row
    return _key(row), text


def use(database: Database, text: str) -> ApiKey | None:
    """Return the key with this text and note that it is used; None when there is none that is valid."""
    if not text.startswith(PREFIX):
        return None
    row = database.execute(_SQL["use"], {"hash": _hash(text)}).fetchone()
    return _key(row) if row is not None else None


def list_all(database: Database) -> list[ApiKey]:
    """Return every key, revoked ones too, oldest first."""
    return [_key(row) for row in database.execute(_SQL["list"])]


def revoke(database: Database, key_id: UUID) -> ApiKey:
    """End a key at once; again is harmless. Raises NotFoundError."""
    row = database.execute(_SQL["revoke"], {"id": key_id}).fetchone()
    if row is None:
        raise NotFoundError(f"There is no key {key_id}; `sonicgen keys list` shows them.")
    return _key(row)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _key(row: DictRow) -> ApiKey:
    return ApiKey(
        id=row["id"],
        name=row["name"],
        role=Role(row["role"]),
        hint=row["hint"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
    )
