"""One contract for every index: the same data gives the same postings, candidates and matches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sonicgen.domain.match import Decision, Match
from sonicgen.domain.recording import MatchStatus, Reason
from sonicgen.match.index import Index, Stretch
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.search import find_matches
from sonicgen.match.votes import Question, find_candidates
from sonicgen.sound.fingerprint import Fingerprint
from sonicgen.sound.landmarks import index_landmarks, query_landmarks
from sonicgen.sound.spectrum import SAMPLE_RATE_HZ
from sonicgen.steps.pack_index import pack_index
from sonicgen.steps.search_index import PostgresIndex, packed_segments
from sonicgen.store import postings, recordings
from sonicgen.store.database import Database
from tests.unit.sound.signals import at_speed, fingerprint_of, music, noise
from tests.unit.steps.claimed import claim_one

SONGS = [music(40.0, seed=300 + number) for number in range(4)]
MADE = [fingerprint_of(song) for song in SONGS]
Build = Callable[..., Index]


def store(database: Database, made: Fingerprint) -> int:
    recording_id = claim_one(database)
    keys, frames = index_landmarks(made.peaks)
    with database.transaction() as connection:
        number = postings.store(connection, recording_id, keys, frames, packed_segments(made.peaks), made.version)
        recordings.finish(
            connection, recording_id, MatchStatus.FINGERPRINTED, Reason.NEW, duration_seconds=made.seconds
        )
    return number


def rows_left(database: Database) -> int:
    with database.transaction() as connection:
        row = connection.execute("select count(*) as n from fingerprints").fetchone()
    assert row is not None
    return int(row["n"])


@pytest.fixture(params=["memory", "rows", "packed", "mixed"])
def build(request: pytest.FixtureRequest) -> Build:
    """Make an index that holds fingerprints under the numbers 1, 2, ..."""

    def make(*fingerprints: Fingerprint, most_postings: int = 2000) -> Index:
        if request.param == "memory":
            index = MemoryIndex(most_postings)
            for number, made in enumerate(fingerprints, 1):
                index.add(number, made)
            return index
        database: Database = request.getfixturevalue("database")
        half = len(fingerprints) // 2 if request.param == "mixed" else 0
        assert [store(database, made) for made in fingerprints[:half]] == [*range(1, half + 1)]
        if half:
            assert pack_index(database) == 1
        assert [store(database, made) for made in fingerprints[half:]] == [*range(half + 1, len(fingerprints) + 1)]
        if request.param == "packed" and fingerprints:
            assert pack_index(database) == 1
            assert not rows_left(database)
        return PostgresIndex(database, most_postings=most_postings)

    return make


def expected_postings(key: int) -> list[tuple[int, int]]:
    rows = []
    for number, made in enumerate(MADE, 1):
        keys, frames = index_landmarks(made.peaks)
        rows += sorted({(number, int(frame)) for frame in frames[keys == key]})
    return rows


def test_postings_are_those_that_were_stored(build: Build) -> None:
    index = build(*MADE)
    keys = np.unique(np.concatenate([index_landmarks(made.peaks)[0][:300] for made in MADE]))
    keys = np.unique(np.concatenate((keys, [-5, 1 << 29, (1 << 29) + 7]))).astype(np.int32)
    answer = index.postings(keys)
    ends = np.cumsum(answer.counts)
    for i, key in enumerate(keys.tolist()):
        part = slice(ends[i] - answer.counts[i], ends[i])
        rows = list(zip(answer.recordings[part].tolist(), answer.frames[part].tolist(), strict=True))
        assert rows == expected_postings(key)
    assert answer.counts.sum() >= 4 * 250
    assert [str(a.dtype) for a in (answer.counts, answer.recordings, answer.frames)] == ["int64", "int64", "int32"]


def test_a_key_with_too_many_postings_is_left_out_whole(build: Build) -> None:
    index = build(MADE[0], MADE[0], MADE[1], most_postings=1)
    one, two = (np.unique(index_landmarks(made.peaks)[0]) for made in MADE[:2])
    answer = index.postings(one)
    assert set(answer.counts.tolist()) == {0}
    assert not len(answer.frames)
    only = np.setdiff1d(two, one)
    assert (index.postings(only).counts == 1).mean() > 0.9


def test_an_empty_index_and_an_empty_question(build: Build) -> None:
    index = build()
    answer = index.postings(np.array([1, 2], np.int32))
    assert answer.counts.tolist() == [0, 0]
    assert not len(answer.recordings)
    assert not len(answer.frames)
    assert not len(index.postings(np.empty(0, np.int32)).counts)
    assert index.indexed_seconds() == 0.0
    assert index.peaks([]) == []
    assert not len(index.peaks([Stretch(1, 0, 100)])[0])
    assert find_matches(MADE[0], index) == []


def test_peaks_and_seconds(build: Build) -> None:
    index = build(*MADE)
    peaks, nothing, other = index.peaks([Stretch(3, 200, 900), Stretch(9, 0, 1000), Stretch(1, 5, 50)])
    assert np.array_equal(peaks.frames, MADE[2].peaks.between(200, 900).frames)
    assert not len(nothing)
    assert np.array_equal(other.frames, MADE[0].peaks.between(5, 50).frames)
    assert index.indexed_seconds() == pytest.approx(160.0, abs=0.1)


def question(clip: Fingerprint, tempo: float) -> Question:
    return Question(*query_landmarks(clip.peaks, 5, 4, tempo))


@pytest.mark.parametrize("packed", [0, 2, 4])
def test_all_rank_alike(database: Database, packed: int) -> None:
    memory = MemoryIndex()
    for i, made in enumerate(MADE, 1):
        memory.add(store(database, made), made)
        if i == packed:
            pack_index(database)
    clip = fingerprint_of(SONGS[1][10 * SAMPLE_RATE_HZ : 16 * SAMPLE_RATE_HZ])
    questions = [question(clip, tempo) for tempo in (1.0, 1.02, 0.95)]
    in_memory = find_candidates(memory, questions, 20)
    in_postgres = find_candidates(PostgresIndex(database), questions, 20)
    assert in_memory == in_postgres
    assert in_memory[0][0].recording == 2
    # The function in SQL counts the same way.
    rows = postings.candidates(database, questions[0].keys, questions[0].frames, limit=20, max_postings=2000)
    assert [row.votes for row in rows] == [candidate.votes for candidate in in_memory[0]]
    assert (rows[0].number, rows[0].delta) == (2, in_memory[0][0].delta_frames)


def sure(matches: list[Match]) -> list[int]:
    return [match.recording for match in matches if match.decision is Decision.MATCH]


@pytest.mark.parametrize("speed", [1.0, 1.04, 0.93])
def test_clips_are_found_at_any_speed(build: Build, speed: float) -> None:
    index = build(*MADE)
    clip = at_speed(SONGS[2][5 * SAMPLE_RATE_HZ : 15 * SAMPLE_RATE_HZ], speed)
    assert sure(find_matches(fingerprint_of(clip), index)) == [3]


def test_a_stranger_is_not_found(build: Build) -> None:
    assert sure(find_matches(fingerprint_of(noise(8.0, seed=1)), build(*MADE))) == []


@pytest.mark.parametrize("is_packed", [False, True])
def test_only_what_came_later(database: Database, is_packed: bool) -> None:
    first, second = store(database, MADE[0]), store(database, MADE[0])
    if is_packed:
        pack_index(database)
    keys = np.unique(index_landmarks(MADE[0].peaks)[0])
    assert set(PostgresIndex(database).postings(keys).recordings.tolist()) == {first, second}
    assert set(PostgresIndex(database, after=first).postings(keys).recordings.tolist()) == {second}
    assert sure(find_matches(MADE[0], PostgresIndex(database, after=second))) == []


@pytest.mark.parametrize("is_packed", [False, True])
def test_noisy_keys_take_no_part(database: Database, is_packed: bool) -> None:
    store(database, MADE[0])
    if is_packed:
        pack_index(database)
    keys = np.unique(index_landmarks(MADE[0].peaks)[0])
    postings.add_noisy(database, keys[:10], "room tone")
    counts = PostgresIndex(database).postings(keys).counts
    assert not counts[:10].any()
    assert counts[10:].all()
