"""Read a source: discover its videos, keep those that are wanted, and announce each new one once.

Killed at any point and run again, it goes on with the page it was at: a page's videos, counts and the token of the next
are kept in one transaction, and the events of what is new are owed until they are safe in Pub/Sub.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import UTC, datetime
from uuid import uuid5

from sonicgen.cloud.bus import publish_event
from sonicgen.cloud.ledger_entry import Outcome
from sonicgen.cloud.once import Claim, run_once
from sonicgen.domain.address import parse_address
from sonicgen.domain.recording import RECORDING_NAMESPACE
from sonicgen.domain.source import Source, SourceKind, SourceReason
from sonicgen.errors import InputError, QuotaError, SonicGenError, SourceError, SupersededError, TransientError
from sonicgen.events.channel_ingest import ChannelIngest
from sonicgen.log import log, log_context, setup_logging
from sonicgen.services.feeds import Feed
from sonicgen.settings import settings
from sonicgen.steps.announce_videos import announce_videos
from sonicgen.steps.read_feed import read_feed, read_link
from sonicgen.steps.read_youtube import read_channel, read_playlist, read_video
from sonicgen.steps.reading import Reading
from sonicgen.steps.services import Services
from sonicgen.steps.websub import ensure_subscription
from sonicgen.store import quota, sources
from sonicgen.store.sources import Begun

logger = logging.getLogger(__name__)

FUNCTION = "channel_ingest"
TOPIC = "channel-ingest"
# A message is given up by the bus after ten deliveries; the last of them says so in the source's state.
MAXIMUM_ATTEMPTS = 10
_REFUSED_CHARACTERS = 200


def prepare() -> None:
    """Make the process ready for its first event."""
    setup_logging(settings().log_level)


def channel_ingest(services: Services, request: ChannelIngest) -> Outcome:
    """Read the source that a request names, once for each request.

    A source that cannot be read is left in a state that says why. Raises TransientError when the request must come
    again.
    """
    with log_context(event_id=request.id):
        return run_once(services.ledger, FUNCTION, request.id, lambda claim: _ingest(services, request, claim))


def refuse_request(services: Services, text: object, error: InputError) -> Source:
    """Leave a trace, among the sources, of a request that cannot work: what was asked for and what is wrong with it."""
    logger.warning("A request for a source is refused: %s", error)
    named = str(text or "a request without a source")[:_REFUSED_CHARACTERS]
    source = sources.begin(services.database, SourceKind.LINK, named).source
    return sources.fail(services.database, source, SourceReason.BAD_REQUEST, str(error))


def _ingest(services: Services, request: ChannelIngest, claim: Claim) -> dict[str, object]:
    try:
        begun = _begin(services, request)
    except SupersededError as error:
        log(logger, str(error))
        return {"source_id": str(request.source_id), "state": "superseded", "new": 0}
    except InputError as error:
        source = refuse_request(services, request.address, error)
        return {"source_id": str(source.id), "state": str(source.state), "new": 0}
    reading = Reading(services, begun.source)
    with log_context(source_id=str(begun.source.id)):
        announce_videos(services, begun.source.id)  # what a reader that died has left
        try:
            source = _read(reading, begun)
        except SupersededError as error:
            log(logger, str(error))
            return {"source_id": str(begun.source.id), "state": "superseded", "new": reading.new}
        except SourceError as error:
            source = sources.fail(
                services.database, reading.source, SourceReason(error.reason), error.detail, reading.units
            )
        except QuotaError as error:
            source = _pause(reading, error)
        except TransientError as error:
            source = _try_again(reading, error, claim)
        log(logger, f"{source.title or source.address}: {source.state}", new=reading.new, reason=source.reason)
        return {"source_id": str(source.id), "state": str(source.state), "new": reading.new}


def _begin(services: Services, request: ChannelIngest) -> Begun:
    if request.source_id is not None:
        return sources.begin_again(services.database, request.source_id)
    address = parse_address(request.address, request.kind)
    return sources.begin(
        services.database,
        address.kind,
        address.address,
        filters=request.filters,
        watch=request.watch,
        poll_every_seconds=request.poll_every_seconds,
        default_poll_seconds=services.settings.poll_seconds,
    )


def _read(reading: Reading, begun: Begun) -> Source:
    """Read the source to its end, or for as long as one message may take."""
    source = begun.source
    # What is deleted meanwhile moves the rest of the list up: after a long rest the last page is looked at again.
    token = source.previous_page_token if begun.is_old else source.page_token
    feed: Feed | None = None
    is_at_end = True
    if source.kind is SourceKind.FEED:
        feed = read_feed(reading)
    elif source.kind is SourceKind.LINK:
        read_link(reading)
    elif source.kind is SourceKind.VIDEO and not reading.services.settings.youtube_api_key:
        read_video(reading, None)
    else:
        with reading.youtube() as youtube:
            if source.kind is SourceKind.VIDEO:
                read_video(reading, youtube)
            elif source.kind is SourceKind.PLAYLIST:
                is_at_end = read_playlist(reading, youtube, token=token)
            else:
                is_at_end = read_channel(reading, youtube, token=token)
    if not is_at_end:
        _go_on_later(reading.source)
        return reading.source
    finished = _finish(reading, feed)
    if begun.is_old:  # what came since the reading began stands before its first page
        _go_on_later(finished)
    return finished


def _finish(reading: Reading, feed: Feed | None) -> Source:
    marks = {"etag": feed.etag or "", "last_modified": feed.last_modified or ""} if feed else {}
    source = sources.finish(reading.database, reading.source, last_seen=marks, units=reading.units)
    if source.is_watched:
        ensure_subscription(reading.services, source, feed)
    return source


def _go_on_later(source: Source) -> None:
    publish_event(TOPIC, request_for(source, f"{source.read_number} {source.page_token}"))


def request_for(source: Source, occasion: str) -> ChannelIngest:
    """Return the request to go on with a known source; the same occasion gives the same event."""
    return ChannelIngest(
        address=source.address,
        time=datetime.now(UTC),
        source_id=source.id,
        id=str(uuid5(RECORDING_NAMESPACE, f"{TOPIC}\n{source.id}\n{occasion}")),
    )


def _pause(reading: Reading, error: QuotaError) -> Source:
    spent = quota.today(reading.database, quota.YOUTUBE, reading.services.settings.youtube_daily_units)
    return sources.pause(reading.database, reading.source, spent.resets_at, str(error), reading.units)


def _try_again(reading: Reading, error: TransientError, claim: Claim) -> Source:
    """Raise the error, so that the message comes again, unless this was its last time."""
    if claim.attempts >= MAXIMUM_ATTEMPTS:
        return sources.fail(
            reading.database, reading.source, SourceReason.UNAVAILABLE, f"The last time: {error}", reading.units
        )
    with suppress(SonicGenError):
        sources.note(reading.database, reading.source, f"Held up: {error}", reading.units)
    raise error
