"""Enrol a person with samples of their voice: all of it is kept, or nothing, and the reasons are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray

from sonicgen.cloud.objects import delete_object, list_objects, upload_file
from sonicgen.domain.embedding import Runner, Sound
from sonicgen.domain.gallery import Voiceprint
from sonicgen.domain.speaker import Clip, EnrolmentReason, EnrolmentState, Speaker, clip_id, read_name
from sonicgen.errors import ConflictError, InputError
from sonicgen.sound.cut import write_flac
from sonicgen.steps.embed_clips import Print, embed_clips
from sonicgen.steps.examine_sample import Examined, examine_sample
from sonicgen.steps.recognise_groups import recognise_groups
from sonicgen.steps.services import Services
from sonicgen.steps.voice_models import serving_calibration
from sonicgen.store import decisions, enrolments, speakers, voices
from sonicgen.store.database import Connection
from sonicgen.store.enrolments import Enrolment
from sonicgen.voices.encoder import Calibration
from sonicgen.voices.identify import profile

FOLDER = "enrolments"
# From this probability down (at even odds) a clip is not the same voice as the rest of its file, or as other files.
SAME_VOICE = 0.5
# So much of a file's speech may be somebody else's: a cough, a door, a "yes" from the side. Diarization gave others at
# most 16 % of ten readers' 30 s; of two readers in turns of 5 s 47 to 72 % (11 of 12 pairs), of two at the same time 14
# to 81 % (6 of 7 pairs above 20 %).
OTHERS_SHARE = 0.2
# An enrolment that is pending for longer than any takes was interrupted.
INTERRUPTED_SECONDS = 1800.0
_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class ConsentGiven:
    """What a person agreed to: `given_by` is who did (they, or who may speak for them)."""

    given_by: str
    purpose: str
    given_at: datetime


@dataclass(frozen=True, slots=True)
class _Heard:
    """A usable file, its clips in the bucket, their vectors, and how much of it is not the voice that most of it is."""

    found: Examined
    prints: tuple[Print, ...]
    others_share: float

    @property
    def seconds(self) -> float:
        return sum(each.seconds for each in self.prints)


def enrol_speaker(
    services: Services,
    name: str,
    files: Sequence[tuple[Path, str]],
    consent: ConsentGiven,
    *,
    by: str,
    is_same_person: bool = False,
) -> Enrolment:
    """Enrol a person with files (path, name of the file); return how that ended, with a reason for each bad file.

    With `is_same_person` the samples are added to whoever has the name already. Raises InputError for a name or a
    consent that cannot be one, UnavailableError when the embedder does not answer: then nothing is enrolled.
    """
    name = read_name(name)
    given_by, purpose = (" ".join(text.split()) for text in (consent.given_by, consent.purpose))
    if not given_by or not purpose:
        raise InputError("A voice is kept only with consent: say who gave it, and for what purpose.")
    enrolment_id = uuid4()
    with services.database.transaction() as connection:
        enrolments.begin(connection, enrolment_id, name, by=by)
    try:
        return _enrol(services, enrolment_id, name, files, replace(consent, given_by=given_by, purpose=purpose), by,
                      is_same_person)  # fmt: skip
    except BaseException:
        _end(services, enrolment_id, EnrolmentState.FAILED, EnrolmentReason.INTERRUPTED)
        raise


def clean_interrupted(services: Services) -> int:
    """End enrolments that nobody works on any more, and remove what they left in the bucket."""
    with services.database.transaction() as connection:
        lost = enrolments.interrupted(connection, older_than_seconds=INTERRUPTED_SECONDS, limit=_AT_ONCE)
    for enrolment_id in lost:
        _end(services, enrolment_id, EnrolmentState.FAILED, EnrolmentReason.INTERRUPTED)
    return len(lost)


def _enrol(
    services: Services,
    enrolment_id: UUID,
    name: str,
    files: Sequence[tuple[Path, str]],
    consent: ConsentGiven,
    by: str,
    is_same_person: bool,
) -> Enrolment:
    with services.database.transaction() as connection:
        known = speakers.by_name(connection, name)
    if known is not None and not is_same_person:
        return _end(services, enrolment_id, EnrolmentState.REFUSED, EnrolmentReason.NAME_TAKEN)
    if not files:
        return _end(services, enrolment_id, EnrolmentState.REFUSED, EnrolmentReason.NO_FILES)
    found = [examine_sample(path, told, services.settings.enrolment_seconds) for path, told in files]
    found = _without_repeats(services, found)
    if any(each.sample.reason for each in found):
        return _refuse(services, enrolment_id, found)
    runner = services.embedder.runner()
    calibration = serving_calibration(services, runner)
    heard = [_listen(services, enrolment_id, each, runner) for each in found]
    judged = _judge(services, heard, runner, calibration, known)
    if any(each.sample.reason for each in judged):
        return _refuse(services, enrolment_id, judged)
    with services.database.transaction() as connection:
        speakers.lock(connection)
        present = speakers.by_name(connection, name)
        if (present.id if present else None) != (known.id if known else None):
            raise ConflictError(f"Somebody was called {name!r} meanwhile; try again.")
        speaker = known or speakers.create(connection, name)
        _keep(services, connection, speaker, heard, runner)
        speakers.add_consent(
            connection, speaker.id, given_by=consent.given_by, purpose=consent.purpose, given_at=consent.given_at,
            recorded_by=by,
        )  # fmt: skip
        for position, each in enumerate(judged):
            enrolments.put_sample(connection, enrolment_id, position, each.sample)
        if not enrolments.finish(connection, enrolment_id, EnrolmentState.ENROLLED, speaker_id=speaker.id):
            raise ConflictError("The enrolment was ended meanwhile; try again.")
        decisions.record(connection, "speaker_enrolled", [speaker.id, enrolment_id], decided_by=by, thresholds={})
    services.gallery.flush()
    recognise_groups(services, speaker.id)
    with services.database.transaction() as connection:
        return enrolments.get(connection, enrolment_id)


def _without_repeats(services: Services, found: Sequence[Examined]) -> list[Examined]:
    """Return the files with a reason on those that were given before, now or to enrol anybody."""
    seen: set[str] = set()
    told = []
    for each in found:
        sha256 = each.sample.sha256
        if sha256 is None or each.sample.reason is not None:
            told.append(each)
            continue
        with services.database.transaction() as connection:
            owner = voices.owner_of_sample(connection, sha256)
        if sha256 in seen or owner is not None:
            detail = f"{owner[1]} is enrolled with it." if owner else None
            told.append(Examined(replace(each.sample, reason=EnrolmentReason.SAME_FILE, reason_detail=detail)))
        else:
            told.append(each)
        seen.add(sha256)
    return told


def _listen(services: Services, enrolment_id: UUID, found: Examined, runner: Runner) -> _Heard:
    clips = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.flac"
        for (start, end), sound in found.pieces:
            first, last = round(1000 * start), round(1000 * end)
            name = f"{FOLDER}/{enrolment_id}/{found.sample.sha256}/{first:09d}-{last:09d}.flac"
            write_flac(path, sound)
            with suppress(ConflictError):
                upload_file(services.settings.media_bucket, name, path, content_type="audio/flac")
            clips.append(Clip(clip_id(name), name, first / 1000, last / 1000))
    share = _others_share(services, enrolment_id, found)
    return _Heard(found, tuple(embed_clips(services, clips, runner.model)), share)


def _others_share(services: Services, enrolment_id: UUID, found: Examined) -> float:
    """Return how much of a file's speech is not the voice that most of it is, as the embedder tells voices apart."""
    assert found.sound is not None  # noqa: S101 - it is a usable file
    bucket = services.settings.media_bucket
    name = f"{FOLDER}/{enrolment_id}/{found.sample.sha256}/sample.flac"
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sample.flac"
        write_flac(path, found.sound)
        upload_file(bucket, name, path, content_type="audio/flac")
    try:
        turns = services.embedder.diarize(Sound(bucket, name)).turns
    finally:
        delete_object(bucket, name, missing_ok=True)
    spoken: Counter[str] = Counter()
    for turn in turns:
        spoken[turn.speaker] += round(1000 * (turn.end_seconds - turn.start_seconds))
    return 1 - max(spoken.values()) / spoken.total() if spoken else 0.0


def _judge(
    services: Services, heard: Sequence[_Heard], runner: Runner, calibration: Calibration, known: Speaker | None
) -> list[Examined]:
    """Return the files with a reason on those that hold several voices, or another one than the others do."""
    told: list[Examined] = []
    reference: list[Print] = []
    present = services.gallery.profiles(runner.model, [known.id]).get(known.id) if known else None
    least = services.settings.enrolment_seconds
    for each in heard:
        reason = None
        if each.seconds < least / 2:  # the encoder heard much less speech than there seemed to be
            reason = EnrolmentReason.TOO_SHORT
        elif max(each.others_share, _unlike_share(each.prints, calibration)) > OTHERS_SHARE:
            reason = EnrolmentReason.SEVERAL_VOICES
        else:
            own = _mean(each.prints)
            against = np.asarray(present, np.float32).reshape(-1) if present is not None else None
            against = _mean(reference) if reference else against
            if against is not None and calibration.probability(float(own @ against)) < SAME_VOICE:
                reason = EnrolmentReason.OTHER_VOICE
            else:
                reference += each.prints
        told.append(Examined(replace(each.found.sample, reason=reason), each.found.pieces))
    return told


def _unlike_share(prints: Sequence[Print], calibration: Calibration) -> float:
    """Return how much of a file's speech lies in clips that are unlike the one that most are like."""
    rows = np.array([each.vector for each in prints])
    seconds = np.array([each.seconds for each in prints])
    alike = np.vectorize(calibration.probability)(rows @ rows.T) >= SAME_VOICE
    return float(1 - (alike @ seconds).max() / seconds.sum())


def _mean(prints: Sequence[Print]) -> NDArray[np.float32]:
    return profile(np.array([each.vector for each in prints]), [each.seconds for each in prints])


def _keep(
    services: Services, connection: Connection, speaker: Speaker, heard: Sequence[_Heard], runner: Runner
) -> None:
    prints = [(each.found.sample.sha256 or "", one) for each in heard for one in each.prints]
    told = [Voiceprint(one.clip.object_name, one.seconds, speaker.id, is_known=True) for _, one in prints]
    rows = np.array([one.vector for _, one in prints], np.float32)
    ids = services.gallery.add(runner.model, rows, told, within=connection)
    for (sha256, one), made in zip(prints, ids, strict=True):
        voices.add_sample(connection, speaker.id, replace(one.clip, voiceprint_ids=(made,)), sha256)


def _refuse(services: Services, enrolment_id: UUID, found: Sequence[Examined]) -> Enrolment:
    with services.database.transaction() as connection:
        for position, each in enumerate(found):
            enrolments.put_sample(connection, enrolment_id, position, each.sample)
    reason = next(each.sample.reason for each in found if each.sample.reason)
    return _end(services, enrolment_id, EnrolmentState.REFUSED, reason)


def _end(services: Services, enrolment_id: UUID, state: EnrolmentState, reason: EnrolmentReason) -> Enrolment:
    """End an enrolment of which nothing is kept; one that has ended stays as it is."""
    with services.database.transaction() as connection:
        is_ours = enrolments.finish(connection, enrolment_id, state, reason)
        found = enrolments.get(connection, enrolment_id)
    if is_ours:
        bucket = services.settings.media_bucket
        for stored in list(list_objects(bucket, f"{FOLDER}/{enrolment_id}/")):
            delete_object(bucket, stored.name, missing_ok=True)
    return found
