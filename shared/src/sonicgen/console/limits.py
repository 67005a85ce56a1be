"""How often callers may ask where a clip is from; counted in Postgres, for all instances together."""

from __future__ import annotations

from sonicgen.console.access import Caller
from sonicgen.console.problems import ProblemError
from sonicgen.domain.role import Role
from sonicgen.steps.services import services
from sonicgen.store import rate_limits
from sonicgen.store.rate_limits import Allowance


def check_allowance(caller: Caller) -> None:
    """Raise ProblemError (429) when a caller has nothing left; takes nothing, so that a wrong request costs nothing."""
    if (limit := _limit(caller)) is not None:
        _refuse(rate_limits.look(services().database, _subject(caller), limit))


def take_allowance(caller: Caller) -> dict[str, str]:
    """Count one question and return the headers that tell what is left. Raises ProblemError (429)."""
    limit = _limit(caller)
    if limit is None:
        return {}
    allowance = rate_limits.take(services().database, _subject(caller), limit)
    _refuse(allowance)
    return _headers(allowance)


def _limit(caller: Caller) -> int | None:
    """Return how many questions an hour a caller has, None for who sits at the machine itself."""
    if caller.owner == "local":
        return None
    settings = services().settings
    is_anonymous = not caller.is_known and caller.role is Role.ANONYMOUS
    return settings.anonymous_finds_per_hour if is_anonymous else settings.key_finds_per_hour


def _subject(caller: Caller) -> str:
    return f"find:{caller.owner}"


def _refuse(allowance: Allowance) -> None:
    if allowance.is_granted:
        return
    wait = allowance.retry_after_seconds
    again = f"{wait} s" if wait < 120 else f"{-(-wait // 60)} minutes"
    raise ProblemError(
        429,
        "too_many_requests",
        f"That was more than {allowance.limit} questions within an hour; ask again in {again}.",
        {**_headers(allowance), "Retry-After": str(wait)},
    )


def _headers(allowance: Allowance) -> dict[str, str]:
    return {"RateLimit-Limit": str(allowance.limit), "RateLimit-Remaining": str(allowance.remaining)}
