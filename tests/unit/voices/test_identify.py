from __future__ import annotations

import math
from collections.abc import Sequence
from uuid import UUID

import numpy as np
import pytest

from sonicgen.voices.encoder import Calibration
from sonicgen.voices.identify import Candidate, Outcome, Thresholds, Voice, identify, profile
from tests.unit.voices.people import CALIBRATION, person, voices_of

ANN, BOB, CAT = person(1), person(2), person(3)


def voice(label: str, *near: tuple[UUID, float], seconds: float = 20.0) -> Voice:
    return Voice(label, seconds, [Candidate(who, cosine) for who, cosine in near])


def outcomes(voices: Sequence[Voice], people: int = 3, **more: float) -> list[tuple[Outcome, UUID | None]]:
    found = identify(voices, CALIBRATION, people, Thresholds(**more))
    assert [identity.label for identity in found] == [each.label for each in voices]
    return [(identity.outcome, identity.speaker_id) for identity in found]


def test_probabilities_by_hand() -> None:
    calibration = Calibration(10.0, -3.0)
    [found] = identify([voice("A", (ANN, 0.8), (BOB, 0.4))], calibration, 4)
    ann, bob, nobody = 0.5 / 4 * math.exp(5.0), 0.5 / 4 * math.exp(1.0), 0.5
    total = ann + bob + nobody
    assert found.probability == pytest.approx(ann / total)
    assert found.margin == pytest.approx((ann - bob) / total)
    assert (found.best_id, found.runner_up_id, found.cosine) == (ANN, BOB, 0.8)
    assert found.thresholds == Thresholds()


def test_names_who_is_close_and_nobody_who_is_not() -> None:
    assert outcomes([voice("A", (ANN, 0.7)), voice("B", (BOB, 0.1), (ANN, 0.05))]) == [
        (Outcome.IDENTIFIED, ANN),
        (Outcome.UNLIKELY, None),
    ]


def test_an_unknown_voice_still_tells_how_close_it_came() -> None:
    [found] = identify([voice("A", (ANN, 0.28), (BOB, 0.05))], CALIBRATION, 3)
    assert found.speaker_id is None
    assert 0 < found.probability < 0.9
    assert (found.best_id, found.cosine) == (ANN, 0.28)


def test_the_larger_the_gallery_the_closer_a_voice_must_be() -> None:
    asked = [voice("A", (ANN, 0.4))]
    assert outcomes(asked, people=3) == [(Outcome.IDENTIFIED, ANN)]
    assert outcomes(asked, people=1_000) == [(Outcome.UNLIKELY, None)]


def test_two_people_who_are_as_close_are_ambiguous() -> None:
    assert outcomes([voice("A", (ANN, 0.70), (BOB, 0.69))]) == [(Outcome.AMBIGUOUS, None)]
    # The threshold on the margin can only ask for more.
    assert outcomes([voice("A", (ANN, 0.70), (BOB, 0.60))], probability=0.5) == [(Outcome.IDENTIFIED, ANN)]
    assert outcomes([voice("A", (ANN, 0.70), (BOB, 0.60))], probability=0.5, margin=0.99) == [(Outcome.AMBIGUOUS, None)]


def test_two_voices_of_a_recording_are_never_one_person() -> None:
    found = outcomes([voice("A", (ANN, 0.6)), voice("B", (ANN, 0.8))])
    assert found == [(Outcome.TAKEN, None), (Outcome.IDENTIFIED, ANN)]


def test_who_is_surely_somebody_else_in_the_room_is_no_rival() -> None:
    # A may be Ann or Bob; B is Bob without doubt, so A is Ann.
    unsure = voice("A", (BOB, 0.70), (ANN, 0.69))
    assert outcomes([unsure]) == [(Outcome.AMBIGUOUS, None)]
    assert outcomes([unsure, voice("B", (BOB, 0.9))]) == [(Outcome.IDENTIFIED, ANN), (Outcome.IDENTIFIED, BOB)]


def test_the_assignment_is_the_most_probable_one_for_all_together() -> None:
    # Greedy would give Ann to A, and leave B with Cat who is far off.
    voices = [voice("A", (ANN, 0.80), (BOB, 0.78)), voice("B", (ANN, 0.79), (CAT, 0.0))]
    given = [identity.speaker_id for identity in identify(voices, CALIBRATION, 3)]
    assert given == [BOB, ANN]


def test_too_little_speech_names_nobody_and_takes_nobody() -> None:
    short, long = voice("A", (ANN, 0.9), seconds=1.0), voice("B", (ANN, 0.7))
    assert outcomes([short, long]) == [(Outcome.TOO_LITTLE_SPEECH, None), (Outcome.IDENTIFIED, ANN)]
    assert outcomes([short], seconds=0.5) == [(Outcome.IDENTIFIED, ANN)]
    [found] = identify([short], CALIBRATION, 3)
    assert found.probability > 0.99  # said, though not acted on


def test_an_empty_gallery_knows_nobody() -> None:
    assert outcomes([voice("A"), voice("B")], people=0) == [(Outcome.EMPTY_GALLERY, None)] * 2
    assert identify([], CALIBRATION, 0) == []


def test_one_voice_that_was_cut_in_two_may_be_one_person() -> None:
    rows = voices_of(1, 2, scatter=0.2)
    near = [Candidate(ANN, 0.7)]
    halves = [Voice("A", 10.0, near, rows[0]), Voice("B", 10.0, near, rows[1])]
    assert [identity.speaker_id for identity in identify(halves, CALIBRATION, 3)] == [ANN, ANN]
    # Two who are merely alike are two.
    alike = [Voice("A", 10.0, near, rows[0]), Voice("B", 10.0, near, voices_of(2, 1)[0])]
    assert [identity.speaker_id for identity in identify(alike, CALIBRATION, 3)].count(ANN) == 1


def test_halves_of_a_voice_are_weighed_together() -> None:
    rows = voices_of(1, 2, scatter=0.2)
    halves = [
        Voice("A", 1.5, [Candidate(ANN, 0.7)], rows[0]),
        Voice("B", 1.5, [Candidate(ANN, 0.5), Candidate(BOB, 0.6)], rows[1]),
    ]
    first, second = identify(halves, CALIBRATION, 3)
    assert (first.outcome, second.outcome) == (Outcome.IDENTIFIED, Outcome.IDENTIFIED)  # three seconds together
    assert first.cosine == second.cosine == pytest.approx(0.6)
    assert first.best_id == ANN  # Bob is not among the closest of both


def test_a_profile_weighs_speech_up_to_half_a_minute() -> None:
    rows = voices_of(1, 2)
    assert profile(rows, [30.0, 300.0]) == pytest.approx(profile(rows, [1.0, 1.0]), abs=1e-6)
    assert float(profile(rows, [3.0, 30.0]) @ rows[1]) > float(profile(rows, [30.0, 3.0]) @ rows[1])
    assert profile(rows * 5, [1.0, 1.0]) == pytest.approx(profile(rows, [1.0, 1.0]), abs=1e-6)
    assert np.linalg.norm(profile(rows, [1.0, 2.0])) == pytest.approx(1.0)


def test_a_gallery_of_made_up_people_is_named_rightly() -> None:
    people = {person(n): profile(voices_of(n, 3), [10.0] * 3) for n in range(40)}
    table = np.array(list(people.values()))
    named = wrong = unknown = 0
    for number in range(80):  # the second half is nobody of the gallery
        row = voices_of(number, 1, seed=9)[0]
        near = sorted(zip(people, table @ row, strict=True), key=lambda item: -item[1])[:10]
        asked = Voice("A", 20.0, [Candidate(who, float(cosine)) for who, cosine in near])
        [found] = identify([asked], CALIBRATION, len(people))
        named += found.speaker_id == person(number)
        wrong += found.speaker_id not in (None, person(number))
        unknown += number >= 40 and found.speaker_id is None
    assert (named, wrong, unknown) == (40, 0, 40)
