"""What went wrong, as programs read it (RFC 9457): one stable code for each kind of error."""

from __future__ import annotations

from sonicgen.errors import (
    ConflictError,
    DownloadError,
    ForbiddenAddressError,
    InputError,
    LeaseHeldError,
    MediaError,
    NotFoundError,
    QuotaError,
    SettingsError,
    SonicGenError,
    StaleError,
    TooLargeError,
    TransientError,
    UnavailableError,
)

# The first that fits counts; the order is from the special to the general.
_KINDS: tuple[tuple[type[SonicGenError], int, str, str], ...] = (
    (NotFoundError, 404, "not_found", "Not found"),
    (SettingsError, 503, "not_configured", "Not configured"),
    (TooLargeError, 413, "too_large", "Too large"),
    (ForbiddenAddressError, 400, "forbidden_address", "Forbidden address"),
    (MediaError, 400, "unusable_media", "Unusable media"),
    (DownloadError, 400, "download_failed", "Download failed"),
    (InputError, 400, "invalid_input", "Invalid input"),
    (QuotaError, 503, "quota_spent", "Quota spent"),
    (LeaseHeldError, 503, "busy", "Busy"),
    (StaleError, 412, "changed_meanwhile", "Changed meanwhile"),
    (ConflictError, 409, "conflict", "Conflict"),
    (UnavailableError, 503, "unavailable", "Unavailable"),
    (TransientError, 503, "try_again", "Try again"),
    (SonicGenError, 500, "failed", "Failed"),
)


def problem_of(error: SonicGenError) -> dict[str, object]:
    """Return an error as a problem: `status`, stable `code`, `title`, and the sentence for people as `detail`."""
    _, status, code, title = next(kind for kind in _KINDS if isinstance(error, kind[0]))
    problem: dict[str, object] = {"title": title, "status": status, "code": code, "detail": str(error)}
    if isinstance(error, MediaError | DownloadError):
        problem["reason"] = error.reason
    return problem
