"""Channels are discovered whole, once, at the least cost, whatever breaks off in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from sonicgen.domain.source import SourceReason, SourceState, youtube_video_id
from sonicgen.errors import TransientError
from sonicgen.events.channel_ingest import ChannelIngest
from sonicgen.steps import channel_ingest as channel_ingest_module
from sonicgen.steps import reading as reading_module
from sonicgen.steps.channel_ingest import channel_ingest
from sonicgen.steps.poll_sources import poll_due_sources
from sonicgen.steps.services import Services
from sonicgen.store import quota, sources
from tests.sources_fixture import MakeServices, Topic
from tests.unit.steps.channel_ingest.ingest import NOW, events, ingest, spent, videos
from tests.youtube_server import CHANNEL_ID, KEY, Fault, YoutubeServer, make_video


def test_a_channel_is_discovered_whole_once_and_at_the_least_cost(
    services: Services, server: YoutubeServer, discovered: Topic
) -> None:
    source = ingest(services, "@Weather")
    assert (source.state, source.reason) == (SourceState.DONE, SourceReason.READ)
    assert (source.discovered, source.taken, source.filtered, source.pages) == (120, 120, 0, 3)
    assert server.spent == {"channels": 1, "playlistItems": 3, "videos": 3}
    assert spent(services) == source.units == 7
    known = videos(services)
    assert {video.youtube_id for video in known} == set(server.videos)
    first = next(video for video in known if video.youtube_id == "vid00000007")
    assert first.id == youtube_video_id("vid00000007")
    assert (first.title, first.duration_seconds, first.channel_id) == ("Weather report 7", 307.0, CHANNEL_ID)
    assert first.published_at == server.videos["vid00000007"].published_at
    assert first.published_uri == "https://www.youtube.com/watch?v=vid00000007"
    assert (first.match_status, first.source_uri) == (None, None)
    told = events(discovered)
    assert len(told) == 120
    assert {event.video_id for event in told} == {video.id for video in known}
    assert {event.source_id for event in told} == {source.id}


def test_a_repeat_costs_one_unit_and_brings_only_what_is_new(
    services: Services, server: YoutubeServer, discovered: Topic
) -> None:
    ingest(services, "@weather")
    events(discovered)
    again = ingest(services, "@weather")
    assert (again.units, again.discovered) == (1, 0)
    server.upload(make_video(200), make_video(201))
    newer = ingest(services, "https://www.youtube.com/@weather/videos")
    assert newer.id == again.id
    assert (newer.units, newer.taken) == (3, 2)  # the page, the two, and the page after it, on which all is known
    assert {event.youtube_id for event in events(discovered)} == {"vid00000200", "vid00000201"}
    assert len(videos(services)) == 122


def test_the_same_message_again_does_nothing(services: Services, server: YoutubeServer, discovered: Topic) -> None:
    ingest(services, "@weather", event_id="same")
    ingest(services, "@weather", event_id="same")
    assert len(server.calls) == 7
    assert len(events(discovered)) == 120


def test_a_channel_is_one_source_under_all_its_names(
    services: Services, server: YoutubeServer, discovered: Topic
) -> None:
    first = ingest(services, "@weather")
    by_id = ingest(services, CHANNEL_ID)
    assert by_id.id == first.id
    assert len(server.calls) == 7 + 2  # who it is, and the first page
    ingest(services, CHANNEL_ID)
    assert len(server.calls) == 7 + 3
    alias = next(each for each in sources.list_all(services.database) if each.address == CHANNEL_ID)
    assert (alias.same_as, alias.reason) == (first.id, SourceReason.SAME_AS)


@pytest.mark.parametrize("kind", ["channels", "playlistItems", "videos"])
def test_what_breaks_off_goes_on_where_it_was(
    services: Services, server: YoutubeServer, discovered: Topic, kind: str
) -> None:
    if kind != "channels":
        server.faults.append(Fault(kind=kind))  # the first of them is answered
    server.faults.append(Fault("error_backend", kind=kind, times=4))
    with pytest.raises(TransientError):
        ingest(services, "@weather", event_id="one")
    half = sources.list_all(services.database)[0]
    assert half.state is SourceState.ACTIVE
    assert "Held up: YouTube answers with an error of its own (503)." in half.explain()
    whole = ingest(services, "@weather", event_id="one")
    assert (whole.discovered, whole.taken, whole.pages) == (120, 120, 3)
    assert len(videos(services)) == 120
    assert len(events(discovered)) == 120
    assert server.spent["playlistItems"] <= 3 + 4 + (kind == "videos")  # no page that was kept is read again


def test_events_that_a_crash_left_are_published_by_the_next(
    services: Services, discovered: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(reading_module, "announce_videos", crash)
        with pytest.raises(KeyboardInterrupt):
            ingest(services, "@weather", event_id="one")
    assert len(videos(services)) == 50
    assert events(discovered) == []
    ingest(services, "@weather", event_id="one")
    assert len({event.id for event in events(discovered)}) == 120


def test_a_topic_that_is_not_there_yet_loses_nothing(services: Services, topic: Callable[[str], Topic]) -> None:
    with pytest.raises(TransientError, match=r"video-discovered does not exist in Pub/Sub"):
        ingest(services, "@weather", event_id="one")
    discovered = topic("video-discovered")
    assert ingest(services, "@weather", event_id="one").discovered == 120
    assert len({event.id for event in events(discovered)}) == 120


def test_after_the_last_try_the_source_says_so(services: Services, server: YoutubeServer) -> None:
    server.faults.append(Fault("error_backend", times=1000))
    for _ in range(channel_ingest_module.MAXIMUM_ATTEMPTS - 1):
        with pytest.raises(TransientError):
            ingest(services, "@weather", event_id="one")
    source = ingest(services, "@weather", event_id="one")
    assert (source.state, source.reason) == (SourceState.FAILED, SourceReason.UNAVAILABLE)
    assert "ten times" in source.explain()


def test_it_pauses_when_the_units_are_spent_and_goes_on_the_next_day(
    services: Services,
    make_source_services: MakeServices,
    server: YoutubeServer,
    discovered: Topic,
    topic: Callable[[str], Topic],
) -> None:
    requests = topic("channel-ingest")
    poor = make_source_services(youtube_api_key=KEY, youtube_endpoint=server.url, youtube_daily_units=4)
    paused = ingest(poor, "@weather")
    assert (paused.state, paused.reason) == (SourceState.PAUSED_QUOTA, SourceReason.QUOTA)
    assert "goes on after midnight Pacific time" in paused.explain()
    assert (paused.discovered, paused.units, len(server.calls)) == (50, 4, 4)
    assert paused.next_poll_at is not None
    midnight = paused.next_poll_at.astimezone(ZoneInfo("America/Los_Angeles"))
    assert (midnight.hour, midnight.minute) == (0, 0)
    assert timedelta(0) < paused.next_poll_at - datetime.now(UTC) <= timedelta(hours=25)
    assert ingest(poor, "@weather").state is SourceState.PAUSED_QUOTA
    assert len(server.calls) == 4  # not one unit over the limit

    assert poll_due_sources(services).due == 0
    assert poll_due_sources(services, at=midnight).due == 1
    message = requests.take()[0]
    request = ChannelIngest.from_data(json.loads(message.data), NOW, message.attributes["ce-id"])
    channel_ingest(services, request)  # with the units of a new day
    source = sources.get(services.database, paused.id)
    assert (source.state, source.discovered, source.next_poll_at) == (SourceState.DONE, 120, None)
    assert server.spent == {"channels": 1, "playlistItems": 4, "videos": 3}  # one page had no units for its videos
    assert len({event.id for event in events(discovered)}) == 120


def test_after_a_long_rest_nothing_that_moved_is_missed(
    services: Services,
    make_source_services: MakeServices,
    server: YoutubeServer,
    discovered: Topic,
    topic: Callable[[str], Topic],
) -> None:
    requests = topic("channel-ingest")
    poor = make_source_services(youtube_api_key=KEY, youtube_endpoint=server.url, youtube_daily_units=5)
    paused = ingest(poor, "@weather")
    assert paused.page_token
    with services.database.transaction() as connection:  # a day goes by
        connection.execute("alter table sources disable trigger sources_touch")
        connection.execute("update sources set updated_at = updated_at - interval '1 day'")
        connection.execute("alter table sources enable trigger sources_touch")
    # Two of the second page are deleted, so that two of the third move into it.
    uploads = server.playlists[paused.uploads_playlist_id or ""]
    del uploads[60:62]
    ingest(services, "@weather")
    assert {video.youtube_id for video in videos(services)} >= set(uploads)
    # What came meanwhile stands before the page that it went on with: it is looked at in a message of its own.
    server.upload(make_video(500))
    (message,) = requests.take()
    channel_ingest(services, ChannelIngest.from_data(json.loads(message.data), NOW, message.attributes["ce-id"]))
    assert {video.youtube_id for video in videos(services)} == set(server.videos)


def test_youtube_itself_may_say_that_nothing_is_left(
    services: Services, server: YoutubeServer, discovered: Topic
) -> None:
    server.faults.append(Fault("error_quota", kind="videos"))
    assert ingest(services, "@weather").state is SourceState.PAUSED_QUOTA
    assert quota.today(services.database, quota.YOUTUBE, 10_000).is_exhausted
    assert ingest(services, "@weather").state is SourceState.PAUSED_QUOTA
    assert len(server.calls) == 3
