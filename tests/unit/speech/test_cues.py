from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from hypothesis import given

from sonicgen.domain.transcript import Utterance
from sonicgen.speech.exports.cues import LINE_CHARACTERS, LONGEST_CUE_MS, cues_of, wrap
from sonicgen.speech.exports.subtitles import to_srt, to_vtt
from tests.unit.speech.lines import line, utterances
from tests.unit.speech.readers import ReadCue, read_srt, read_vtt


def letters(texts: Sequence[str]) -> str:
    return "".join("".join(texts).split())


@given(utterances())
def test_cues_are_short_apart_and_complete(lines: Sequence[Utterance]) -> None:
    cues = cues_of(lines)
    for cue in cues:
        assert 0 < cue.end_ms - cue.start_ms <= LONGEST_CUE_MS
        assert 1 <= len(cue.lines) <= 2
        assert all(0 < len(text) <= LINE_CHARACTERS for text in cue.lines)
    assert all(a.end_ms <= b.start_ms for a, b in pairwise(cues))
    # Where lines are nested their cues interleave, so that characters are counted, not compared in order.
    assert sorted(letters([t for cue in cues for t in cue.lines])) == sorted(letters([one.text for one in lines]))


@given(utterances())
def test_what_is_written_reads_back(lines: Sequence[Utterance]) -> None:
    expected = [ReadCue(c.start_ms, c.end_ms, c.lines, c.speaker) for c in cues_of(lines)]
    assert read_vtt(to_vtt(lines)) == expected
    plain = [
        ReadCue(c.start_ms, c.end_ms, tuple(t.replace("-->", "→") for t in c.lines))
        for c in cues_of(lines, with_prefix=True)
    ]
    assert read_srt(to_srt(lines)) == plain


def test_a_long_line_is_cut_by_its_words_times() -> None:
    text = " ".join(f"word{i:03d}" for i in range(60))
    cues = cues_of([line(text, 100.0, 160.0)])
    assert " ".join(t for cue in cues for t in cue.lines) == text
    for cue in cues:
        first = int(cue.lines[0][4:7])
        assert cue.start_ms == 100_000 + first * 1000, "a cue begins with its first word"


def test_a_pause_ends_a_cue() -> None:
    spoken = line("before the pause and after", 0.0, 5.0)
    words = (*spoken.words[:3], *(replace(w, start_seconds=w.start_seconds + 4, end_seconds=w.end_seconds + 4)
                                   for w in spoken.words[3:]))  # fmt: skip
    cues = cues_of([replace(spoken, end_seconds=9.0, words=words)])
    assert [(cue.start_ms, cue.end_ms, cue.lines) for cue in cues] == [
        (0, 3000, ("before the pause",)),
        (7000, 9000, ("and after",)),
    ]


def test_a_cue_ends_with_a_sentence_when_it_is_long_enough() -> None:
    sentence = "This is a sentence that fills a whole line."
    cues = cues_of([line(f"{sentence} And this begins the next one.", 0.0, 6.0)])
    assert [" ".join(cue.lines) for cue in cues] == [sentence, "And this begins the next one."]


def test_a_word_is_not_left_alone() -> None:
    text = "we talked for a long while about the weather and the garden and then about nothing else"
    cues = cues_of([line(text, 0.0, 6.0)])
    assert " ".join(t for cue in cues for t in cue.lines) == text
    assert len(cues) == 2
    assert min(len(" ".join(cue.lines)) for cue in cues) > 35


def test_crosstalk_does_not_overlap() -> None:
    long = line("I was just about to say that", 0.0, 6.0, speaker="A")
    short = line("wait", 2.0, 3.0, speaker="B")
    cues = cues_of([long, short])
    assert [(cue.start_ms, cue.end_ms, cue.speaker) for cue in cues] == [
        (0, 2000, "Speaker A"),
        (2000, 3000, "Speaker B"),
    ]
    together = cues_of([long, replace(short, start_seconds=0.0)])
    assert all(a.end_ms <= b.start_ms for a, b in pairwise(together))
    assert {cue.speaker for cue in together} == {"Speaker A", "Speaker B"}


def test_lines_are_balanced_and_hard_words_are_broken() -> None:
    assert wrap("") == []
    assert wrap("short") == ["short"]
    first, second = wrap("I would like to say something about the weather today")
    assert abs(len(first) - len(second)) < 10
    address = "https://example.com/" + "x" * 100
    cues = cues_of([line(f"see {address} there", 0.0, 6.0)])
    assert letters([t for cue in cues for t in cue.lines]) == f"see{address}there"


def test_words_without_times_share_the_lines_time() -> None:
    text = " ".join(["aaaa"] * 40)
    cues = cues_of([line(text, 10.0, 30.0, timed=False)])
    assert cues[0].start_ms == 10_000
    assert cues[-1].end_ms == 30_000
    assert len(cues) >= 3


def test_a_language_without_spaces_keeps_its_text() -> None:
    text = "日本語の文章です。" * 12
    cues = cues_of([line(text, 0.0, 20.0)])
    assert "".join(t for cue in cues for t in cue.lines) == text


def test_the_name_is_said_once_a_turn_and_counts_as_text() -> None:
    lines = [line("Hello there.", 0.0, name="Ada Lovelace"), line("Go on.", 2.0, name="Ada Lovelace"),
             line("Yes.", 4.0, speaker="B"), line("Nobody knows.", 6.0, speaker=None)]  # fmt: skip
    assert [cue.lines[0] for cue in cues_of(lines, with_prefix=True)] == [
        "Ada Lovelace: Hello there.",
        "Go on.",
        "Speaker B: Yes.",
        "Nobody knows.",
    ]
