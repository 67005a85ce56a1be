"""People who signed in with Supabase Auth: their tokens, verified with the project's own keys."""

from __future__ import annotations

import hashlib
import time
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
# What the project said of a token is believed for so long; a page asks several times a second.
_ASKED_LIFE_SECONDS = 60.0
_MOST_ASKED = 1_000


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signed in."""

    id: str
    name: str
    role: Role


def verify_token(settings: Settings, token: str) -> Person | None:
    """Return whose token it is; None when it is not valid, or when no project is set.

    Without the claim `app_metadata.sonicgen_role` somebody may do what an anonymous caller may: a project can be open
    to everybody. Tokens of a project that signs with a shared secret, which is not known here, are shown to the project
    itself. Raises UnavailableError when the project does not answer.
    """
    if settings.supabase_url is None:
        return None
    issuer = f"{settings.supabase_url.rstrip('/')}/auth/v1"
    try:
        is_shared = jwt.get_unverified_header(token).get("alg") in _SHARED_SECRET_ALGORITHMS
        if is_shared and settings.supabase_jwt_secret is None:
            return _ask_project(settings, token)
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
    return Person(str(claims["sub"]), str(claims.get("email") or claims["sub"]), _role(claims.get("app_metadata")))


_asked: dict[bytes, tuple[float, Person | None]] = {}


def _ask_project(settings: Settings, token: str) -> Person | None:
    """Return whose token it is, by the word of the project that made it."""
    if settings.supabase_anon_key is None:
        return None
    name = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
    said = _asked.get(name)
    if said is None or said[0] < time.monotonic():
        if len(_asked) >= _MOST_ASKED:
            _asked.clear()
        said = (time.monotonic() + _ASKED_LIFE_SECONDS, _whose(settings, token))
        _asked[name] = said
    return said[1]


def _whose(settings: Settings, token: str) -> Person | None:
    from supabase import AuthApiError, AuthError

    try:
        answer = _client(settings.supabase_url or "", settings.supabase_anon_key or "").auth.get_user(token)
    except AuthApiError as error:
        if error.status in {401, 403}:
            return None
        raise UnavailableError("Supabase does not say whose token it is; try again.") from error
    except AuthError as error:
        raise UnavailableError("Supabase does not answer; try again.") from error
    if answer is None:
        return None
    user = answer.user
    return Person(user.id, user.email or user.id, _role(user.app_metadata))


@lru_cache(maxsize=4)
def _client(url: str, anon_key: str) -> Any:
    # Imported here: it takes a second, and only these projects need it.
    from supabase import ClientOptions, create_client

    return create_client(url, anon_key, ClientOptions(auto_refresh_token=False, persist_session=False))


@lru_cache(maxsize=4)
def _keys(issuer: str) -> jwt.PyJWKClient:
    return jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json", lifespan=_KEYS_LIFE_SECONDS, timeout=_FETCH_SECONDS)


def _role(metadata: object) -> Role:
    wanted = metadata.get(_ROLE_CLAIM) if isinstance(metadata, dict) else None
    return Role(wanted) if wanted in (Role.VIEWER, Role.LABELLER, Role.ADMIN) else Role.ANONYMOUS
