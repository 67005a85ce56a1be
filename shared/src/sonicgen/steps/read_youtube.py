"""Read a YouTube channel, playlist or video into a source's items, page by page, with the least units possible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sonicgen.domain.address import video_address
from sonicgen.domain.filters import Candidate
from sonicgen.domain.source import EXPLANATIONS, SourceReason, youtube_video_id
from sonicgen.errors import SourceError
from sonicgen.services.youtube import Youtube
from sonicgen.services.youtube_forms import Listed, ListedPage, VideoDetails
from sonicgen.steps.reading import Reading
from sonicgen.store import sources
from sonicgen.store.items import Item, Publisher


def read_channel(reading: Reading, youtube: Youtube, *, token: str | None) -> bool:
    """Read a channel's uploads, newest first; whether its end was reached (else it goes on in another message).

    A repeat spends one unit when nothing is new. Raises SourceError, QuotaError, UnavailableError, SupersededError.
    """
    if reading.source.uploads_playlist_id is None:
        token = _identify(reading, youtube)
    uploads = reading.source.uploads_playlist_id
    if uploads is None:
        return True
    try:
        return _read_pages(reading, youtube, uploads, is_ordered=True, token=token)
    except SourceError as error:
        # YouTube has no list of uploads for a channel without any, nor for one that is gone.
        if error.reason != SourceReason.UNKNOWN_PLAYLIST:
            raise
        if reading.source.last_seen:
            reason = SourceReason.UNKNOWN_CHANNEL
            raise SourceError(reason, EXPLANATIONS[reason], "It was there before.") from error
        return True


def read_playlist(reading: Reading, youtube: Youtube, *, token: str | None) -> bool:
    """Read a playlist, in whatever order it is; as `read_channel`. A repeat reads it whole: the new may be anywhere."""
    if reading.source.title is None:
        reading.identify(None, youtube.playlist_title(reading.source.address))
    return _read_pages(reading, youtube, reading.source.address, is_ordered=False, token=token)


def read_video(reading: Reading, youtube: Youtube | None) -> bool:
    """Read one video; without the API it is taken as it is, and the download finds out what it is."""
    youtube_id = reading.source.address
    details = youtube.videos([youtube_id]) if youtube else {}
    if youtube and youtube_id not in details:
        reason = SourceReason.UNKNOWN_VIDEO
        raise SourceError(reason, EXPLANATIONS[reason])
    video = details.get(youtube_id)
    candidate = candidate_of(video) if video else bare_candidate(youtube_id, video_address(youtube_id).url)
    publishers = publishers_of(details.values())
    judged = reading.judge(
        [candidate],
        is_ordered=False,
        channels={youtube_id: publishers[0].id} if publishers else {},
    )
    reading.keep(judged, channels=publishers)
    reading.identify(publishers[0] if publishers else None, candidate.title)
    return True


def bare_candidate(youtube_id: str, title: str) -> Candidate:
    """Return a video of which nothing but its id is known."""
    return Candidate(
        item=youtube_id,
        video_id=youtube_video_id(youtube_id),
        url=video_address(youtube_id).url,
        title=title,
        youtube_id=youtube_id,
    )


def candidate_of(video: VideoDetails) -> Candidate:
    """Return a video as the filters look at it."""
    return replace(
        bare_candidate(video.youtube_id, video.title),
        description=video.description,
        published_at=video.published_at,
        duration_seconds=video.duration_seconds,
        is_short=video.is_short,
        live=video.live,
    )


def publishers_of(videos: Iterable[VideoDetails]) -> list[Publisher]:
    """Return the channels that videos name."""
    named = {v.channel_id: v.channel_title for v in videos if v.channel_id}
    return [Publisher(identifier, title or identifier) for identifier, title in named.items()]


def _identify(reading: Reading, youtube: Youtube) -> str | None:
    """Find out which channel the source is; when it is read under another address already, go on there.

    Returns the token of the page to begin with.
    """
    source = reading.source
    found = youtube.channel(source.address)
    channel = Publisher(found.id, found.title, found.handle, found.uploads_playlist_id)
    with reading.database.transaction() as connection:
        other = sources.find_by_channel(connection, found.id, not_id=source.id)
        if other is not None:
            sources.set_same_as(connection, source, other, found.title)
    if other is not None:
        begun = sources.begin(
            reading.database,
            source.kind,
            source.address,  # which leads to the other one from now on
            filters=source.filters,
            watch=source.is_watched,
            poll_every_seconds=source.poll_every_seconds,
        )
        reading.source = begun.source
    reading.identify(channel, found.title)
    return reading.source.page_token


def _read_pages(reading: Reading, youtube: Youtube, playlist_id: str, *, is_ordered: bool, token: str | None) -> bool:
    is_first = token is None
    while True:
        page = youtube.page(playlist_id, token)
        fresh = _fresh(reading, page)
        judged, publishers = _judge(reading, youtube, fresh, is_ordered=is_ordered)
        is_full = reading.is_full(judged, is_ordered=is_ordered)
        ended = page.next_page_token is None or is_full or (is_ordered and _is_past(reading, page, fresh))
        taken = [v.candidate.published_at for v in judged if v.filtered_by is None and v.candidate.published_at]
        newest = max((v.published_at for v in page.videos if v.published_at), default=None)
        reading.keep(
            judged,
            page_token=None if ended else page.next_page_token,
            channels=publishers,
            last_seen={"published_at": newest.isoformat()} if is_first and newest else None,
            oldest_taken_at=min(taken, default=None) if is_full and is_ordered else None,
        )
        if ended or reading.is_over_time:
            return ended
        token, is_first = page.next_page_token, False


def _fresh(reading: Reading, page: ListedPage) -> list[Listed]:
    """Return the videos of a page that the source has not brought before, or that could not be seen then."""
    known = reading.known([video.youtube_id for video in page.videos])
    return [v for v in page.videos if v.youtube_id not in known or (known[v.youtube_id] and v.is_available)]


def _judge(
    reading: Reading, youtube: Youtube, fresh: Sequence[Listed], *, is_ordered: bool
) -> tuple[list[Item], list[Publisher]]:
    """Return the verdicts on a page's videos; YouTube is asked only about those whose listing leaves them in."""
    listed = [
        replace(
            bare_candidate(video.youtube_id, video.title),
            description=video.description,
            published_at=video.published_at,
            is_available=video.is_available,
        )
        for video in fresh
    ]
    asked = {candidate.item for candidate in listed if reading.verdict(candidate) is None}
    details = youtube.videos([candidate.item for candidate in listed if candidate.item in asked])
    candidates = [_known_better(candidate, details) if candidate.item in asked else candidate for candidate in listed]
    publishers = publishers_of(details.values())
    channels = {video.youtube_id: video.channel_id for video in details.values() if video.channel_id}
    return reading.judge(candidates, is_ordered=is_ordered, channels=channels), publishers


def _known_better(candidate: Candidate, details: Mapping[str, VideoDetails]) -> Candidate:
    video = details.get(candidate.item)
    return candidate_of(video) if video else replace(candidate, is_available=False)


def _is_past(reading: Reading, page: ListedPage, fresh: Sequence[Listed]) -> bool:
    """Return whether nothing that is wanted can follow a page of a list with the newest first."""
    wanted, floor = reading.source.filters.published_after, reading.source.oldest_taken_at
    oldest = max(filter(None, (wanted, floor)), default=None)

    def is_older(video: Listed) -> bool:
        return bool(oldest and video.published_at and video.published_at < oldest)

    if page.videos and all(map(is_older, page.videos)):
        return True
    return reading.source.is_read and all(map(is_older, fresh))
