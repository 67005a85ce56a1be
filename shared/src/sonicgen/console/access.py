"""Who asks, and what they may do.

A program shows an API key, a person a token of Supabase Auth, either of them in a header or, from our own pages, in a
cookie. On the machine itself nobody needs either, until SONICGEN_ACCESS says otherwise.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPBearer

from sonicgen.console.problems import ProblemError
from sonicgen.domain.role import Role
from sonicgen.steps.services import services
from sonicgen.steps.who_asks import identify

SESSION_COOKIE = "sonicgen_session"
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip")

# What the OpenAPI document says of it; `caller_of` reads the headers itself.
_key_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="A key of `sonicgen keys create`.")
_bearer = HTTPBearer(auto_error=False, description="An API key, or a person's token of Supabase Auth.")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a stable name for the books (`owner`), a name for people, and a role."""

    owner: str
    name: str
    role: Role
    is_known: bool = True


def caller_of(request: Request) -> Caller:
    """Return who asks. Raises ProblemError (401) for credentials that are not valid."""
    kept = getattr(request.state, "caller", None)
    if isinstance(kept, Caller):
        return kept
    caller = _identify(request)
    request.state.caller = caller
    return caller


def require(role: Role) -> Callable[..., Caller]:
    """Return the dependency that lets only callers with a role (or a higher one) pass."""

    def check(request: Request, _key: str | None = Depends(_key_header), _token: object = Depends(_bearer)) -> Caller:
        caller = caller_of(request)
        if caller.role.includes(role):
            return caller
        if not caller.is_known:
            raise ProblemError(
                401, "not_signed_in", "Show an API key or sign in.", {"WWW-Authenticate": 'Bearer realm="sonicgen"'}
            )
        raise ProblemError(403, "not_allowed", f"This needs the role {role}; {caller.name} is {caller.role}.")

    return check


Anyone = Annotated[Caller, Depends(require(Role.ANONYMOUS))]
Viewer = Annotated[Caller, Depends(require(Role.VIEWER))]
Labeller = Annotated[Caller, Depends(require(Role.LABELLER))]
Admin = Annotated[Caller, Depends(require(Role.ADMIN))]


def credentials_of(request: Request) -> str | None:
    """Return the key or token that a request shows, None without any."""
    if key := request.headers.get("x-api-key"):
        return key.strip()
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.cookies.get(SESSION_COOKIE)


def address_of(request: Request) -> str:
    """Return the address of who asks, past as many proxies as are trusted; of IPv6 the network that one person has."""
    peer = request.client.host if request.client else "unknown"
    hops = services().settings.trusted_proxies
    forwarded = [part.strip() for part in request.headers.get("x-forwarded-for", "").split(",") if part.strip()]
    if hops and forwarded:
        # Each proxy appends whom it heard from: what lies further left than our own proxies, anybody may have written.
        peer = forwarded[max(0, len(forwarded) - hops)]
    try:
        address = ipaddress.ip_address(peer.strip("[]").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def is_at_this_machine(request: Request) -> bool:
    """Return whether a request comes from the machine itself, to a name of it, past no proxy.

    The name is looked at because a page elsewhere can have its own name lead here (DNS rebinding).
    """
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        is_loopback = ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
    return is_loopback and (request.url.hostname or "") in _LOOPBACK_NAMES


def is_cross_site(request: Request) -> bool:
    """Return whether a page of another site had a browser send this request."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")


def _identify(request: Request) -> Caller:
    shown = credentials_of(request)
    if shown is not None:
        known = identify(services(), shown)
        if known is None:
            raise ProblemError(
                401,
                "invalid_credentials",
                "The key or token is not valid, or not any more.",
                {"WWW-Authenticate": 'Bearer realm="sonicgen", error="invalid_token"'},
            )
        return Caller(known.owner, known.name, known.role)
    access = services().settings.access
    if access == "open" or (access == "auto" and is_at_this_machine(request)):
        return Caller("local", "this machine", Role.ADMIN)
    return Caller(f"address:{address_of(request)}", "anonymous", Role.ANONYMOUS, is_known=False)
