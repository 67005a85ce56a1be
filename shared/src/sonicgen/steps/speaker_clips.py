"""Cut clips of each speaker of a transcript: stretches that hold that voice alone, for listening and for vectors."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, cast
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from sonicgen.cloud.bus import publish_event
from sonicgen.cloud.ledger_entry import Outcome
from sonicgen.cloud.objects import delete_object, list_objects, open_object, upload_file
from sonicgen.cloud.once import run_once
from sonicgen.domain.recording import Recording
from sonicgen.domain.speaker import Clip, RecordingVoice, VoiceState, clip_id, voice_id
from sonicgen.domain.transcript import COMPLETE_STATES, Transcript, Utterance
from sonicgen.errors import ConflictError, MediaError, NotFoundError
from sonicgen.events.clips_ready import ClipsReady
from sonicgen.events.transcript_ready import TranscriptReady
from sonicgen.log import log, log_context
from sonicgen.sound.cut import SPEECH_RATE_HZ, write_flac
from sonicgen.sound.decode import Decoder
from sonicgen.speech.clips import Range, candidates, choose, common, is_same_voice, layout_digest, turns_by_label
from sonicgen.steps.inherit_voices import inherit_voices, pass_on
from sonicgen.steps.services import Services
from sonicgen.store import recordings, transcripts, utterances, voices
from sonicgen.store.database import Connection
from sonicgen.voices.activity import find_speech

logger = logging.getLogger(__name__)

FUNCTION = "speaker_clips"
TOPIC = "clips-ready"
FOLDER = "clips"
# Sound on both sides of a candidate that is listened to with it, so that there is a floor to tell speech from.
CONTEXT_SECONDS = 1.0
# Objects that no voice has are left alone for so long: another run may be about to put them on record.
ORPHAN_SECONDS = 3600.0
# More speakers than this do not take turns long enough for clips; it bounds what is in memory: 2 MB a speaker.
MOST_VOICES = 60


def speaker_clips(services: Services, event: TranscriptReady) -> Outcome:
    """Cut the clips of a transcript's speakers, once for each state of it, and announce them.

    Raises TransientError when the event must come again.
    """

    def work(_: object) -> dict[str, object]:
        found = cut_clips(services, event.recording_id)
        return {"voices": len(found), "clips": sum(len(voice.clips) for voice in found)}

    with log_context(event_id=event.id, recording_id=str(event.recording_id)):
        return run_once(services.ledger, FUNCTION, event.id, work)


def cut_clips(services: Services, video_id: UUID) -> list[RecordingVoice]:
    """Bring a recording's voices up to what its transcript says now, cut what clips they lack, and announce them.

    Safe to repeat: what is cut already is not cut again. Returns the recording's voices.
    """
    if not services.settings.hears_voices:
        return []
    recording = recordings.find(services.database, video_id)
    transcript = transcripts.find(services.database, video_id)
    if recording is None or transcript is None or transcript.state not in COMPLETE_STATES:
        return []
    lines = utterances.of(services.database, video_id)
    turns = turns_by_label(lines)
    digest = layout_digest(turns, services.settings.clip_seconds)
    with services.database.transaction() as connection:
        if transcripts.lock(connection, video_id) is None:
            return []
        before = voices.of_video(connection, video_id)
        _sync(connection, video_id, lines, turns, digest)
        present = voices.of_video(connection, video_id)
    uncut = [
        v for v in present if v.source_id is None and v.clips_digest != digest and v.state is not VoiceState.ERASED
    ]
    if uncut:
        found = _listen(recording, {v.label: v for v in uncut}, turns, services.settings.clip_seconds)
        _store(services, uncut, found, digest)
    _clean(services, video_id, before)
    _finish(services, transcript)
    present = _announce(services, video_id, digest)
    if not any(voice.is_to_be_heard for voice in present):
        forget_stale_vectors(services, video_id)
    return present


def _sync(
    connection: Connection,
    video_id: UUID,
    lines: Sequence[Utterance],
    turns: Mapping[str | None, Sequence[Range]],
    digest: str,
) -> None:
    """Make a voice for each label that was transcribed for the recording; inherited ones are `inherit_voices`'."""
    by_hand = voices.hand_named(connection, video_id)
    own = {line.speaker for line in lines if line.inherited_from is None and line.speaker} - by_hand
    own &= turns.keys()
    present = [voice for voice in voices.of_video(connection, video_id) if voice.source_id is None]
    # A new transcript may call a voice by another label, or somebody else by the same one: who speaks when tells.
    again = {label: next((v for v in present if is_same_voice(v.turns, turns[label])), None) for label in own}
    kept = {voice.id: label for label, voice in again.items() if label is not None and voice is not None}
    inherited = {line.speaker for line in lines if line.inherited_from is not None}
    voices.delete(connection, [v.id for v in present if v.id not in kept and v.label not in inherited - own])
    voices.relabel(connection, {v.id: kept[v.id] for v in present if kept.get(v.id, v.label) != v.label})
    for label in sorted(label for label in own if label is not None):
        voice = again[label]
        if voice is not None and kept[voice.id] == label:
            voices.set_turns(connection, voice.id, turns[label])
        else:
            voices.insert(connection, voice_id(video_id, label, digest), video_id, label, turns[label])


def _listen(
    recording: Recording,
    wanted: Mapping[str, RecordingVoice],
    turns: Mapping[str | None, Sequence[Range]],
    most_seconds: float,
) -> dict[str, list[tuple[Range, NDArray[np.float32]]]] | None:
    """Return each voice's clips with their sound; None when the recording's sound is gone.

    The recording is decoded once, and no further than is needed.
    """
    labels = sorted(wanted, key=lambda label: -wanted[label].speech_seconds)[:MOST_VOICES]
    places = {label: candidates(turns, label, most_seconds) for label in labels}
    clean: dict[str, list[tuple[Range, NDArray[np.float32]]]] = {label: [] for label in wanted}
    try:
        with open_object(recording.bucket, recording.object_name, recording.generation) as stream:
            for start, samples in _windows(cast(BinaryIO, stream), places):
                speech = [(start + s.start_seconds, start + s.end_seconds) for s in find_speech(samples)]
                for label, spans in places.items():
                    clean[label] += [(r, _cut(samples, start, r)) for r in common(spans, speech)]
    except (NotFoundError, MediaError) as error:
        log(logger, f"No clips can be cut: {error}", level=logging.WARNING)
        return None
    return {label: _choose(found, most_seconds) for label, found in clean.items()}


def _choose(
    found: Sequence[tuple[Range, NDArray[np.float32]]], most_seconds: float
) -> list[tuple[Range, NDArray[np.float32]]]:
    chosen = []
    for start, end in choose([span for span, _ in found], most_seconds):
        (first, _), samples = next(each for each in found if each[0][0] <= start and end <= each[0][1] + 1e-6)
        chosen.append(((start, end), _cut(samples, first, (start, end))))
    return chosen


def _windows(source: BinaryIO, places: Mapping[str, Sequence[Range]]) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """Yield the sound around all candidates, in order, each with the second it begins at."""
    spans = sorted((max(0.0, a - CONTEXT_SECONDS), b + CONTEXT_SECONDS) for each in places.values() for a, b in each)
    windows: list[Range] = []
    for start, end in spans:
        if windows and start <= windows[-1][1]:
            windows[-1] = (windows[-1][0], max(end, windows[-1][1]))
        else:
            windows.append((start, end))
    bounds = [(round(start * SPEECH_RATE_HZ), round(end * SPEECH_RATE_HZ)) for start, end in windows]
    at, held = 0, []
    for block in Decoder(source, SPEECH_RATE_HZ) if bounds else ():
        while bounds:
            first, last = bounds[0]
            piece = block[max(0, first - at) : max(0, last - at)]
            if len(piece):
                held.append(piece)
            if last > at + len(block):
                break
            yield first / SPEECH_RATE_HZ, np.concatenate(held)
            held = []
            bounds.pop(0)
        at += len(block)
        if not bounds:
            return
    if held:
        yield bounds[0][0] / SPEECH_RATE_HZ, np.concatenate(held)


def _cut(samples: NDArray[np.float32], start_seconds: float, span: Range) -> NDArray[np.float32]:
    first, last = (round((second - start_seconds) * SPEECH_RATE_HZ) for second in span)
    return samples[first:last]


def _store(
    services: Services,
    uncut: Sequence[RecordingVoice],
    found: Mapping[str, Sequence[tuple[Range, NDArray[np.float32]]]] | None,
    digest: str,
) -> None:
    """Write the clips into the bucket, then into the table; without sound those of before stay."""
    made: dict[UUID, list[Clip]] = {voice.id: list(voice.clips) for voice in uncut if found is None}
    with TemporaryDirectory() as folder:
        for voice in uncut:
            if found is None:
                continue
            pieces = found.get(voice.label, ())
            made[voice.id] = [_upload(services, voice, span, sound, Path(folder)) for span, sound in pieces]
    with services.database.transaction() as connection:
        if transcripts.lock(connection, uncut[0].video_id) is None:
            return
        for voice in voices.by_ids(connection, list(made)):
            if voice.state is not VoiceState.ERASED:
                voices.put_clips(connection, voice, made[voice.id], digest)


def _upload(services: Services, voice: RecordingVoice, span: Range, sound: NDArray[np.float32], folder: Path) -> Clip:
    start, end = (round(1000 * second) for second in span)
    name = f"{FOLDER}/{voice.video_id}/{voice.id}/{start:09d}-{end:09d}.flac"
    path = folder / "clip.flac"
    write_flac(path, sound)
    with suppress(ConflictError):  # there already, written by another version of the encoder: the same sound
        upload_file(services.settings.media_bucket, name, path, content_type="audio/flac")
    return Clip(clip_id(name), name, start / 1000, end / 1000)


def _clean(services: Services, video_id: UUID, before: Sequence[RecordingVoice]) -> None:
    """Remove objects of the recording that no voice has any more, also those that an interrupted run has left."""
    bucket = services.settings.media_bucket
    objects = list(list_objects(bucket, f"{FOLDER}/{video_id}/"))
    with services.database.transaction() as connection:
        kept = {clip.object_name for voice in voices.of_video(connection, video_id) for clip in voice.clips}
    replaced = {clip.object_name for voice in before for clip in voice.clips}
    oldest = datetime.now(UTC) - timedelta(seconds=ORPHAN_SECONDS)
    for stored in objects:
        if stored.name not in kept and (stored.name in replaced or stored.created_at < oldest):
            delete_object(bucket, stored.name, missing_ok=True)


def forget_stale_vectors(services: Services, video_id: UUID) -> None:
    """Remove the recording's vectors whose clips are gone; before that, new clips can be recognised by them."""
    # The vectors are read first: one that is added meanwhile comes together with its clip.
    vectors = [stored.id for stored, _ in services.gallery.of_recording(video_id)]
    with services.database.transaction() as connection:
        clips = [clip for voice in voices.of_video(connection, video_id) for clip in voice.clips]
    known = {each for clip in clips for each in clip.voiceprint_ids}
    if stale := [each for each in vectors if each not in known]:
        services.gallery.delete(ids=stale)


def _finish(services: Services, transcript: Transcript) -> None:
    """Take over what inherited lines say, write the names that are known, note what was read."""
    inherit_voices(services, transcript.video_id)
    with services.database.transaction() as connection:
        voices.mark_read(connection, transcript.video_id, transcript.revision)
        voices.write_names(connection, [transcript.video_id])
    pass_on(services, transcript.video_id)


def _announce(services: Services, video_id: UUID, digest: str) -> list[RecordingVoice]:
    with services.database.transaction() as connection:
        present = voices.of_video(connection, video_id)
    waiting = [voice for voice in present if voice.is_to_be_heard]
    if waiting:
        clips = [clip for voice in waiting for clip in voice.clips]
        seconds = sum(clip.seconds for clip in clips)
        now = datetime.now(UTC)
        publish_event(TOPIC, ClipsReady(video_id, digest, now, len(waiting), len(clips), round(seconds, 3)))
        log(logger, "Clips are ready.", voices=len(waiting), clips=len(clips), seconds=round(seconds, 1))
    return present
