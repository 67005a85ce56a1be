"""Whoever is enrolled is enrolled whole, with consent; whatever is wrong has a reason, and nothing of it stays."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from sonicgen.cloud.objects import list_objects
from sonicgen.domain.speaker import EnrolmentReason, EnrolmentState
from sonicgen.errors import InputError, UnavailableError
from sonicgen.local.demo_sounds import make_music, write_sound
from sonicgen.steps.enrol_speaker import ConsentGiven, clean_interrupted, enrol_speaker
from sonicgen.steps.services import Services
from sonicgen.store import enrolments, speakers, voices
from sonicgen.store.enrolments import Enrolment
from sonicgen.voices.samples import SAMPLE_RATE_HZ
from tests.unit.steps.speakers import ANNA, BERT, CARL, hear, names, record, talk, write
from tests.unit.voices.signals import Voice

CONSENT = ConsentGiven("Anna Example", "naming her in our recordings", datetime(2026, 1, 2, tzinfo=UTC))


def said(folder: Path, name: str, voice: Voice, turns: int = 3, seed: int = 1) -> tuple[Path, str]:
    return write(folder / name, talk([("A", voice)] * turns, seed)), name


def enrol(services: Services, name: str, *files: tuple[Path, str], is_same_person: bool = False) -> Enrolment:
    return enrol_speaker(services, name, files, CONSENT, by="tester", is_same_person=is_same_person)


def left_over(services: Services, enrolment: Enrolment) -> list[str]:
    return [each.name for each in list_objects(services.settings.media_bucket, f"enrolments/{enrolment.id}/")]


def test_an_enrolled_person_is_known_in_past_and_future_recordings(listening: Services, tmp_path: Path) -> None:
    past = record(listening, tmp_path, [("A", ANNA), ("B", BERT)] * 2, seed=5)
    hear(listening, past)
    done = enrol(listening, "Anna", said(tmp_path, "one.flac", ANNA, seed=8), said(tmp_path, "two.mp3", ANNA, seed=9))
    assert done.state is EnrolmentState.ENROLLED, done.explain()
    assert names(listening, past) == ["Anna", None] * 2
    future = record(listening, tmp_path, [("A", CARL), ("B", ANNA)] * 2, seed=6)
    hear(listening, future)
    assert names(listening, future) == [None, "Anna"] * 2
    assert done.speaker_id is not None
    with listening.database.transaction() as connection:
        (consent,) = speakers.consents_of(connection, done.speaker_id)
        found = speakers.overview(connection, done.speaker_id)
    assert (consent.given_by, consent.purpose, consent.recorded_by) == (CONSENT.given_by, CONSENT.purpose, "tester")
    assert found.is_enrolled
    assert found.has_consent
    kept = left_over(listening, done)
    assert kept, "the samples' clips are kept"
    assert not any(name.endswith("sample.flac") for name in kept), "and nothing else"


BAD = {
    "three seconds": EnrolmentReason.TOO_SHORT,
    "silence": EnrolmentReason.SILENCE,
    "music": EnrolmentReason.NO_SPEECH,
    "two people": EnrolmentReason.SEVERAL_VOICES,
    "no audio": EnrolmentReason.NOT_AUDIO,
    "overdriven": EnrolmentReason.CLIPPED,
}


def make(folder: Path, what: str) -> tuple[Path, str]:
    """Return a file that nobody can be enrolled with."""
    path = folder / f"{what}.flac"
    if what == "no audio":
        path.write_text("This is a letter.")
    elif what == "music":
        write_sound(path, make_music(7, seconds=25, beats_per_minute=112, metre=4))
    elif what == "silence":
        write(path, np.zeros(20 * SAMPLE_RATE_HZ, np.float32))
    elif what == "three seconds":
        write(path, talk([("A", ANNA)])[: 3 * SAMPLE_RATE_HZ])
    elif what == "two people":
        write(path, talk([("A", ANNA), ("B", BERT)] * 3))
    else:
        write(path, np.clip(30 * talk([("A", ANNA)] * 4), -1, 1))
    return path, path.name


@pytest.mark.parametrize("what", BAD)
def test_bad_samples_are_refused_with_a_reason(listening: Services, tmp_path: Path, what: str) -> None:
    done = enrol(listening, "Nobody", said(tmp_path, "good.flac", ANNA, seed=8), make(tmp_path, what))
    assert (done.state, done.reason) == (EnrolmentState.REFUSED, BAD[what]), done.to_json()
    assert [sample.reason for sample in done.samples] == [None, BAD[what]]
    assert done.samples[1].explain()
    nothing_is_left(listening, done)


def nothing_is_left(services: Services, done: Enrolment) -> None:
    assert done.speaker_id is None
    assert left_over(services, done) == []
    with services.database.transaction() as connection:
        assert speakers.by_name(connection, done.name) is None
    assert not [model for model in services.gallery.models() if services.gallery.count(model).voiceprints]
    assert voices.counts(services.database)["people"] == 0


def test_the_same_file_and_a_name_that_exists(listening: Services, tmp_path: Path) -> None:
    one = said(tmp_path, "one.flac", ANNA, seed=8)
    twice = enrol(listening, "Anna", one, one)
    assert (twice.state, twice.reason) == (EnrolmentState.REFUSED, EnrolmentReason.SAME_FILE)
    nothing_is_left(listening, twice)
    assert enrol(listening, "Anna", one).state is EnrolmentState.ENROLLED
    taken = enrol(listening, "  ANNA ", said(tmp_path, "two.flac", ANNA, seed=9))
    assert (taken.state, taken.reason) == (EnrolmentState.REFUSED, EnrolmentReason.NAME_TAKEN)
    assert enrol(listening, "Bert", one).reason is EnrolmentReason.SAME_FILE
    other = enrol(listening, "Anna", said(tmp_path, "three.flac", BERT, seed=9), is_same_person=True)
    assert other.reason is EnrolmentReason.OTHER_VOICE
    more = enrol(listening, "Anna", said(tmp_path, "two.flac", ANNA, seed=9), is_same_person=True)
    assert more.state is EnrolmentState.ENROLLED
    assert voices.counts(listening.database)["people"] == 1


def test_without_consent_nothing_is_kept(listening: Services, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="consent"):
        enrol_speaker(
            listening, "Anna", [said(tmp_path, "one.flac", ANNA)], ConsentGiven(" ", "x", datetime.now(UTC)), by="t"
        )
    assert enrolments.newest(listening.database, 5) == []


def test_without_an_embedder_nobody_is_half_enrolled(services: Services, tmp_path: Path) -> None:
    class Absent:
        def runner(self) -> None:
            raise UnavailableError("The embedder does not answer.")

        def close(self) -> None:
            return

    services.__dict__["embedder"] = Absent()
    with pytest.raises(UnavailableError):
        enrol(services, "Anna", said(tmp_path, "one.flac", ANNA))
    (found,) = enrolments.newest(services.database, 5)
    assert (found.state, found.reason) == (EnrolmentState.FAILED, EnrolmentReason.INTERRUPTED)
    nothing_is_left(services, found)
    with services.database.transaction() as connection:
        enrolments.begin(connection, found.speaker_id or found.id.__class__(int=5), "Killed", by="t")
        connection.execute("update enrolments set created_at = created_at - interval '1 day' where state = 'pending'")
    assert clean_interrupted(services) == 1
