"""Who speaks when in a file, and who they are: a job on the bus, as the older voice service had it.

A job is worked on under the event's lease. A worker that is killed loses its lease and the event comes again; nobody
else's job is touched by a restart.
"""

from __future__ import annotations

import logging
import wave
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, cast
from uuid import UUID, uuid4, uuid5

import numpy as np

from sonicgen.cloud.bus import publish_event
from sonicgen.cloud.ledger_entry import Outcome
from sonicgen.cloud.objects import ObjectReader, delete_object, list_objects, open_object, upload_file
from sonicgen.cloud.once import Claim, run_once
from sonicgen.domain.embedding import Hints, Sound, Span
from sonicgen.domain.turn import Turn
from sonicgen.domain.voice_job import VoiceJob, VoiceJobKind, VoiceSegment
from sonicgen.errors import ConflictError, InputError, NotFoundError, SettingsError, TransientError, UnavailableError
from sonicgen.events.voice_job_requested import VoiceJobRequested
from sonicgen.log import log, log_context
from sonicgen.sound.decode import Decoder
from sonicgen.steps.identify_voices import HeardVoice, identify_voices
from sonicgen.steps.services import Services
from sonicgen.steps.voice_models import serving_calibration
from sonicgen.store import voice_jobs
from sonicgen.voices.identify import Identity, Thresholds, profile
from sonicgen.voices.samples import SAMPLE_RATE_HZ

logger = logging.getLogger(__name__)

FUNCTION = "voice_job"
TOPIC = "voice-jobs"
FOLDER = "voice-jobs"
# A message is given up by the bus after ten deliveries; the last of them says so in the job.
MAXIMUM_ATTEMPTS = 10
# Of a job that nobody has begun for this long the event was lost with whoever held it.
STALE_SECONDS = 1_800.0
_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to know of a file."""

    kind: VoiceJobKind
    exports_segments: bool = False
    num_speakers: int | None = None
    least_probability: float | None = None


def submit(services: Services, asked: Asked, file: Path, name: str, *, owner: str) -> VoiceJob:
    """Put a file into the bucket and a job on the bus; return the job.

    Raises SettingsError when nobody could do it: there is no embedder.
    """
    if not services.settings.hears_voices:
        raise SettingsError("SONICGEN_EMBEDDER_URL is not set; `sonicgen up` starts an embedder.")
    job_id = uuid4()
    stored = upload_file(services.settings.media_bucket, f"{FOLDER}/{job_id}/input", file)
    job = voice_jobs.create(
        services.database,
        job_id,
        asked.kind,
        owner=owner,
        input_object=stored.name,
        input_name=name,
        exports_segments=asked.exports_segments,
        num_speakers=asked.num_speakers,
        least_probability=asked.least_probability,
    )
    publish_event(TOPIC, VoiceJobRequested(job_id, datetime.now(UTC)))
    return job


def voice_job(services: Services, event: VoiceJobRequested) -> Outcome:
    """Bring a job to its end, once. Raises TransientError when the event must come again."""

    def work(claim: Claim) -> dict[str, object]:
        job = voice_jobs.start(services.database, event.job_id)
        if job is not None:
            try:
                _run(services, job, claim)
            except SettingsError:
                raise
            except InputError as error:
                voice_jobs.fail(services.database, job.id, str(error))
            except TransientError as error:
                if job.attempts >= MAXIMUM_ATTEMPTS:
                    voice_jobs.fail(services.database, job.id, f"It was tried {job.attempts} times. The last: {error}")
                raise
            delete_object(services.settings.media_bucket, job.input_object, missing_ok=True)
        return {"job_id": str(event.job_id), "status": _status(services, event.job_id)}

    with log_context(event_id=event.id, job_id=str(event.job_id)):
        return run_once(services.ledger, FUNCTION, event.id, work)


def tell_lost_jobs(services: Services) -> int:
    """Publish jobs again that nobody works on, and end those that were tried too often; return how many."""
    lost = voice_jobs.stale(services.database, older_than_seconds=STALE_SECONDS, limit=_AT_ONCE)
    for job in lost:
        if job.attempts >= MAXIMUM_ATTEMPTS:
            voice_jobs.fail(services.database, job.id, f"It was tried {job.attempts} times and never finished.")
        else:
            publish_event(TOPIC, VoiceJobRequested(job.id, datetime.now(UTC)))
    return len(lost)


def remove_old_jobs(services: Services) -> int:
    """Remove jobs with their sound that were over longer ago than SONICGEN_RETENTION_DAYS; return how many."""
    days = services.settings.retention_days
    if days == 0:
        return 0
    old = voice_jobs.expired(services.database, days=days, limit=_AT_ONCE)
    for job in old:
        remove_job(services, job)
    return len(old)


def remove_job(services: Services, job: VoiceJob) -> None:
    """Remove a job and whatever of it lies in the bucket."""
    bucket = services.settings.media_bucket
    for stored in list(list_objects(bucket, f"{FOLDER}/{job.id}/")):
        delete_object(bucket, stored.name, missing_ok=True)
    voice_jobs.delete(services.database, job.id)


@contextmanager
def segment_sound(services: Services, job: VoiceJob, segment_id: UUID) -> Iterator[ObjectReader]:
    """Give the sound of a segment; raise NotFoundError when there is none."""
    segment = next((each for each in job.segments if each.id == segment_id), None)
    if segment is None or segment.audio_object is None:
        raise NotFoundError(f"There is no sound of a segment {segment_id}; ask with export_segments=true.")
    with closing(open_object(services.settings.media_bucket, segment.audio_object)) as sound:
        yield sound


def _status(services: Services, job_id: UUID) -> str:
    try:
        return str(voice_jobs.get(services.database, job_id).status)
    except NotFoundError:
        return "removed"


def _run(services: Services, job: VoiceJob, claim: Claim) -> None:
    sound = Sound(services.settings.media_bucket, job.input_object)
    diarized = services.embedder.diarize(sound, Hints(num_speakers=job.num_speakers_wanted))
    found = _identify(services, job, sound, diarized.turns) if job.kind is VoiceJobKind.IDENTIFY else None
    segments = [_segment(job, position, turn, found) for position, turn in enumerate(diarized.turns)]
    if job.exports_segments:
        segments = _export(services, job, segments)
    claim.ensure_held()  # a worker that was taken for dead must not write after its successor
    voices = len({turn.speaker for turn in diarized.turns})
    with services.database.transaction() as connection:
        voice_jobs.finish(
            connection,
            job.id,
            segments,
            duration_seconds=diarized.duration_seconds,
            num_speakers=voices,
            diarizer=diarized.diarizer,
            model=diarized.runner.model.key,
            thresholds=None if found is None else _thresholds(job).as_json(),
        )
    log(logger, f"{job.input_name}: {len(segments)} segments of {voices} voices")


def _identify(services: Services, job: VoiceJob, sound: Sound, turns: Sequence[Turn]) -> dict[str, Identity]:
    """Return who each voice is that says enough to be heard, decided over all that it says."""
    if not turns:
        return {}
    spans = tuple(Span(turn.start_seconds, turn.end_seconds) for turn in turns)
    embedded = services.embedder.embed([replace(sound, spans=spans)])
    (result,) = embedded.sounds
    if result.problem is not None:
        raise (UnavailableError if result.problem.is_transient else InputError)(result.problem.detail)
    rows: dict[str, list[tuple[Sequence[float], float]]] = {}
    for turn, each in zip(turns, result.vectors, strict=True):
        if each.vector is not None:
            rows.setdefault(turn.speaker, []).append((each.vector, each.speech_seconds))
    heard = []
    for label, own in rows.items():
        seconds = [spoken for _, spoken in own]
        vector = profile(np.array([row for row, _ in own], np.float32), seconds)
        heard.append(HeardVoice(label, vector, sum(seconds)))
    calibration = serving_calibration(services, embedded.runner)
    found = identify_voices(services, embedded.runner.model, calibration, heard, _thresholds(job))
    return {identity.label: identity for identity in found.identities}


def _thresholds(job: VoiceJob) -> Thresholds:
    return Thresholds() if job.least_probability is None else Thresholds(probability=job.least_probability)


def _segment(job: VoiceJob, position: int, turn: Turn, found: Mapping[str, Identity] | None) -> VoiceSegment:
    identity = found.get(turn.speaker) if found else None
    outcome = None if found is None else str(identity.outcome) if identity else "no_speech"
    return VoiceSegment(
        uuid5(job.id, str(position)),
        turn.speaker,
        turn.start_seconds,
        turn.end_seconds,
        speaker_id=identity.speaker_id if identity else None,
        outcome=outcome,
        confidence=identity.probability if identity else None,
    )


def _export(services: Services, job: VoiceJob, segments: Sequence[VoiceSegment]) -> list[VoiceSegment]:
    """Write each segment's sound into the bucket; the file is decoded once, and only a block of it is in memory."""
    bucket = services.settings.media_bucket
    with TemporaryDirectory(prefix="sonicgen-segments-") as folder:
        with closing(open_object(bucket, job.input_object)) as stream:
            _cut(cast(BinaryIO, stream), segments, Path(folder))
        exported = []
        for segment in segments:
            name = f"{FOLDER}/{job.id}/segments/{segment.id}.wav"
            try:
                upload_file(bucket, name, Path(folder) / str(segment.id), content_type="audio/wav")
            except ConflictError:  # an earlier attempt, whose diarizer heard the turn differently
                delete_object(bucket, name, missing_ok=True)
                upload_file(bucket, name, Path(folder) / str(segment.id), content_type="audio/wav")
            exported.append(replace(segment, audio_object=name))
    return exported


def _cut(stream: BinaryIO, segments: Sequence[VoiceSegment], folder: Path) -> None:
    """Write a WAV file (mono, 16 kHz, 16 bits) for each segment, named by its id."""
    waiting = sorted(segments, key=lambda segment: segment.start_seconds)
    writing: list[tuple[int, int, wave.Wave_write]] = []  # from and to, in samples
    at = 0
    for block in Decoder(stream, SAMPLE_RATE_HZ):
        sound = (np.clip(block, -1.0, 1.0) * 32_767).astype("<i2")
        end = at + len(sound)
        while waiting and waiting[0].start_seconds * SAMPLE_RATE_HZ < end:
            segment = waiting.pop(0)
            bounds = (int(segment.start_seconds * SAMPLE_RATE_HZ), int(segment.end_seconds * SAMPLE_RATE_HZ))
            writing.append((*bounds, _open_wave(folder / str(segment.id))))
        for first, last, file in writing:
            file.writeframes(sound[max(0, first - at) : max(0, last - at)].tobytes())
        for first, last, file in [each for each in writing if each[1] <= end]:
            file.close()
            writing.remove((first, last, file))
        at = end
    for _, _, file in writing:
        file.close()
    for segment in waiting:  # a turn that begins where the sound ends
        _open_wave(folder / str(segment.id)).close()


def _open_wave(path: Path) -> wave.Wave_write:
    file = wave.open(str(path), "wb")  # noqa: SIM115 - closed by whoever writes it
    file.setnchannels(1)
    file.setsampwidth(2)
    file.setframerate(SAMPLE_RATE_HZ)
    return file
