"""Recognisers are chosen by name, and long sound comes to them in pieces."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from sonicgen.errors import SettingsError
from sonicgen.local import recogniser
from sonicgen.local.demo_sounds import CONVERSATION_FILE
from sonicgen.local.recogniser import LONGEST_SECONDS, make_recogniser
from sonicgen.sound.decode import Decoder
from sonicgen.voices.samples import SAMPLE_RATE_HZ
from tests.unit.voices.signals import LOW, silence, speech


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="pocketsphinx or faster-whisper"):
        make_recogniser("parrot")
    missing = "SONICGEN_WHISPER_MODEL" if find_spec("faster_whisper") else "not installed.*local-whisper"
    with pytest.raises(SettingsError, match=missing):
        make_recogniser("faster-whisper")


def test_pieces_cover_everything_once_and_are_cut_in_pauses() -> None:
    talk = np.concatenate([np.concatenate((speech(LOW, 5.5, seed), silence(0.5))) for seed in range(8)])
    pieces = list(recogniser._pieces(talk, 1.0, 47.0))
    assert len(pieces) == 3
    end = 1.0
    for first, sound in pieces:
        assert first == pytest.approx(end, abs=1e-6)
        assert len(sound) <= LONGEST_SECONDS * SAMPLE_RATE_HZ
        end = first + len(sound) / SAMPLE_RATE_HZ
    assert end == pytest.approx(47.0)
    for first, _ in pieces[1:]:
        assert first % 6 > 5.4, "in the half second in which nobody speaks"


def test_pocketsphinx_hears_words_with_times_and_confidence() -> None:
    samples = np.concatenate(list(Decoder(CONVERSATION_FILE, SAMPLE_RATE_HZ)))
    heard = make_recogniser("pocketsphinx").transcribe(samples, 15.2, 18.1)
    assert [word.text for word in heard][:7] == ["what", "did", "you", "find", "on", "the", "beach"]
    assert all(15.2 <= word.start_seconds < word.end_seconds <= 18.2 for word in heard)
    assert all(0 <= word.confidence <= 1 for word in heard)
    assert {word.speaker for word in heard} == {None}


def test_silence_holds_no_words() -> None:
    assert make_recogniser("pocketsphinx").transcribe(np.zeros(32_000, np.float32), 0.0, 2.0) == []
