"""The whole way of real sound: decoding, speech, voices, words."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import assemblyai as aai
import numpy as np
import psutil
import pytest

from tests.local.assemblyai.conftest import WITH_SPEAKERS, StandIn, until, wav
from tests.unit.sound.signals import ROOT

# "There's iron, they say, in all our blood, and a grain or two perhaps is good; but his, he makes me harshly feel, has
# got a little too much of steel. Anon." LibriSpeech test-other, CC BY 4.0.
SPEECH = ROOT.parent / "shared" / "data" / "voices" / "libri_other" / "1688" / "1688-142285-0000.flac"


@pytest.fixture(scope="module")
def recognising(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """A stand-in to which no answers are given."""
    server = StandIn(tmp_path_factory.mktemp("recognising"))
    yield server
    server.close()


@pytest.mark.skipif(not SPEECH.exists(), reason="the shared recordings of voices are not here")
def test_a_reader_is_understood_in_part(recognising: StandIn) -> None:
    transcript = recognising.sdk.transcribe(str(SPEECH), WITH_SPEAKERS)
    assert transcript.status == aai.TranscriptStatus.completed
    words = (transcript.text or "").split()
    assert {"they", "say", "in", "all", "our", "blood", "good", "steel"} <= set(words)
    assert transcript.audio_duration == 15
    assert transcript.speech_model_used == "sonicgen-local-pocketsphinx"
    assert {line.speaker for line in transcript.utterances or []} == {"A"}
    times = [(word.start, word.end) for word in transcript.words or []]
    assert all(0 <= start <= end <= 15_000 for start, end in times)
    assert times == sorted(times)
    by_text = {word.text: word for word in transcript.words or []}
    assert by_text["blood"].start < 6_000 < by_text["steel"].start


@pytest.mark.skipif(not SPEECH.exists(), reason="the shared recordings of voices are not here")
def test_a_killed_recogniser_is_started_again(recognising: StandIn) -> None:
    transcript = recognising.sdk.submit(str(SPEECH.with_name("1688-142285-0002.flac")), WITH_SPEAKERS)
    server = psutil.Process(recognising.process.pid)
    until(lambda: transcript.id and recognising.get(transcript.id)["status"] == "processing" and server.children())
    worker = server.children()[0]
    worker.kill()
    assert "silly" in (transcript.wait_for_completion().text or "")
    assert [child.pid for child in server.children()] != [worker.pid]
    assert server.children()[0].nice() == 10


def test_silence_and_noise_hold_no_words(recognising: StandIn) -> None:
    random = np.random.default_rng(5)
    for sound in (np.zeros(48_000, np.float32), (0.05 * random.standard_normal(48_000)).astype(np.float32)):
        transcript = recognising.sdk.transcribe(io.BytesIO(wav(sound)), WITH_SPEAKERS)
        assert transcript.status == aai.TranscriptStatus.completed
        assert transcript.text == ""
        assert transcript.utterances == []
    config = aai.TranscriptionConfig(speaker_labels=True, language_detection=True)
    refused = recognising.sdk.transcribe(io.BytesIO(wav(np.zeros(48_000, np.float32))), config)
    assert "no spoken audio" in (refused.error or ""), "as the real one says it"


def test_what_is_not_sound_is_an_error(recognising: StandIn, tmp_path: Path) -> None:
    transcript = recognising.sdk.transcribe(io.BytesIO(b"<html>no sound</html>" * 50))
    assert transcript.status == aai.TranscriptStatus.error
    assert "does not appear to contain audio" in (transcript.error or "")
