"""Pictures are drawn for every shape of answer, without a warning; what they look like is for people to judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from matplotlib.image import imread

from sonicgen.cli import explanation
from sonicgen.domain.match import Match
from sonicgen.domain.recording import Recording
from sonicgen.match.explain import explain
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.policies import MatchPolicy
from sonicgen.match.search import find_matches
from sonicgen.sound.fingerprint import Fingerprint
from sonicgen.sound.peaks import no_peaks
from sonicgen.sound.spectrum import BINS, SAMPLE_RATE_HZ
from sonicgen.steps.explain_match import ExplainedAnswer, ExplainedMatch, Spectrogram
from sonicgen.steps.find_clip import Answer, Found
from tests.unit.sound.signals import Samples, fingerprint_of, music

SONGS = [music(40.0, seed=520 + number) for number in range(2)]
Where = Sequence[tuple[int, float, float]]


def cut(song: int, start: float, end: float) -> Samples:
    return SONGS[song][round(start * SAMPLE_RATE_HZ) : round(end * SAMPLE_RATE_HZ)]


@pytest.fixture(scope="module")
def index() -> MemoryIndex:
    made = MemoryIndex()
    for number, song in enumerate(SONGS):
        made.add(number, fingerprint_of(song))
    return made


def explained(index: MemoryIndex, clip: Fingerprint, matches: list[Match]) -> ExplainedAnswer:
    titles = ["a $b_c$ \\frac 日本", "x" * 300]
    found = tuple(
        Found(match, Recording(UUID(int=1 + match.recording), titles[match.recording], "inbox", "name", 1, 1))
        for match in matches
    )
    answer = Answer("clip.mp3", clip.seconds, False, found, 1.0)
    items = tuple(ExplainedMatch(one, explain(clip.peaks, index, one.match)) for one in found)
    return ExplainedAnswer(answer, items, {}, MatchPolicy.CHANCE)


def draw(path: Path, given: ExplainedAnswer, monkeypatch: pytest.MonkeyPatch, spectrogram: Spectrogram | None) -> float:
    """Draw a picture; return the share of it that is not white."""
    monkeypatch.setattr(explanation, "clip_spectrogram", lambda *_: spectrogram)
    monkeypatch.setattr(explanation, "reference_spectrogram", lambda _: spectrogram)
    explanation.save_picture(path, Path("clip $1$.mp3"), given)
    return float((imread(path)[:, :, :3].min(axis=2) < 0.99).mean())


@pytest.mark.parametrize("where", [[(0, 5, 15)], [(0, 2, 30)], [(0, 5, 15), (1, 20, 28)], [(0, 0, 8), (0, 20, 30)]])
def test_pictures(index: MemoryIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: Where) -> None:
    clip = fingerprint_of(np.concatenate([cut(*piece) for piece in where]))
    given = explained(index, clip, find_matches(clip, index))
    assert len(given.matches) == len(where)
    rows = np.random.default_rng(0).normal(1.0, 1.0, (430, BINS)).astype(np.float32)
    bare = draw(tmp_path / "bare.png", given, monkeypatch, None)
    assert 0.02 < bare < draw(tmp_path / "full.png", given, monkeypatch, Spectrogram(rows, 0.0))


def test_a_match_without_any_aligned_peak(index: MemoryIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = fingerprint_of(cut(0, 0, 6))
    (match,) = find_matches(clip, index)
    nowhere = replace(match, reference_start_seconds=900.0, reference_end_seconds=906.0)
    assert draw(tmp_path / "a.png", explained(index, clip, [nowhere]), monkeypatch, None) > 0.01
    silent = Fingerprint(no_peaks(), 6.0)
    assert draw(tmp_path / "b.png", explained(index, silent, [match]), monkeypatch, None) > 0.01
