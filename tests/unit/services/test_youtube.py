"""The YouTube Data API through Google's own client, against a server that speaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from sonicgen.domain.source import SourceReason
from sonicgen.errors import QuotaError, SourceError, UnavailableError
from sonicgen.services import youtube as youtube_module
from sonicgen.services.youtube import Youtube
from sonicgen.services.youtube_forms import Listed, is_short, problem_of, read_duration, read_page, read_video
from tests.youtube_server import CHANNEL_ID, KEY, UPLOADS_ID, Fault, YoutubeServer, make_channel, make_video, serving

Make = Callable[..., Youtube]


class Meter:
    """Counts units, and forbids those beyond a limit."""

    def __init__(self, limit: int = 1000) -> None:
        self.limit = limit
        self.units = 0
        self.exhausted = 0

    def reserve(self, units: int) -> None:
        if self.units + units > self.limit:
            raise QuotaError("spent")
        self.units += units

    def exhaust(self) -> None:
        self.exhausted += 1


@pytest.fixture
def server() -> Iterator[YoutubeServer]:
    with serving(make_channel(120)) as running:
        yield running


@pytest.fixture
def meter() -> Meter:
    return Meter()


@pytest.fixture
def youtube(server: YoutubeServer, meter: Meter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Youtube]:
    monkeypatch.setattr(youtube_module, "_FIRST_PAUSE_SECONDS", 0.01)
    with Youtube(KEY, server.url, reserve=meter.reserve, exhausted=meter.exhaust, timeout_seconds=0.4) as made:
        yield made


def test_a_channel_is_found_by_each_of_its_names(youtube: Youtube, meter: Meter) -> None:
    for name in ("@weather", CHANNEL_ID, "user/OldWeather", "c/weather"):
        channel = youtube.channel(name)
        assert (channel.id, channel.title, channel.handle) == (CHANNEL_ID, "The Weather", "weather")
        assert channel.uploads_playlist_id == UPLOADS_ID
    assert meter.units == 4


def test_a_playlist_is_read_in_fifties(youtube: Youtube, server: YoutubeServer, meter: Meter) -> None:
    listed: list[Listed] = []
    token, sizes = None, []
    while True:
        page = youtube.page(UPLOADS_ID, token)
        listed += page.videos
        sizes.append(len(page.videos))
        token = page.next_page_token
        if token is None:
            break
    assert sizes == [50, 50, 20]
    assert page.total == 120
    assert [video.youtube_id for video in listed] == server.playlists[UPLOADS_ID]
    assert listed[0].title == "Weather report 119"
    assert listed[0].published_at == server.videos[listed[0].youtube_id].published_at
    assert meter.units == 3 == server.spent.total()


def test_videos_are_what_they_are(youtube: Youtube, server: YoutubeServer) -> None:
    server.upload(
        make_video(500, seconds=45, is_tall=True),
        make_video(501, seconds=170, is_tall=True),
        make_video(502, seconds=45),
        make_video(503, live="upcoming"),
        make_video(504, live="was_live", seconds=7_265),
        make_video(505, is_private=True),
    )
    videos = youtube.videos([f"vid{number:08d}" for number in range(500, 507)])
    told = {int(name[3:]): (video.duration_seconds, video.is_short, video.live) for name, video in videos.items()}
    assert told == {
        500: (45.0, True, "none"),
        501: (170.0, True, "none"),
        502: (45.0, False, "none"),
        503: (None, False, "upcoming"),
        504: (7_265.0, False, "was_live"),
    }
    assert videos["vid00000500"].channel_id == CHANNEL_ID
    assert youtube.videos([]) == {}
    with pytest.raises(ValueError, match="at most 50"):
        youtube.videos([str(number) for number in range(51)])


def test_what_nobody_may_see_is_listed_as_such(youtube: Youtube, server: YoutubeServer) -> None:
    server.upload(make_video(500, is_private=True))
    seen = youtube.page(UPLOADS_ID).videos
    assert [video.is_available for video in seen[:2]] == [False, True]
    assert seen[0].published_at is None


@pytest.mark.parametrize(
    ("fault", "error", "reason", "words"),
    [
        ("error_quota", QuotaError, None, "units of this key are spent"),
        ("error_daily_limit", QuotaError, None, "units of this key are spent"),
        ("error_rate", UnavailableError, None, "fewer requests"),
        ("error_rate_429", UnavailableError, None, "fewer requests"),
        ("error_backend", UnavailableError, None, r"error of its own \(503\)"),
        ("error_internal", UnavailableError, None, r"error of its own \(500\)"),
        (b"<html>Bad gateway</html>", UnavailableError, None, r"error of its own \(502\)"),
        ("error_key", SourceError, SourceReason.BAD_KEY, "YOUTUBE_API_KEY"),
        ("error_not_enabled", SourceError, SourceReason.BAD_KEY, "has not been used in project"),
        ("error_playlist_not_found", SourceError, SourceReason.UNKNOWN_PLAYLIST, "private or gone"),
        ("error_forbidden", SourceError, SourceReason.NOT_ALLOWED, "not properly authorized"),
        ("error_page_token", SourceError, SourceReason.BAD_REQUEST, "invalid page token"),
    ],
)
def test_each_failure_is_told_apart(
    youtube: Youtube, server: YoutubeServer, meter: Meter, fault: str | bytes, error: type[Exception],
    reason: str | None, words: str,
) -> None:  # fmt: skip
    server.faults.append(Fault(fault, status=502 if isinstance(fault, bytes) else 0, times=99))
    with pytest.raises(error, match=words) as told:
        youtube.page(UPLOADS_ID)
    assert getattr(told.value, "reason", None) == reason
    assert KEY not in str(told.value)
    assert told.value.__cause__ is None  # which would hold the address, and with it the key
    assert len(server.calls) == (4 if error is UnavailableError else 1) == meter.units
    assert meter.exhausted == (1 if error is QuotaError else 0)


@pytest.mark.parametrize(
    "fault", [Fault("error_backend", times=2), Fault(b"no json", 200, times=2), Fault(b"[]", 200), Fault(b"1", 200)]
)
def test_what_passes_is_tried_again(youtube: Youtube, server: YoutubeServer, meter: Meter, fault: Fault) -> None:
    wanted = 1 + fault.times
    server.faults.append(fault)
    assert len(youtube.page(UPLOADS_ID).videos) == (0 if fault.payload == b"[]" else 50)
    assert meter.units == (1 if fault.payload == b"[]" else wanted)


def test_a_slow_answer_is_not_waited_for(youtube: Youtube, server: YoutubeServer) -> None:
    server.faults.append(Fault(delay_seconds=1.0, times=1))
    assert len(youtube.page(UPLOADS_ID).videos) == 50
    assert len(server.calls) == 2


def test_nobody_there() -> None:
    meter = Meter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(youtube_module, "_FIRST_PAUSE_SECONDS", 0.01)
        nobody = Youtube(KEY, "http://127.0.0.1:9", reserve=meter.reserve, exhausted=meter.exhaust)
        with nobody as youtube, pytest.raises(UnavailableError, match="does not answer"):
            youtube.page(UPLOADS_ID)


def test_units_are_asked_for_before_they_are_spent(youtube: Youtube, server: YoutubeServer, meter: Meter) -> None:
    meter.limit = 2
    youtube.page(UPLOADS_ID)
    youtube.page(UPLOADS_ID)
    with pytest.raises(QuotaError):
        youtube.page(UPLOADS_ID)
    assert len(server.calls) == 2


def test_who_is_unknown_is_told(youtube: Youtube) -> None:
    with pytest.raises(SourceError, match=r"knows no such channel.*Asked for: @nobody\.") as told:
        youtube.channel("@nobody")
    assert told.value.reason == SourceReason.UNKNOWN_CHANNEL
    with pytest.raises(SourceError, match="no such playlist"):
        youtube.playlist_title("PLunknown")


def test_without_a_key_it_says_where_to_get_one() -> None:
    with pytest.raises(SourceError, match=r"YOUTUBE_API_KEY.*console\.cloud\.google\.com"):
        Youtube(None, reserve=lambda _: None, exhausted=lambda: None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT1H2M3S", 3723), ("PT45S", 45), ("PT2M", 120), ("P1DT1S", 86_401), ("P1W", 604_800), ("P0D", None),
     ("PT0S", None), ("", None), ("1:00", None), ("PT-5S", None)],
)  # fmt: skip
def test_durations(text: str, seconds: float | None) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "year", "player", "short"),
    [
        (59, 2023, {"embedHeight": "720", "embedWidth": "405"}, True),
        (61, 2023, {"embedHeight": "720", "embedWidth": "405"}, False),
        (61, 2025, {"embedHeight": "720", "embedWidth": "405"}, True),
        (181, 2025, {"embedHeight": "720", "embedWidth": "405"}, False),
        (59, 2025, {"embedHeight": "405", "embedWidth": "720"}, False),
        (59, 2025, {"embedHeight": "720", "embedWidth": "720"}, True),
        (59, 2025, {}, True),
        (61, 2025, {}, False),
        (None, 2025, {}, None),
    ],
)
def test_shorts(seconds: float | None, year: int, player: dict[str, str], short: bool | None) -> None:
    assert is_short(seconds, datetime(year, 1, 1, tzinfo=UTC), player) is short


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"[]", b"{}", b'{"error": "x"}', b'{"error": {"errors": [1]}}', b'{"error": {"errors": 5}}', b"\xff"],
)
def test_errors_in_no_known_form(content: bytes) -> None:
    assert problem_of(content) == (frozenset(), "")


def test_answers_may_lack_anything() -> None:
    assert read_page({}).videos == ()
    assert read_page({"items": [{}, {"snippet": {}}]}).videos == ()
    bare = read_video({"id": "x"})
    assert (bare.title, bare.duration_seconds, bare.is_short, bare.live) == ("x", None, None, "none")
