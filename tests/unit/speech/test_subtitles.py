from __future__ import annotations

from pathlib import Path

import av
import pytest

from sonicgen.speech.exports.subtitles import clock_text, to_srt, to_vtt
from tests.unit.speech.lines import line
from tests.unit.speech.readers import read_srt, read_vtt

LINES = [
    line("Where is it from? Nobody could say.", 1.5, 4.25, name="Ada & <Grace>"),
    line("a < b && c --> d", 400_000.0, 400_003.0, speaker="B"),
]


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "00:00:00,000"), (3_599_999, "00:59:59,999"), (3_600_000, "01:00:00,000"), (400_000_001, "111:06:40,001")],
)
def test_hours_take_the_digits_they_need(milliseconds: int, text: str) -> None:
    assert clock_text(milliseconds, ",") == text


def test_srt_word_for_word() -> None:
    assert to_srt([line("Hello there.", 1.5, 2.5, name="Ada"), line("Yes.", 3.0, 4.0, speaker="B")]) == (
        "1\n00:00:01,500 --> 00:00:02,500\nAda: Hello there.\n\n2\n00:00:03,000 --> 00:00:04,000\nSpeaker B: Yes.\n"
    )


def test_vtt_word_for_word() -> None:
    assert to_vtt([line("AT&T <3", 1.5, 2.5, name="Ada > all")]) == (
        "WEBVTT\n\n00:00:01.500 --> 00:00:02.500\n<v Ada &gt; all>AT&amp;T &lt;3\n"
    )


def test_nothing_said_is_a_valid_file() -> None:
    assert to_srt([]) == ""
    assert read_vtt(to_vtt([])) == []
    assert read_vtt(to_vtt([line("", 0.0, 1.0)])) == []


def test_what_markup_would_eat_reads_back() -> None:
    assert read_vtt(to_vtt(LINES))[0].speaker == "Ada & <Grace>"
    assert read_vtt(to_vtt(LINES))[1].lines == ("a < b && c --> d",)
    assert read_srt(to_srt(LINES))[1].lines == ("Speaker B: a < b && c → d",)


@pytest.mark.parametrize("suffix", ["srt", "vtt"])
def test_ffmpeg_reads_the_same_times(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"lines.{suffix}"
    text = to_srt(LINES) if suffix == "srt" else to_vtt(LINES)
    path.write_text(text, encoding="utf-8")
    wanted = read_srt(text) if suffix == "srt" else read_vtt(text)
    with av.open(path) as container:
        times = [
            (
                round(packet.pts * packet.time_base * 1000),
                round((packet.pts + packet.duration) * packet.time_base * 1000),
            )
            for packet in container.demux()
            if packet.pts is not None and packet.time_base is not None and packet.duration is not None
        ]
    assert times == [(cue.start_ms, cue.end_ms) for cue in wanted]
