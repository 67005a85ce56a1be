"""The download of a discovered video: its states, why it waits or fails, what people are told, when it comes again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
# A premiere does not begin to the second.
_AFTER_RELEASE = timedelta(minutes=2)


class DownloadState(StrEnum):
    """Where a download stands."""

    QUEUED = "queued"
    RUNNING = "running"
    STORED = "stored"
    WAITING = "waiting"  # tried in vain; tried again at next_attempt_at
    FAILED = "failed"
    SKIPPED = "skipped"  # our own limits leave it out


class DownloadReason(StrEnum):
    """Why a download is in its state, as a stable code."""

    STORED = "stored"
    ALREADY_STORED = "already_stored"
    LONG = "long"
    GONE = "gone"
    PRIVATE = "private"
    LOGIN_REQUIRED = "login_required"
    MEMBERS_ONLY = "members_only"
    AGE_RESTRICTED = "age_restricted"
    GEO_BLOCKED = "geo_blocked"
    LIVE = "live"
    NOT_YET_BEGUN = "not_yet_begun"
    BOT_CHECK = "bot_check"
    RATE_LIMITED = "rate_limited"
    REFUSED = "refused"
    NETWORK = "network"
    STALLED = "stalled"
    TIME_LIMIT = "time_limit"
    TOO_LARGE = "too_large"
    TOO_LONG = "too_long"
    NO_AUDIO = "no_audio"
    NOT_MEDIA = "not_media"
    DRM = "drm"
    UNSUPPORTED = "unsupported"
    SITE_CHANGED = "site_changed"
    PRIVATE_ADDRESS = "private_address"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Rule:
    """What follows from a reason.

    `sentence` is for people; `{site}` in it is the site's name. `waits_seconds` are the waits before each new try, one
    a try; when they are used up, or there are none, the download ends in `end`. `at_release`: when the site tells when
    it begins, that is when it is tried. `pauses_host`: everything from this host waits with growing pauses.
    """

    sentence: str
    waits_seconds: tuple[float, ...] = ()
    end: DownloadState = DownloadState.FAILED
    at_release: bool = False
    pauses_host: bool = False


_STORED, _SKIPPED = DownloadState.STORED, DownloadState.SKIPPED

RULES: dict[DownloadReason, Rule] = {
    DownloadReason.STORED: Rule("Its sound lies in the bucket.", end=_STORED),
    DownloadReason.ALREADY_STORED: Rule("Its sound lay in the bucket already.", end=_STORED),
    DownloadReason.LONG: Rule("It is long, so that a job of its own downloads it.", end=DownloadState.RUNNING),
    DownloadReason.GONE: Rule("{site} has it no more: it was removed, or the link is wrong."),
    DownloadReason.PRIVATE: Rule(
        "Its owner keeps it private on {site}; it is looked at again in case that changes.", (7 * DAY, 30 * DAY)
    ),
    DownloadReason.LOGIN_REQUIRED: Rule(
        "{site} shows it only to those who are logged in; give the cookies of an account in SONICGEN_COOKIES, then "
        "`sonicgen retry --failed`."
    ),
    DownloadReason.MEMBERS_ONLY: Rule(
        "It is for paying members on {site}; such videos often open to all after some days.", (7 * DAY,) * 4
    ),
    DownloadReason.AGE_RESTRICTED: Rule(
        "{site} asks for an account that is old enough; give its cookies in SONICGEN_COOKIES, then "
        "`sonicgen retry --failed`."
    ),
    DownloadReason.GEO_BLOCKED: Rule(
        "{site} does not show it in the country that we ask from; set SONICGEN_PROXY to one in another country, then "
        "`sonicgen retry --failed`."
    ),
    DownloadReason.LIVE: Rule("It is being broadcast right now; it is fetched when it has ended.", (HOUR,) * 48),
    DownloadReason.NOT_YET_BEGUN: Rule(
        "It has not begun yet; it is fetched after its premiere.", (6 * HOUR,) * 28, at_release=True
    ),
    DownloadReason.BOT_CHECK: Rule(
        "{site} asks whether we are a robot; we leave it alone for a while. Cookies (SONICGEN_COOKIES), another way "
        "out (SONICGEN_PROXY) or a PO-token provider (SONICGEN_POT_PROVIDER_URL) help.",
        (30 * MINUTE, 2 * HOUR, 6 * HOUR, DAY, DAY, DAY),
        pauses_host=True,
    ),
    DownloadReason.RATE_LIMITED: Rule(
        "We asked {site} too often; we leave it alone for a while.",
        (10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, DAY, DAY, DAY),
        pauses_host=True,
    ),
    DownloadReason.REFUSED: Rule(
        "{site} refuses it to us without saying why; an account (SONICGEN_COOKIES) may help.", (HOUR, 6 * HOUR, DAY)
    ),
    DownloadReason.NETWORK: Rule(
        "{site} does not answer, or broke off.", (MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY, DAY)
    ),
    DownloadReason.STALLED: Rule("{site} began to send it and then stopped.", (10 * MINUTE, 2 * HOUR, DAY)),
    DownloadReason.TIME_LIMIT: Rule(
        "It took longer than SONICGEN_DOWNLOAD_JOB_SECONDS and was stopped.", (2 * HOUR, DAY)
    ),
    DownloadReason.TOO_LARGE: Rule(
        "It is larger than SONICGEN_DOWNLOAD_BYTES; raise that, then `sonicgen retry --failed`.", end=_SKIPPED
    ),
    DownloadReason.TOO_LONG: Rule(
        "It is longer than SONICGEN_DOWNLOAD_MAXIMUM_HOURS; raise that, then `sonicgen retry --failed`.", end=_SKIPPED
    ),
    DownloadReason.NO_AUDIO: Rule("It has no sound."),
    DownloadReason.NOT_MEDIA: Rule("There is no video or recording that can be fetched behind this link."),
    DownloadReason.DRM: Rule("{site} protects it against copying (DRM), which is not broken here."),
    DownloadReason.UNSUPPORTED: Rule("It is sent in a way that cannot be fetched here."),
    DownloadReason.SITE_CHANGED: Rule(
        "yt-dlp does not understand {site} as it is now; a newer yt-dlp may.", (3 * DAY, 7 * DAY, 14 * DAY)
    ),
    DownloadReason.PRIVATE_ADDRESS: Rule(
        "The link leads into a private network, where nothing is fetched from; SONICGEN_ALLOWED_HOSTS can name "
        "exceptions."
    ),
    DownloadReason.ATTEMPTS_EXHAUSTED: Rule(
        "Its worker ended before the download did, again and again; `sonicgen retry --failed` begins anew."
    ),
    DownloadReason.OTHER: Rule("{site} does not give it to us.", (6 * HOUR, 3 * DAY)),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a download did not succeed; `detail` is what the site itself said, `release_at` when it begins there."""

    reason: DownloadReason
    detail: str | None = None
    release_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a download that did not succeed."""

    state: DownloadState
    next_attempt_at: datetime | None = None


def decide(failure: Failure, failures: int, now: datetime) -> Fate:
    """Return what follows from a failure that is the n-th in a row for this reason, counted from 1."""
    rule = RULES[failure.reason]
    if rule.at_release and failure.release_at is not None and failure.release_at + _AFTER_RELEASE > now:
        return Fate(DownloadState.WAITING, failure.release_at + _AFTER_RELEASE)
    if failures > len(rule.waits_seconds):
        return Fate(rule.end)
    return Fate(DownloadState.WAITING, now + timedelta(seconds=rule.waits_seconds[failures - 1]))


@dataclass(frozen=True, slots=True)
class Media:
    """What a site tells of a recording; `site_id` is its own name for it there, `extension` the file's, without dot."""

    title: str
    extension: str
    duration_seconds: float | None = None
    site_id: str | None = None
    extractor: str | None = None
    uploader: str | None = None
    published_at: datetime | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Download:
    """One download as Postgres keeps it.

    `address_host` is whom a cool-down spares; `round` counts how often it was asked for anew, `failures` how often in a
    row it failed for its present reason.
    """

    video_id: UUID
    url: str
    state: DownloadState
    address_host: str
    reason: DownloadReason | None = None
    reason_detail: str | None = None
    attempts: int = 0
    round: int = 0
    failures: int = 0
    next_attempt_at: datetime | None = None
    bytes: int | None = None
    source_id: UUID | None = None
    object_name: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    updated_at: datetime | None = None

    def explain(self, site: str) -> str:
        """Return what a person is told about it, with what the site itself said; `site` is the site's name."""
        if self.reason is None or self.state is DownloadState.QUEUED:
            return "Being downloaded." if self.state is DownloadState.RUNNING else "Waiting for its download."
        if self.state is DownloadState.RUNNING and self.reason is not DownloadReason.LONG:
            return "Being downloaded once more."
        sentence = explain(self.reason, site)
        return f"{sentence} ({self.reason_detail})" if self.reason_detail else sentence


def explain(reason: DownloadReason, site: str) -> str:
    """Return a reason's sentence for people; `site` is the site's name."""
    return RULES[reason].sentence.replace("{site}", site)


def describe_retries(rule: Rule) -> str:
    """Return a rule's retries in words, as docs/sources.md has them."""
    if not rule.waits_seconds:
        return "never by itself" if rule.end in (DownloadState.FAILED, _SKIPPED) else "–"
    parts: list[tuple[str, int]] = []
    for seconds in rule.waits_seconds:
        wait = _duration(seconds)
        if parts and parts[-1][0] == wait:
            parts[-1] = (wait, parts[-1][1] + 1)
        else:
            parts.append((wait, 1))
    waits = ", ".join(wait if times == 1 else f"{wait} ({times}×)" for wait, times in parts)
    words = f"when it begins, otherwise after {waits}" if rule.at_release else f"after {waits}"
    return f"{words}; the whole site pauses" if rule.pauses_host else words


def _duration(seconds: float) -> str:
    for unit, size in (("d", DAY), ("h", HOUR), ("min", MINUTE)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
