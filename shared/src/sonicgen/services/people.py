"""People who signed in with Supabase Auth: their tokens, verified with the project's own keys."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt

from sonicgen.domain.role import Role
from sonicgen.errors import UnavailableError
from sonicgen.settings import Settings

# Which signatures count is decided here, never by the token: "none" and a public key used as a shared secret are old
# ways in. Projects sign with ES256 or RS256, older ones with their shared secret.
_PUBLIC_KEY_ALGORITHMS = ("ES256", "RS256", "EdDSA")
_SHARED_SECRET_ALGORITHMS = ("HS256",)
_AUDIENCE = "authenticated"
# Where an administrator of the project puts a person's role; people cannot write there themselves.
_ROLE_CLAIM = "sonicgen_role"
_LEEWAY_SECONDS = 10
_KEYS_LIFE_SECONDS = 300
_FETCH_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signed in."""

    id: str
    name: str
    role: Role


def verify_token(settings: Settings, token: str) -> Person | None:
    """Return whose token it is; None when it is not valid, or when no project is set.

    Without the claim `app_metadata.sonicgen_role` somebody may do what an anonymous caller may: a project can be open
    to everybody. Raises UnavailableError when the project's keys cannot be fetched.
    """
    if settings.supabase_url is None:
        return None
    issuer = f"{settings.supabase_url.rstrip('/')}/auth/v1"
    try:
        is_shared = jwt.get_unverified_header(token).get("alg") in _SHARED_SECRET_ALGORITHMS
        if is_shared and settings.supabase_jwt_secret is None:
            return None
        key: Any = settings.supabase_jwt_secret if is_shared else _keys(issuer).get_signing_key_from_jwt(token).key
        claims = jwt.decode(
            token,
            key,
            algorithms=list(_SHARED_SECRET_ALGORITHMS if is_shared else _PUBLIC_KEY_ALGORITHMS),
            audience=_AUDIENCE,
            issuer=issuer,
            leeway=_LEEWAY_SECONDS,
            options={"require": ["exp", "sub", "aud", "iss"]},
        )
    except jwt.PyJWKClientConnectionError as error:
        raise UnavailableError("Supabase does not give its keys; try again.") from error
    except jwt.PyJWTError:
        return None
    return Person(str(claims["sub"]), str(claims.get("email") or claims["sub"]), _role(claims))


@lru_cache(maxsize=4)
def _keys(issuer: str) -> jwt.PyJWKClient:
    return jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json", lifespan=_KEYS_LIFE_SECONDS, timeout=_FETCH_SECONDS)


def _role(claims: dict[str, Any]) -> Role:
    metadata = claims.get("app_metadata")
    wanted = metadata.get(_ROLE_CLAIM) if isinstance(metadata, dict) else None
    return Role(wanted) if wanted in (Role.VIEWER, Role.LABELLER, Role.ADMIN) else Role.ANONYMOUS
