"""Whose a key or token is."""

from __future__ import annotations

from dataclasses import dataclass

from sonicgen.domain.role import Role
from sonicgen.services.people import verify_token
from sonicgen.steps.services import Services
from sonicgen.store import api_keys


@dataclass(frozen=True, slots=True)
class Known:
    """A caller who showed something valid: a stable name for the books, one for people, and a role."""

    owner: str
    name: str
    role: Role


def identify(services: Services, shown: str) -> Known | None:
    """Return whose a key or token is, None when it is not valid. Raises UnavailableError when nobody can tell."""
    if shown.startswith(api_keys.PREFIX):
        key = api_keys.use(services.database, shown)
        return Known(f"key:{key.id}", key.name, key.role) if key is not None else None
    person = verify_token(services.settings, shown)
    return Known(f"user:{person.id}", person.name, person.role) if person is not None else None
