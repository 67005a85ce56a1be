"""Two made voices are told apart, to a few tenths of a second."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from sonicgen.embedder.encoders.onnx import ecapa_small
from sonicgen.voices.activity import Stretch, find_speech
from sonicgen.voices.clusters import Likeness
from sonicgen.voices.diarize import diarize
from sonicgen.voices.samples import SAMPLE_RATE_HZ
from sonicgen.voices.turn import Turn
from tests.unit.voices.signals import HIGH, LOW, MIDDLE, Sound, Voice, silence, speech

# Made voices share all but pitch and throat: they differ in less than those of people do.
ENCODER = ecapa_small()
CLOSE = Likeness(merge_above=0.72, split_below=0.3)
DEEP, CHILD = Voice(75.0, 0.85), Voice(300.0, 1.35)


def talk(*turns: tuple[Voice, float]) -> tuple[Sound, list[tuple[Voice, float, float]]]:
    """Return voices one after the other with half a second between them, and who speaks when."""
    parts, truth, now = [silence(0.5)], [], 0.5
    for number, (voice, seconds) in enumerate(turns):
        parts += [speech(voice, seconds, number), silence(0.5, number)]
        truth.append((voice, now, now + seconds))
        now += seconds + 0.5
    return np.concatenate(parts), truth


def at(turns: list[Turn], seconds: float) -> int | None:
    return next((turn.voice for turn in turns if turn.start_seconds <= seconds < turn.end_seconds), None)


def test_two_voices_are_told_apart() -> None:
    sound, truth = talk((DEEP, 6), (CHILD, 5), (DEEP, 4), (CHILD, 6), (DEEP, 5))
    turns = diarize(sound, find_speech(sound), ENCODER.embed, CLOSE)
    assert {turn.voice for turn in turns} == {0, 1}
    for voice, start, end in truth:
        assert at(turns, (start + end) / 2) == (0 if voice is DEEP else 1), (
            "voices are numbered as they are first heard"
        )


def test_one_voice_is_a_possible_answer() -> None:
    sound, _ = talk((LOW, 8), (LOW, 7), (LOW, 9))
    turns = diarize(sound, find_speech(sound), ENCODER.embed, CLOSE)
    assert {turn.voice for turn in turns} == {0}


def test_the_number_of_voices_may_be_given() -> None:
    sound, _ = talk((LOW, 6), (HIGH, 6), (MIDDLE, 6), (LOW, 6), (HIGH, 6), (MIDDLE, 6))
    speech_found = find_speech(sound)
    assert len({turn.voice for turn in diarize(sound, speech_found, ENCODER.embed, CLOSE, num_speakers=3)}) == 3
    assert {turn.voice for turn in diarize(sound, speech_found, ENCODER.embed, CLOSE, num_speakers=1)} == {0}
    assert len({turn.voice for turn in diarize(sound, speech_found, ENCODER.embed, CLOSE, max_speakers=2)}) <= 2


def by_sign(windows: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Stand for an encoder that is always right: the voice is the sign of the window's mean."""
    rows = []
    for window in windows:
        positive = float((window > 0).mean())
        rows.append([positive, 1 - positive])
    table = np.array(rows, np.float32)
    return np.asarray(table / np.linalg.norm(table, axis=1, keepdims=True), np.float32)


def test_turns_change_where_the_voice_does() -> None:
    """Within one stretch of speech, on a finer grid than the windows'."""
    signs = np.repeat([1.0, -1.0, 1.0], [int(s * SAMPLE_RATE_HZ) for s in (10.3, 7.2, 9.5)])
    turns = diarize(signs.astype(np.float32), [Stretch(0.0, 27.0)], by_sign, Likeness(0.95, 0.9))
    assert [turn.voice for turn in turns] == [0, 1, 0]
    assert turns[0].end_seconds == pytest.approx(10.3, abs=0.3)
    assert turns[1].end_seconds == pytest.approx(17.5, abs=0.3)
    assert turns[-1].end_seconds == 27.0
    assert [a.end_seconds for a in turns[:-1]] == [b.start_seconds for b in turns[1:]]


def test_hardly_any_speech() -> None:
    assert diarize(silence(3.0), [], ENCODER.embed, CLOSE) == []
    short = speech(LOW, 0.3, 1)
    assert diarize(short, [Stretch(0.0, 0.3)], ENCODER.embed, CLOSE) == [Turn(0, 0.0, 0.3)]
    assert diarize(short, [Stretch(0.0, 0.3)], ENCODER.embed, CLOSE, num_speakers=4) == [Turn(0, 0.0, 0.3)]


def test_windows_are_made_one_at_a_time() -> None:
    """An encoder may keep a batch of windows only; those of an hour together would take 460 MB."""
    made: list[int] = []

    def count(windows: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
        assert not isinstance(windows, list | tuple)
        made.extend(len(window) for window in windows)
        return np.ones((len(made), 2), np.float32)

    diarize(speech(LOW, 12.0, 2), [Stretch(0.0, 12.0)], count, CLOSE)
    assert len(made) == 15
    assert set(made) == {24_000}
