"""Pushes of what is new: ask hubs for them, prove to hubs that we did, and take in what they send.

A push says that something changed, new or not; only what the source has not brought before becomes a video.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import urljoin
from uuid import UUID

from sonicgen.domain.filters import Candidate
from sonicgen.domain.source import Source, SourceKind
from sonicgen.errors import InputError, NotFoundError, QuotaError, SonicGenError, SourceError, TransientError
from sonicgen.log import log, log_context
from sonicgen.services.feeds import Entry, Feed, read_feed
from sonicgen.services.websub import LEASE_SECONDS, ask_hub, is_signed, youtube_topic
from sonicgen.steps.read_feed import candidate_of as candidate_of_entry
from sonicgen.steps.read_youtube import candidate_of, publishers_of
from sonicgen.steps.reading import Reading
from sonicgen.steps.services import Services
from sonicgen.store import quota, sources
from sonicgen.store.items import Publisher

logger = logging.getLogger(__name__)

FUNCTION = "websub_callback"
# A push holds the entries that changed, seldom more than a few.
MAXIMUM_PUSH_BYTES = 4 * 2**20
_RENEW_BEFORE = timedelta(days=1)
_MOST_DETAILS = 50
# A hub that grants less than this is asked again all the time; one that says more is not believed.
_LEAST_LEASE_SECONDS, _MOST_LEASE_SECONDS = 60, 90 * 86_400

Answer = tuple[str, int]


def ensure_subscription(services: Services, source: Source, feed: Feed | None = None) -> None:
    """Ask a watched source's hub for pushes unless it pushes already; nothing happens where it has no hub.

    A hub that does not answer or refuses costs nothing but its pushes: the source is looked at by the clock anyway.
    """
    base = services.settings.websub_callback_url
    hub, topic = _hub_of(services, source, feed)
    if base is None or hub is None or topic is None or source.websub_state == "denied":
        return
    ends_at = source.websub_lease_expires_at
    if source.websub_state == "verified" and ends_at and ends_at > datetime.now(UTC) + _RENEW_BEFORE:
        return
    # Written before the hub is asked: it may ask back before it answers.
    asked = sources.ask_websub(services.database, source.id, hub, topic, secrets.token_hex(32))
    callback = urljoin(base.rstrip("/") + "/", str(source.id))
    try:
        ask_hub(hub, "subscribe", topic, callback, asked.websub_secret or "", services.guard)
    except SonicGenError as error:
        logger.warning("No pushes for %s yet: %s", source.title or source.address, error)
        if asked.websub_state != "verified":
            with suppress(SonicGenError):
                sources.set_websub(services.database, source.id, "failed", None)


def renew_subscriptions(services: Services, limit: int = 100) -> int:
    """Ask again where a subscription ends soon or the hub never asked back; return how many that were."""
    due = sources.websub_due(services.database, limit) if services.settings.websub_callback_url else []
    for source in due:
        ensure_subscription(services, source)
    return len(due)


def answer_hub(
    services: Services, method: str, path: str, query: Mapping[str, str], body: bytes, signature: str | None
) -> Answer:
    """Return the text and status for what a hub asks or pushes at /<source's id>."""
    try:
        identifier = UUID(path.strip("/").rsplit("/", 1)[-1])
    except ValueError:
        return "There is no such subscription.", 404
    try:
        source = sources.get(services.database, identifier)
        with log_context(source_id=str(source.id)):
            if method == "GET":
                return _answer_question(services, source, query)
            return _take_push(services, source, body, signature) if method == "POST" else ("", 405)
    except NotFoundError:
        return "There is no such subscription.", 404
    except TransientError as error:
        logger.warning("A push could not be taken in: %s", error)
        return "Try again later.", 503


def _hub_of(services: Services, source: Source, feed: Feed | None) -> tuple[str | None, str | None]:
    if source.kind is SourceKind.CHANNEL and source.channel_id:
        return services.settings.websub_hub, youtube_topic(source.channel_id)
    if source.kind is SourceKind.FEED and feed is not None:
        return feed.hub, feed.topic or source.address
    return source.websub_hub, source.websub_topic


def _answer_question(services: Services, source: Source, query: Mapping[str, str]) -> Answer:
    """Say yes to what we asked for, and to nothing else."""
    mode, topic = query.get("hub.mode"), query.get("hub.topic")
    if topic != source.websub_topic or source.websub_state is None:
        return "That was not asked for.", 404
    if mode == "denied":
        log(logger, "The hub denies pushes.", detail=query.get("hub.reason", ""))
        sources.set_websub(services.database, source.id, "denied", None)
        return "", 200
    if (mode == "subscribe") != source.is_watched or mode not in ("subscribe", "unsubscribe"):
        return "That was not asked for.", 404
    if mode == "subscribe":
        try:
            seconds = int(query.get("hub.lease_seconds") or LEASE_SECONDS)
        except ValueError:
            seconds = LEASE_SECONDS
        seconds = min(max(seconds, _LEAST_LEASE_SECONDS), _MOST_LEASE_SECONDS)
        ends_at = datetime.now(UTC) + timedelta(seconds=seconds)
        sources.set_websub(services.database, source.id, "verified", ends_at)
    return query.get("hub.challenge", ""), 200


def _take_push(services: Services, source: Source, body: bytes, signature: str | None) -> Answer:
    if not source.is_watched:
        return "Nobody watches this any more.", 410
    if len(body) > MAXIMUM_PUSH_BYTES:
        return "That is too much at once.", 413
    if not is_signed(body, signature, source.websub_secret):
        # The specification wants a success here: who guesses signatures learns nothing.
        logger.warning("A push without the right signature is ignored.")
        return "", 202
    try:
        entries = read_feed(body, source.websub_topic or source.address).entries
    except SourceError as error:
        logger.warning("A push that is no feed is ignored: %s", error)
        return "", 202
    reading = Reading(services, source)
    known = reading.known([entry.item for entry in entries])
    fresh = [entry for entry in entries if entry.item not in known][:_MOST_DETAILS]
    if fresh:
        _keep_fresh(reading, fresh)
    log(logger, "A push was taken in.", entries=len(entries), new=reading.new)
    return "", 204


def _keep_fresh(reading: Reading, fresh: list[Entry]) -> None:
    """Keep what a push tells of for the first time; when the API is needed and gives nothing, the next look does."""
    source = reading.source
    candidates: list[Candidate] = [candidate_of_entry(entry) for entry in fresh]
    publishers = [Publisher(source.channel_id, source.title or source.channel_id)] if source.channel_id else []
    youtube_ids = [entry.youtube_id for entry in fresh if entry.youtube_id]
    if youtube_ids and reading.services.settings.youtube_api_key:
        try:
            with reading.youtube() as youtube:
                details = youtube.videos(youtube_ids)
        except QuotaError:
            spent = quota.today(reading.database, quota.YOUTUBE, reading.services.settings.youtube_daily_units)
            sources.look_again(reading.database, source.id, spent.resets_at)
            return
        except InputError as error:
            logger.warning("A push is left for the next look: %s", error)
            return
        candidates = [candidate_of(details[entry.item]) for entry in fresh if entry.item in details]
        publishers = publishers_of(details.values()) or publishers
    channels = dict.fromkeys((c.item for c in candidates), publishers[0].id) if publishers else {}
    reading.keep_pushed(reading.judge(candidates, is_ordered=True, channels=channels), publishers)
