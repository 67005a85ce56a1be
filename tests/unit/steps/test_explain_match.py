from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import numpy as np
import pytest
from numpy.typing import NDArray

from sonicgen.domain.match import Decision, Match
from sonicgen.domain.recording import MatchStatus, Reason, Recording
from sonicgen.settings import read_settings
from sonicgen.sound.spectrum import FRAMES_PER_SECOND, SAMPLE_RATE_HZ
from sonicgen.steps.explain_match import DEEPEST_SECONDS, shared_segments_of, spectrogram_of
from sonicgen.steps.services import Services
from sonicgen.store import matches, recordings
from sonicgen.store.database import Database
from tests.unit.sound.signals import music


@pytest.fixture
def services(database_url: str) -> Iterator[Services]:
    made = Services(read_settings(database_url=database_url))
    yield made
    made.database.close()


def store(database: Database, seconds: float, original: UUID | None = None) -> Recording:
    identifier = uuid4()
    recordings.claim(
        database,
        identifier,
        title="An episode",
        bucket="inbox",
        object_name=str(identifier),
        generation=1,
        size_bytes=1,
        md5=None,
        content_type=None,
    )
    with database.transaction() as connection:
        status = MatchStatus.MATCHED if original else MatchStatus.FINGERPRINTED
        reason = Reason.DUPLICATE if original else Reason.NEW
        return recordings.finish(connection, identifier, status, reason, duration_seconds=seconds, original_id=original)


def record(database: Database, query: Recording, *references: Recording, decision: Decision = Decision.MATCH) -> None:
    found = Match(0, 2.0, 32.0, 5.0, 35.0, 1.0, 1.0, 500.0, 1.0, -9.0, decision)
    with database.transaction() as connection:
        matches.replace(connection, query.id, [(reference.id, found) for reference in references], "test")


def test_the_last_episode_and_the_first_both_know_the_intro(services: Services) -> None:
    episodes = [store(services.database, 1_800.0) for _ in range(5)]
    for number, episode in enumerate(episodes):
        record(services.database, episode, *episodes[:number])
    assert [segment.to_json() for segment in shared_segments_of(services, episodes[-1])] == [[2.0, 32.0, 4]]
    assert [segment.to_json() for segment in shared_segments_of(services, episodes[0])] == [[5.0, 35.0, 4]]
    assert [segment.count for segment in shared_segments_of(services, episodes[2])] == [4]


def test_copies_of_one_episode_and_what_is_unsure_do_not_count(services: Services) -> None:
    database = services.database
    one, two, query = (store(database, 1_800.0) for _ in range(3))
    copy = store(database, 1_800.0, original=one.id)
    record(database, query, one, two, copy)
    assert shared_segments_of(services, query) == []
    three = store(database, 1_800.0)
    record(database, three, query, decision=Decision.UNSURE)
    assert shared_segments_of(services, query) == []
    record(database, three, query)
    assert [segment.count for segment in shared_segments_of(services, query)] == [3]


def test_a_recording_without_matches_or_length_has_none(services: Services) -> None:
    assert shared_segments_of(services, store(services.database, 60.0)) == []


def blocks(seconds: float, size: int = 65_536) -> Iterator[NDArray[np.float32]]:
    sound = music(seconds, seed=5)
    for start in range(0, len(sound), size):
        yield sound[start : start + size]


@pytest.mark.parametrize("size", [1_000, 65_536])
def test_a_spectrogram_holds_its_stretch_and_no_more(size: int) -> None:
    made = spectrogram_of(blocks(30.0, size), (10.0, 14.0))
    assert made is not None
    assert made.start_seconds == 10.0
    assert made.end_seconds == pytest.approx(14.0, abs=0.1)
    assert len(made.rows) == pytest.approx(4 * FRAMES_PER_SECOND, abs=4)


def test_sound_behind_the_stretch_is_not_decoded() -> None:
    source = blocks(30.0, SAMPLE_RATE_HZ)
    spectrogram_of(source, (2.0, 5.0))
    assert len(list(source)) == 25


def test_what_lies_too_deep_or_behind_the_end_has_no_spectrogram() -> None:
    assert spectrogram_of(blocks(3.0), (DEEPEST_SECONDS, DEEPEST_SECONDS + 1)) is None
    assert spectrogram_of(blocks(3.0), (5.0, 8.0)) is None
