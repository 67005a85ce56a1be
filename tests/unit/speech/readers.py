"""Strict readers of what is exported, written from the formats' descriptions, not from our writers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape

_SRT_TIME = re.compile(r"(\d{2,}):([0-5]\d):([0-5]\d),(\d{3}) --> (\d{2,}):([0-5]\d):([0-5]\d),(\d{3})")
_VTT_TIME = re.compile(r"(\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3}) --> (\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3})")


@dataclass(frozen=True)
class ReadCue:
    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str | None = None


def read_srt(text: str) -> list[ReadCue]:
    if not text:
        return []
    assert text.endswith("\n")
    cues = []
    for number, block in enumerate(text[:-1].split("\n\n"), start=1):
        head, time, *lines = block.split("\n")
        assert head == str(number)
        start, end = _times(_SRT_TIME, time)
        assert lines
        assert all(line.strip() == line and line and "-->" not in line for line in lines)
        cues.append(ReadCue(start, end, tuple(lines)))
    return cues


def read_vtt(text: str) -> list[ReadCue]:
    head, _, rest = text.partition("\n")
    assert head == "WEBVTT"
    cues = []
    for block in rest[1:].removesuffix("\n").split("\n\n") if rest.strip() else []:
        time, *lines = block.split("\n")
        start, end = _times(_VTT_TIME, time)
        assert lines
        assert "-->" not in "".join(lines)
        voice = re.match(r"<v ([^<>\n]+)>", lines[0])
        if voice:
            lines[0] = lines[0][voice.end() :]
        assert all(line.strip() for line in lines)
        for line in lines:
            assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", line), line
        cues.append(ReadCue(start, end, tuple(unescape(line) for line in lines), unescape(voice[1]) if voice else None))
    return cues


def read_rttm(text: str) -> list[tuple[str, float, float, str]]:
    """Return file, onset, duration and name of each line."""
    rows = []
    for line in text.splitlines():
        fields = line.split(" ")
        assert len(fields) == 10
        assert line.split() == fields, "white space inside a field"
        assert all(field.isprintable() for field in fields)
        assert [fields[i] for i in (0, 2, 5, 6, 8, 9)] == ["SPEAKER", "1", "<NA>", "<NA>", "<NA>", "<NA>"]
        assert re.fullmatch(r"\d+\.\d{3} \d+\.\d{3}", f"{fields[3]} {fields[4]}")
        assert float(fields[4]) > 0
        rows.append((fields[1], float(fields[3]), float(fields[4]), fields[7]))
    return rows


def _times(pattern: re.Pattern[str], line: str) -> tuple[int, int]:
    found = pattern.fullmatch(line)
    assert found, line
    h1, m1, s1, f1, h2, m2, s2, f2 = map(int, found.groups())
    start, end = ((h1 * 60 + m1) * 60 + s1) * 1000 + f1, ((h2 * 60 + m2) * 60 + s2) * 1000 + f2
    assert start < end
    return start, end
