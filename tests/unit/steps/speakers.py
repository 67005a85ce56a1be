"""Recordings of made voices with their transcripts, and the embedder that listens to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from sonicgen.cloud.objects import upload_file
from sonicgen.domain.recording import MatchStatus, Reason, Recording
from sonicgen.domain.transcript import Transcript, TranscriptReason, TranscriptSource, TranscriptState, Utterance, Word
from sonicgen.domain.voice import VoiceModel
from sonicgen.local.demo_sounds import RATE_HZ, write_sound
from sonicgen.steps.services import Services
from sonicgen.steps.speaker_clips import cut_clips
from sonicgen.steps.speaker_identify import identify_recording
from sonicgen.store import recordings, transcripts, utterances
from sonicgen.voices.clusters import Likeness
from sonicgen.voices.encoder import Calibration
from sonicgen.voices.samples import SAMPLE_RATE_HZ
from tests.unit.voices.signals import Voice, speech

TURN_SECONDS = 5.0
ANNA, BERT, CARL, DORA = (Voice(pitch_hz, 1.0) for pitch_hz in (95.0, 140.0, 205.0, 300.0))

Turns = Sequence[tuple[str, Voice]]


class PitchEncoder:
    """Tells made voices apart by the one thing in which they differ for certain, their pitch."""

    backend = "numpy-cpu"
    calibration = Calibration(slope=20.0, offset=-12.0)
    likeness = Likeness(merge_above=0.8, split_below=0.3)

    def __init__(self, version: str = "1") -> None:
        self.model = VoiceModel("pitch", version, len(_PLACES))

    def embed(self, windows: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return a unit vector for each window: where its pitch lies among places an eighth of an octave apart."""
        rows = [np.exp(-((np.log(_pitch(window)) - _PLACES) ** 2) / (2 * 0.15**2)) for window in windows]
        table = np.array(rows).reshape(-1, len(_PLACES)) + 1e-6
        return np.asarray(table / np.linalg.norm(table, axis=1, keepdims=True), np.float32)


def _pitch(window: NDArray[np.float32]) -> float:
    """Return the median pitch of a window, in Hz."""
    frame = 640
    frames = window[: len(window) // frame * frame].reshape(-1, frame)
    frames = frames[np.square(frames).mean(axis=1) > np.square(window).mean()]
    power = np.abs(np.fft.rfft(frames - frames.mean(axis=1, keepdims=True), 2 * frame)) ** 2
    correlation = np.fft.irfft(power)[:, :frame] / (1 - np.arange(frame) / frame * 0.9)
    lags = 45 + correlation[:, 45:210].argmax(axis=1)
    return float(SAMPLE_RATE_HZ / np.median(lags)) if len(lags) else 80.0


_PLACES = np.arange(np.log(70), np.log(400), np.log(2) / 8)


def talk(turns: Turns, seed: int = 1) -> NDArray[np.float32]:
    """Return voices in turn, TURN_SECONDS each, with a short pause between, at 16 kHz."""
    pieces = []
    for number, (_, voice) in enumerate(turns):
        said = speech(voice, TURN_SECONDS - 0.5, seed * 100 + number)[: int((TURN_SECONDS - 0.5) * SAMPLE_RATE_HZ)]
        pause = np.zeros(int(TURN_SECONDS * SAMPLE_RATE_HZ) - len(said), np.float32)
        pieces += [said, pause]
    sound = np.concatenate(pieces)
    hiss = np.random.default_rng(seed).standard_normal(len(sound)).astype(np.float32)
    return np.asarray(sound + 0.0005 * hiss, np.float32)


def lines_of(turns: Turns) -> list[Utterance]:
    """Return what is said: a line a turn, a word a second."""
    lines = []
    for number, (label, _) in enumerate(turns):
        at = number * TURN_SECONDS
        words = tuple(
            Word(f"w{number * 5 + n}", at + n + 0.1, at + n + 0.6, 0.9, label) for n in range(int(TURN_SECONDS - 0.5))
        )
        text = " ".join(word.text for word in words)
        lines.append(Utterance(at, at + TURN_SECONDS - 0.5, text, label, 0.9, words, language="en"))
    return lines


def write(path: Path, sound: NDArray[np.float32]) -> Path:
    """Write a sound at 16 kHz as a file."""
    write_sound(path, np.asarray(signal.resample_poly(sound, RATE_HZ, SAMPLE_RATE_HZ), np.float32))
    return path


def record(services: Services, folder: Path, turns: Turns, seed: int = 1, title: str | None = None) -> Recording:
    """Return a recording of voices in turn, transcribed."""
    return record_sound(services, folder, talk(turns, seed), lines_of(turns), title)


def record_sound(
    services: Services,
    folder: Path,
    sound: NDArray[np.float32],
    lines: Sequence[Utterance],
    title: str | None = None,
) -> Recording:
    """Return a recording of a sound at 16 kHz, transcribed."""
    identifier = uuid4()
    path = write(folder / f"{identifier}.flac", sound)
    stored = upload_file(services.settings.media_bucket, f"audio/{identifier}.flac", path)
    recordings.claim(
        services.database, identifier, title=title or path.name, bucket=stored.bucket, object_name=stored.name,
        generation=stored.generation, size_bytes=stored.size_bytes, md5=None, content_type=None,
    )  # fmt: skip
    with services.database.transaction() as connection:
        made = recordings.finish(
            connection, identifier, MatchStatus.FINGERPRINTED, Reason.NEW, duration_seconds=len(sound) / SAMPLE_RATE_HZ
        )
    transcribe(services, identifier, lines)
    return made


def transcribe(services: Services, identifier: UUID, lines: Sequence[Utterance]) -> None:
    """Make these the lines of a recording's transcript, as the provider's."""
    with services.database.transaction() as connection:
        made = transcripts.plan(
            connection, identifier, parts=(), paid_seconds=0, omitted_seconds=0, sources=()
        ) or transcripts.lock(connection, identifier)
        assert made is not None
        utterances.replace_own(connection, made, lines)
        transcripts.finish(connection, made, TranscriptState.READY, TranscriptReason.TRANSCRIBED, is_changed=True)


def copy(services: Services, original: Recording, start: float, end: float) -> Recording:
    """Return a recording that took a stretch's words over from another one."""
    identifier = uuid4()
    recordings.claim(
        services.database, identifier, title="copy", bucket=original.bucket, object_name=f"audio/{identifier}",
        generation=1, size_bytes=1, md5=None, content_type=None,
    )  # fmt: skip
    source = TranscriptSource(original.id, 0.0, end - start, start, end)
    with services.database.transaction() as connection:
        made = recordings.finish(
            connection, identifier, MatchStatus.MATCHED, Reason.DUPLICATE, duration_seconds=end - start,
            original_id=original.id,
        )  # fmt: skip
        plan = transcripts.plan(connection, identifier, parts=(), paid_seconds=0, omitted_seconds=0, sources=[source])
        assert plan is not None
        inherited = [
            replace(line, start_seconds=line.start_seconds - start, end_seconds=line.end_seconds - start,
                    inherited_from=original.id, words=())
            for line in utterances.within(connection, original.id, start, end)
        ]  # fmt: skip
        utterances.replace_inherited(connection, plan, original.id, inherited)
        transcripts.finish(connection, plan, TranscriptState.INHERITED, TranscriptReason.COPIED, is_changed=True)
    return made


def hear(services: Services, recording: Recording) -> None:
    """Do what the events of a transcript bring about."""
    cut_clips(services, recording.id)
    identify_recording(services, recording.id)


def names(services: Services, recording: Recording) -> list[str | None]:
    """Return what the speakers of a recording's lines are called, line by line."""
    return [line.speaker_name for line in utterances.of(services.database, recording.id)]


def transcript(services: Services, recording: Recording) -> Transcript:
    """Return a recording's transcript."""
    found = transcripts.find(services.database, recording.id)
    assert found is not None
    return found
