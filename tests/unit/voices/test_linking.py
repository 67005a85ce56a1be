from __future__ import annotations

import random
from collections import defaultdict
from uuid import UUID

import numpy as np
import pytest

from sonicgen.voices.linking import LinkedVoice, least_cosine, link
from tests.unit.voices.people import CALIBRATION, voices_of

LEAST = least_cosine(CALIBRATION)


def heard(recordings: list[list[int]], first: int = 0) -> list[tuple[int, LinkedVoice]]:
    """Return the voices of recordings in which these people speak, with who it is."""
    made = []
    for number, people in enumerate(recordings, first):
        for who in people:
            vector = voices_of(who, 1, seed=number + 1)[0]
            made.append((who, LinkedVoice(UUID(int=1_000 * number + who), UUID(int=number), vector)))
    return made


def groups(voices: list[LinkedVoice], clusters: tuple[UUID, ...]) -> set[frozenset[UUID]]:
    found = defaultdict(set)
    for voice, cluster in zip(voices, clusters, strict=True):
        found[cluster].add(voice.id)
    return {frozenset(group) for group in found.values()}


def test_the_least_cosine_has_the_probability_that_was_asked_for() -> None:
    assert CALIBRATION.probability(least_cosine(CALIBRATION, 0.8, 0.2), 0.2) == pytest.approx(0.8)
    assert least_cosine(CALIBRATION, 0.99) > least_cosine(CALIBRATION, 0.9)


def test_links_people_across_recordings_whatever_the_order() -> None:
    truth = heard([[1, 2], [2, 3], [3, 1, 4], [5, 6], [6, 1], [2, 5]])
    wanted = defaultdict(set)
    for who, voice in truth:
        wanted[who].add(voice.id)
    voices = [voice for _, voice in truth]
    clusters = link(voices, LEAST).cluster_ids
    assert groups(voices, clusters) == {frozenset(group) for group in wanted.values()}
    assert all(cluster in {voice.id for voice in voices} for cluster in clusters)
    shuffled = voices.copy()
    random.Random(1).shuffle(shuffled)  # noqa: S311
    again = dict(zip((voice.id for voice in shuffled), link(shuffled, LEAST).cluster_ids, strict=True))
    assert tuple(again[voice.id] for voice in voices) == clusters


def test_two_voices_of_one_recording_never_come_together() -> None:
    same = voices_of(1, 1)[0]
    voices = [LinkedVoice(UUID(int=n), UUID(int=7), same) for n in (1, 2)]
    assert len(set(link(voices, LEAST).cluster_ids)) == 2
    # Nor by way of a third one.
    third = LinkedVoice(UUID(int=3), UUID(int=8), same)
    clusters = link([*voices, third], LEAST).cluster_ids
    assert clusters[0] != clusters[1]
    assert clusters[2] in clusters[:2]


def test_adding_a_recording_renames_nobody() -> None:
    truth = heard([[1, 2], [2, 3], [1, 3]])
    voices = [voice for _, voice in truth]
    before = link(voices, LEAST).cluster_ids
    known = [
        LinkedVoice(voice.id, voice.recording_id, voice.vector, voice.seconds, cluster)
        for voice, cluster in zip(voices, before, strict=True)
    ]
    # A voice with a smaller id than any: a new cluster of its own would be named after it.
    newer = [LinkedVoice(UUID(int=0), UUID(int=99), voices_of(2, 1, seed=50)[0])]
    newer += [LinkedVoice(UUID(int=10**6), UUID(int=99), voices_of(9, 1, seed=50)[0])]
    after = link([*newer, *known], LEAST).cluster_ids
    assert after[2:] == before
    assert after[0] == before[1]
    assert after[1] == UUID(int=10**6)


def test_old_clusters_that_became_alike_are_suggested_and_stay_two() -> None:
    first, second = voices_of(1, 2)
    other = voices_of(2, 1)[0]
    voices = [
        LinkedVoice(UUID(int=n), UUID(int=n), vector, cluster_id=UUID(int=100 + n))
        for n, vector in enumerate((first, second, other), 1)
    ]
    linked = link(voices, LEAST)
    assert linked.cluster_ids == (UUID(int=101), UUID(int=102), UUID(int=103))
    [suggestion] = linked.suggestions
    assert (suggestion.first_id, suggestion.second_id) == (UUID(int=101), UUID(int=102))
    assert suggestion.cosine == pytest.approx(float(first @ second))
    # Not when they speak to each other.
    together = [LinkedVoice(v.id, UUID(int=1), v.vector, cluster_id=v.cluster_id) for v in voices]
    assert link(together, LEAST).suggestions == ()


def test_a_cluster_somebody_merged_by_hand_stays_whole() -> None:
    vectors = [voices_of(1, 1)[0], voices_of(2, 1)[0]]
    voices = [LinkedVoice(UUID(int=n), UUID(int=1), vectors[n], cluster_id=UUID(int=50)) for n in (0, 1)]
    assert link(voices, LEAST).cluster_ids == (UUID(int=50), UUID(int=50))


def test_nobody_is_linked_to_nobody() -> None:
    assert link([], LEAST).cluster_ids == ()
    alone = LinkedVoice(UUID(int=5), UUID(int=1), np.ones(4))
    assert link([alone], LEAST).cluster_ids == (UUID(int=5),)
