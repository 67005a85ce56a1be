"""What yt-dlp's errors mean: each is sorted into a reason of our own (`sonicgen.domain.download.RULES`).

First by class, which says it best; then by the sentences with which sites turn people away, which yt-dlp passes on as
they are; then by the status of the answer; last by what broke underneath. The sentences are kept as tests in
`tests/payloads/yt_dlp_messages.json`, those of yt-dlp itself also as a canary against its next version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from yt_dlp.networking.exceptions import HTTPError, ProxyError, RequestError, SSLError, TransportError
from yt_dlp.utils import (
    ContentTooShortError,
    DownloadError,
    ExtractorError,
    GeoRestrictedError,
    RegexNotFoundError,
    ThrottledDownload,
    UnavailableVideoError,
    UnsupportedError,
    UserNotLive,
)

from sonicgen.domain.download import DownloadReason, Failure

_DETAIL_CHARACTERS = 300

_CLASSES: tuple[tuple[type[BaseException], DownloadReason], ...] = (
    (GeoRestrictedError, DownloadReason.GEO_BLOCKED),
    (UserNotLive, DownloadReason.NOT_YET_BEGUN),
    (ThrottledDownload, DownloadReason.STALLED),
    (UnsupportedError, DownloadReason.NOT_MEDIA),
)

# In this order: a sentence may hold the words of a later line, too ("Video unavailable. This video is private").
_SENTENCES: tuple[tuple[str, DownloadReason], ...] = (
    (r"confirm you.?.?re not a bot|captcha|unusual traffic|IP address is blocked", DownloadReason.BOT_CHECK),
    (r"rate-?\s?limit(?!.*or login)|too many requests|try again later", DownloadReason.RATE_LIMITED),
    (
        r"members-only|members? (?:only|on level)|channel's members|available to this channel|join this channel|"
        r"music premium|paid subscribers|requires? payment",
        DownloadReason.MEMBERS_ONLY,
    ),
    (
        r"confirm your age|age-?\s?restricted|inappropriate for some|comfortable for some audiences|"
        r"18 years|restricted video|adult content",
        DownloadReason.AGE_RESTRICTED,
    ),
    (
        r"private video|video is private|account is private|post is private|do not have permission to view|"
        r"users who follow this account",
        DownloadReason.PRIVATE,
    ),
    (
        r"not (?:made this video )?available (?:in|from) your (?:country|location|region)|geo.?restrict|"
        r"blocked it in your country",
        DownloadReason.GEO_BLOCKED,
    ),
    (
        r"premieres? (?:in|will begin)|(?:live event|stream) will begin|scheduled|not currently live|"
        r"offline|has not (?:yet )?(?:started|begun)",
        DownloadReason.NOT_YET_BEGUN,
    ),
    (r"\bDRM\b", DownloadReason.DRM),
    (
        r"login required|only available for registered|log ?in |sign in|logged[- ]in|empty media response|"
        r"content is unreachable",
        DownloadReason.LOGIN_REQUIRED,
    ),
    (
        r"has been (?:removed|terminated)|no longer available|isn't available|(?:video|content|post|page)(?: is)? "
        r"(?:unavailable|not available)|does not exist|been deleted|account .*terminated|recording is not available|"
        r"not found",
        DownloadReason.GONE,
    ),
    (r"live ?(?:event|stream) has ended", DownloadReason.LIVE),
    (r"no video in this post", DownloadReason.NOT_MEDIA),
    (r"requested format is not available|no video formats found", DownloadReason.UNSUPPORTED),
)
_PATTERNS = tuple((re.compile(pattern, re.IGNORECASE), reason) for pattern, reason in _SENTENCES)

_STATUSES: dict[int, DownloadReason] = {
    401: DownloadReason.LOGIN_REQUIRED,
    402: DownloadReason.MEMBERS_ONLY,
    404: DownloadReason.GONE,
    407: DownloadReason.NETWORK,
    408: DownloadReason.NETWORK,
    410: DownloadReason.GONE,
    425: DownloadReason.NETWORK,
    429: DownloadReason.RATE_LIMITED,
    451: DownloadReason.GEO_BLOCKED,
}
_STATUS_WORDS = re.compile(r"HTTP Error \d{3}(?:: [\w ]+)?")
_BROKEN = re.compile(r"got error|giving up after|bytes read|timed out|did not get any data", re.IGNORECASE)
# Beginnings of what yt-dlp puts around a site's own words.
_WRAPPING = re.compile(r"^\s*(?:ERROR: )?(?:\[[^\]]+\] )?(?:[\w-]+: )?")
_ASIDE = re.compile(
    r"(?:[.;,]? (?:Use --cookies|please report this issue|Also see|See  ?https?:|For more info)).*$", re.S
)


def sort_failure(error: BaseException) -> Failure:
    """Return what an error of yt-dlp means for the download."""
    chain = list(_chain(error))
    detail = _detail(chain)
    for kind, reason in _CLASSES:
        if any(isinstance(each, kind) for each in chain):
            return Failure(reason, detail)
    said = _STATUS_WORDS.sub("", " ".join(_said(each) for each in chain if isinstance(each, ExtractorError)))
    for pattern, reason in _PATTERNS:
        if pattern.search(said):
            return Failure(reason, detail)
    for each in chain:
        if isinstance(each, HTTPError):
            return Failure(_by_status(each.status), f"HTTP status {each.status}")
    return Failure(_by_breakage(chain), detail)


def _by_status(status: int) -> DownloadReason:
    return _STATUSES.get(status) or (DownloadReason.NETWORK if status >= 500 else DownloadReason.REFUSED)


def _by_breakage(chain: list[BaseException]) -> DownloadReason:
    broken = (ProxyError, SSLError, TransportError, RequestError, ContentTooShortError, OSError)
    if any(isinstance(each, broken) or _BROKEN.search(str(each)) for each in chain):
        return DownloadReason.NETWORK
    if any(isinstance(each, RegexNotFoundError) for each in chain):
        return DownloadReason.SITE_CHANGED
    extraction = next((each for each in chain if isinstance(each, ExtractorError)), None)
    if extraction is not None and not extraction.expected:
        return DownloadReason.SITE_CHANGED
    if any(isinstance(each, UnavailableVideoError) for each in chain):
        return DownloadReason.GONE
    return DownloadReason.OTHER


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and everything it came from, the outermost first."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        each = waiting.pop(0)
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        inner = getattr(each, "exc_info", None)
        waiting += [inner[1] if inner else None, getattr(each, "cause", None), each.__cause__, each.__context__]


def _said(error: BaseException) -> str:
    return str(getattr(error, "orig_msg", None) or error)


def _detail(chain: list[BaseException]) -> str | None:
    """Return the site's own words without what yt-dlp puts around them, in one line."""
    own = next((each for each in chain if not isinstance(each, DownloadError)), chain[0])
    text = _ASIDE.sub("", _WRAPPING.sub("", _said(own), count=1)) if own is chain[0] else _ASIDE.sub("", _said(own))
    return " ".join(text.split())[:_DETAIL_CHARACTERS].rstrip(" .") or None
