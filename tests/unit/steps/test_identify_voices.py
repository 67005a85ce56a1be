from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import numpy as np
import pytest

from sonicgen.domain.gallery import Voiceprint
from sonicgen.domain.voice import VoiceModel
from sonicgen.errors import InputError
from sonicgen.settings import read_settings
from sonicgen.steps.identify_voices import HeardVoice, calibration_of, identify_voices
from sonicgen.steps.services import Services
from sonicgen.store import calibrations
from sonicgen.voices.encoder import Calibration
from sonicgen.voices.identify import Outcome, Thresholds
from tests.unit.voices.people import CALIBRATION, DIM, person, voices_of

MODEL = VoiceModel("made-up", "1", DIM)


@pytest.fixture
def services(database_url: str) -> Iterator[Services]:
    made = Services(read_settings(database_url=database_url))
    yield made
    made.database.close()


def enrol(services: Services, number: int, count: int = 3, *, is_known: bool = True) -> UUID:
    prints = [Voiceprint(f"{number}/{place}", 10.0, person(number), is_known) for place in range(count)]
    services.gallery.add(MODEL, voices_of(number, count), prints)
    return person(number)


def heard(label: str, number: int, seconds: float = 20.0) -> HeardVoice:
    return HeardVoice(label, voices_of(number, 1, seed=99)[0], seconds)


def test_says_who_speaks_and_whom_nobody_knows(services: Services) -> None:
    ann, bob = enrol(services, 1), enrol(services, 2)
    group = enrol(services, 3, is_known=False)
    found = identify_voices(services, MODEL, CALIBRATION, [heard("A", 2), heard("B", 3), heard("C", 1), heard("D", 4)])
    assert [each.speaker_id for each in found.identities] == [bob, None, ann, None]
    assert [each.outcome for each in found.identities][1] is Outcome.UNLIKELY
    assert [near[0].speaker_id for near in found.unknown] == [group] * 4
    assert found.unknown[1][0].cosine > 0.7 > found.unknown[0][0].cosine
    assert (found.people, found.index, found.model) == (2, "pgvector", MODEL)


def test_another_process_sees_who_was_enrolled_and_who_was_removed(services: Services, database_url: str) -> None:
    other = Services(read_settings(database_url=database_url))
    asked = [heard("A", 1)]
    assert identify_voices(other, MODEL, CALIBRATION, asked).identities[0].outcome is Outcome.EMPTY_GALLERY
    ann = enrol(services, 1)
    assert identify_voices(other, MODEL, CALIBRATION, asked).identities[0].speaker_id == ann
    services.gallery.delete(speaker_id=ann)
    assert identify_voices(other, MODEL, CALIBRATION, asked).identities[0].speaker_id is None
    other.database.close()


def test_a_calibration_that_was_fitted_goes_before_the_encoders_own(services: Services) -> None:
    enrol(services, 1)
    stern = Calibration(40.0, -100.0)
    assert identify_voices(services, MODEL, stern, [heard("A", 1)]).identities[0].speaker_id is None
    calibrations.put(services.database, MODEL, CALIBRATION.slope, CALIBRATION.offset, {"targets": 100})
    found = identify_voices(services, MODEL, stern, [heard("A", 1)])
    assert found.identities[0].speaker_id == person(1)
    assert found.calibration == CALIBRATION
    calibrations.put(services.database, MODEL, 1.0, 2.0, {"targets": 200})
    stored = calibrations.get(services.database, MODEL)
    assert stored is not None
    assert (stored.slope, stored.offset, stored.figures) == (1.0, 2.0, {"targets": 200})
    assert calibrations.remove(services.database, MODEL)
    assert not calibrations.remove(services.database, MODEL)
    assert calibration_of(services, MODEL, stern) == stern


def test_the_callers_thresholds_decide(services: Services) -> None:
    enrol(services, 1)
    found = identify_voices(services, MODEL, CALIBRATION, [heard("A", 1, 3.0)], Thresholds(seconds=5.0))
    assert found.identities[0].outcome is Outcome.TOO_LITTLE_SPEECH
    assert found.identities[0].thresholds.seconds == 5.0


def test_vectors_of_another_model_are_refused(services: Services) -> None:
    with pytest.raises(InputError, match="192 numbers"):
        identify_voices(services, MODEL, CALIBRATION, [HeardVoice("A", np.ones(64, np.float32), 9.0)])
    assert identify_voices(services, MODEL, CALIBRATION, []).identities == ()
    assert uuid4() not in services.gallery.profiles(MODEL, [])
