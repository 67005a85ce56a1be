from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sonicgen.services import ytdlp_worker
from sonicgen.services.ytdlp_worker import SAFE_PROTOCOLS, choose_format, describe, options

REQUEST: dict[str, Any] = {
    "url": "http://example.org/",
    "folder": "/nowhere",
    "proxy": "http://127.0.0.1:1",
    "maximum_seconds": 7200.0,
    "long_seconds": 3600.0,
}


def made(name: str, **fields: Any) -> dict[str, Any]:
    return {"format_id": name, "protocol": "https", **fields}


def chosen(*formats: dict[str, Any]) -> str:
    return str(next(iter(choose_format({"formats": list(formats)})))["format_id"])


def refusal(*formats: dict[str, Any]) -> str:
    with pytest.raises(ytdlp_worker._Stop) as raised:
        chosen(*formats)
    return str(raised.value.failure.reason)


def test_sound_alone_is_preferred_and_the_best_of_it() -> None:
    opus = made("opus", acodec="opus", vcodec="none", abr=160)
    m4a = made("m4a", acodec="mp4a", vcodec="none", abr=128)
    film = made("film", acodec="mp4a", vcodec="avc1", tbr=300)
    mute = made("mute", acodec="none", vcodec="vp9")
    assert chosen(film, mute, m4a, opus) == "opus"


def test_otherwise_the_smallest_with_sound() -> None:
    large = made("large", acodec="mp4a", vcodec="avc1", filesize=9_000_000)
    small = made("small", acodec="mp4a", vcodec="avc1", filesize_approx=2_000_000)
    mute = made("mute", acodec="none", vcodec="avc1", filesize=10)
    assert chosen(small, large, mute) == "small"
    assert chosen(made("unknown"), large) == "large"
    assert chosen(made("high", tbr=900), made("low", tbr=90)) == "low"


@pytest.mark.parametrize("protocol", ["rtmp", "rtsp", "mms", "websocket_frag", "f4m"])
def test_what_goes_around_the_guard_is_never_chosen(protocol: str) -> None:
    around = made("around", acodec="mp4a", vcodec="none") | {"protocol": protocol}
    assert protocol not in SAFE_PROTOCOLS
    assert refusal(around) == "unsupported"
    assert chosen(made("film", acodec="mp4a", vcodec="avc1"), around) == "film"


def test_without_sound_there_is_nothing_to_choose() -> None:
    assert refusal(made("mute", acodec="none", vcodec="avc1")) == "no_audio"


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ({"live_status": "is_live"}, "live"),
        ({"is_live": True}, "live"),
        ({"live_status": "is_upcoming", "release_timestamp": 1_800_000_000}, "not_yet_begun"),
        ({"duration": 8000}, "too_long"),
        ({"duration": 4000}, "long"),
        ({"was_live": True}, "long"),
    ],
)
def test_what_is_known_before_the_download_decides(info: dict[str, Any], reason: str) -> None:
    with pytest.raises(ytdlp_worker._Stop) as raised:
        ytdlp_worker._check(info, REQUEST)
    failure = raised.value.failure
    assert failure.reason == reason
    if reason == "not_yet_begun":
        assert failure.release_at == datetime.fromtimestamp(1_800_000_000, UTC)


def test_what_may_be_downloaded_passes() -> None:
    ytdlp_worker._check({"duration": 60, "live_status": "was_live", "was_live": True}, REQUEST)
    ytdlp_worker._check({"live_status": "not_live"}, REQUEST)
    ytdlp_worker._check({"duration": 4000}, REQUEST | {"long_seconds": None})


def test_settings_arrive_as_options() -> None:
    given = REQUEST | {
        "bytes_per_second": 1000,
        "throttled_bytes_per_second": 100,
        "sleep_seconds": 10.0,
        "pot_provider_url": "http://127.0.0.1:4416",
        "cookie_file": "/nowhere/cookies.txt",
    }
    made_options = options(given, lambda _: None)
    assert made_options["ratelimit"] == 1000
    assert made_options["throttledratelimit"] == 100
    assert (made_options["sleep_interval"], made_options["max_sleep_interval"]) == (10.0, 15.0)
    assert made_options["extractor_args"] == {"youtubepot-bgutilhttp": {"base_url": ["http://127.0.0.1:4416"]}}
    assert made_options["proxy"] == "http://127.0.0.1:1"
    assert made_options["noplaylist"]
    assert "sleep_interval" not in options(REQUEST, lambda _: None)


def test_what_sites_tell_is_described() -> None:
    described = describe({"id": "abc", "title": "A talk", "ext": "webm", "duration": 61, "timestamp": 1_700_000_000})
    assert (described["site_id"], described["title"], described["duration_seconds"]) == ("abc", "A talk", 61.0)
    assert described["published_at"] == "2023-11-14T22:13:20+00:00"
    assert describe({})["title"] == ""
