"""What every gallery does, whatever searches it: run against pgvector and against Pinecone's wire protocol."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from uuid import UUID, uuid4

import numpy as np
import psycopg
import pytest

from sonicgen.domain.gallery import Voiceprint
from sonicgen.domain.voice import VoiceModel
from sonicgen.errors import InputError
from sonicgen.local.postgres import LocalPostgres
from sonicgen.services.gallery import Gallery
from sonicgen.services.pinecone_index import PineconeIndex
from sonicgen.steps.pinecone_gallery import PineconeGallery
from sonicgen.store.database import Database
from sonicgen.store.gallery import PgvectorGallery
from sonicgen.store.voice_rows import Vectors
from sonicgen.voices.identify import WEIGHTED_SECONDS, profile
from tests.pinecone_server import KEY, pinecone_server
from tests.postgres_fixture import url_of

DIM = 16
MODEL = VoiceModel("test", "1", DIM)
NEWER = replace(MODEL, version="2")


@pytest.fixture(scope="module")
def shared_database(postgres_server: LocalPostgres, database_template: str) -> Iterator[Database]:
    """One database for all of these tests: to make one takes longer than any of them."""
    name = "gallery_contract"
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"create database {name} template {database_template} strategy file_copy")
    with Database(url_of(postgres_server, name)) as made:
        yield made


@pytest.fixture
def database(shared_database: Database) -> Database:
    with shared_database.transaction() as connection:
        connection.execute("delete from speaker_embeddings")
        connection.execute("delete from videos")
        connection.execute("truncate speaker_profiles, speaker_profile_removals")
        connection.execute("select speaker_profiles_graph(%s, %s, false)", (MODEL.key, DIM))
    return shared_database


@pytest.fixture(params=["pgvector", "pgvector graph", "pinecone", "pinecone late"])
def gallery(request: pytest.FixtureRequest, database: Database) -> Iterator[Gallery]:
    if request.param.startswith("pgvector"):
        made = PgvectorGallery(database, graph_from=1)
        if "graph" in request.param:
            made.add(MODEL, rows(0), [Voiceprint("first", 1.0, uuid4())])
            made.rebuild()
            made.delete(model=MODEL)
        yield made
        return
    with pinecone_server(DIM) as server:
        # A late index shows nothing for as long as a test takes.
        server.lag_seconds = 3_600.0 if "late" in request.param else 0.0
        index = PineconeIndex(KEY, host=server.host)
        with_pinecone = PineconeGallery(database, index)
        yield with_pinecone
        with_pinecone.close()


def rows(seed: int, count: int = 1) -> Vectors:
    vectors = np.random.default_rng(seed).normal(size=(count, DIM))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


Enrol = Callable[..., list[UUID]]


@pytest.fixture
def enrol(gallery: Gallery) -> Enrol:
    """Add vectors of one speaker."""

    def add(
        speaker_id: UUID | None, vectors: Vectors, seconds: Sequence[float] | None = None, **more: object
    ) -> list[UUID]:
        lengths = seconds or [10.0] * len(vectors)
        facts: dict[str, object] = {"is_known": speaker_id is not None, **more}
        prints = [
            Voiceprint(f"{speaker_id}/{place}", length, speaker_id, **facts)  # type: ignore[arg-type]
            for place, length in enumerate(lengths)
        ]
        return gallery.add(MODEL, vectors, prints)

    return add


@pytest.fixture
def video(database: Database) -> UUID:
    identifier = uuid4()
    with database.transaction() as connection:
        connection.execute("insert into videos (id, title) values (%s, 'Talk')", (identifier,))
    return identifier


def test_finds_the_nearest_profiles_of_a_batch(gallery: Gallery, enrol: Enrol) -> None:
    people = {uuid4(): rows(seed) for seed in range(12)}
    for speaker_id, vectors in people.items():
        enrol(speaker_id, vectors)
    queries = np.concatenate(list(people.values()))
    found = gallery.nearest(MODEL, queries, 5)
    assert [near[0].speaker_id for near in found] == list(people)
    cosines = queries @ queries.T
    for row, near in zip(cosines, found, strict=True):
        assert [item.cosine for item in near] == pytest.approx(sorted(row, reverse=True)[:5], abs=1e-6)
        assert all((item.seconds, item.voiceprints, item.is_known) == (10.0, 1, True) for item in near)


def test_a_profile_is_the_mean_of_unit_vectors_weighted_by_speech(gallery: Gallery, enrol: Enrol) -> None:
    speaker_id, vectors, seconds = uuid4(), rows(1, 4), [3.0, 12.5, 30.0, 400.0]
    enrol(speaker_id, vectors * 7, seconds)  # length does not matter
    made = gallery.profiles(MODEL, [speaker_id, uuid4()])
    assert list(made) == [speaker_id]
    assert made[speaker_id] == pytest.approx(profile(vectors, seconds), abs=1e-6)
    without_cap = vectors.T @ seconds
    assert not np.allclose(made[speaker_id], without_cap / np.linalg.norm(without_cap), atol=1e-3)
    assert WEIGHTED_SECONDS == 30.0
    near = gallery.nearest(MODEL, made[speaker_id][None])[0][0]
    assert near.cosine == pytest.approx(1.0, abs=1e-6)
    assert (near.seconds, near.voiceprints) == (sum(seconds), 4)


def test_a_source_has_one_vector(gallery: Gallery) -> None:
    speaker_id, vectors = uuid4(), rows(1)
    first = gallery.add(MODEL, rows(2), [Voiceprint("a", 10.0)])
    again = gallery.add(MODEL, vectors * 3, [Voiceprint("a", 10.0, speaker_id, is_known=True)])
    other = gallery.add(MODEL, vectors, [Voiceprint("b", 10.0, speaker_id, is_known=True)])
    twice = gallery.add(MODEL, np.repeat(vectors, 2, axis=0), [Voiceprint("c", 10.0), Voiceprint("c", 12.0)])
    assert first == again
    assert len({*first, *other, *twice}) == 3
    assert gallery.count(MODEL).voiceprints == 3
    [(stored, vector)] = gallery.fetch(first)
    assert stored.voiceprint.speaker_id == speaker_id
    assert stored.model == MODEL
    assert vector == pytest.approx(vectors[0], abs=1e-6)
    assert gallery.fetch(twice[:1])[0][0].voiceprint.seconds == 12.0


def test_models_never_meet(gallery: Gallery) -> None:
    speaker_id, vectors = uuid4(), rows(1)
    gallery.add(MODEL, vectors, [Voiceprint("a", 10.0, speaker_id, is_known=True)])
    gallery.add(NEWER, rows(2), [Voiceprint("a", 10.0, speaker_id, is_known=True)])
    assert gallery.nearest(NEWER, vectors)[0][0].cosine == pytest.approx(float((rows(2) @ vectors.T)[0, 0]), abs=1e-6)
    assert len(gallery.nearest(NEWER, vectors)[0]) == 1
    assert gallery.models() == [MODEL, NEWER]
    assert gallery.delete(model=MODEL) == 1
    assert gallery.nearest(MODEL, vectors) == [[]]
    assert gallery.count(NEWER).known_speakers == 1
    assert gallery.nearest(replace(MODEL, version="9"), vectors) == [[]]


def test_known_people_and_unknown_voices_are_told_apart(gallery: Gallery, enrol: Enrol) -> None:
    person, group, vectors = uuid4(), uuid4(), rows(1, 2)
    enrol(person, vectors[:1])
    enrol(group, vectors[1:], is_known=False)
    assert [near.speaker_id for near in gallery.nearest(MODEL, vectors, is_known=True)[1]] == [person]
    assert [near.speaker_id for near in gallery.nearest(MODEL, vectors, is_known=False)[0]] == [group]
    gallery.set_known(group, True)
    assert {near.speaker_id for near in gallery.nearest(MODEL, vectors, is_known=True)[0]} == {person, group}
    assert gallery.nearest(MODEL, vectors, is_known=False) == [[], []]
    assert (gallery.count(MODEL).known_speakers, gallery.count(MODEL).unknown_speakers) == (2, 0)
    assert (gallery.people(MODEL), gallery.people(NEWER)) == (2, 0)


def test_vectors_change_hands(gallery: Gallery, enrol: Enrol) -> None:
    first, second, vectors = uuid4(), uuid4(), rows(1, 3)
    ids = enrol(first, vectors)
    assert gallery.assign(ids[:2], second) == 2
    made = gallery.profiles(MODEL, [first, second])
    assert made[first] == pytest.approx(vectors[2], abs=1e-6)
    assert made[second] == pytest.approx(profile(vectors[:2], [10.0, 10.0]), abs=1e-6)
    assert gallery.assign(ids, None) == 3
    assert gallery.nearest(MODEL, vectors[:1]) == [[]]
    assert np.array([vector for _, vector in gallery.fetch(ids)]) == pytest.approx(vectors, abs=1e-6)


def test_what_a_machine_recognised_does_not_teach(gallery: Gallery, enrol: Enrol) -> None:
    person, vectors = uuid4(), rows(1, 2)
    enrol(person, vectors[:1])
    gallery.add(MODEL, vectors[1:], [Voiceprint("heard", 10.0, person, True, in_profile=False)])
    assert gallery.profiles(MODEL, [person])[person] == pytest.approx(vectors[0], abs=1e-6)
    assert len(gallery.of_speaker(person)) == 2


def test_deletes_by_id_speaker_and_recording(gallery: Gallery, enrol: Enrol, video: UUID, database: Database) -> None:
    person, other, vectors = uuid4(), uuid4(), rows(1, 4)
    ids = enrol(person, vectors[:3])
    enrol(other, vectors[3:], recording_id=video, voice="A")
    assert gallery.of_recording(video)[0][0].voiceprint.voice == "A"
    assert gallery.delete(ids=ids[:1]) == 1
    assert gallery.profiles(MODEL, [person])[person] == pytest.approx(profile(vectors[1:3], [10, 10]), abs=1e-6)
    assert gallery.delete(speaker_id=person, recording_id=video) == 0
    assert gallery.delete(recording_id=video) == 1
    assert gallery.delete(speaker_id=person) == 2
    assert gallery.nearest(MODEL, vectors) == [[]] * 4
    assert (gallery.count(MODEL).voiceprints, gallery.count(MODEL).speakers) == (0, 0)
    with pytest.raises(InputError, match="which vectors"):
        gallery.delete()


def test_a_recording_that_is_forgotten_takes_its_voices_along(
    gallery: Gallery, enrol: Enrol, video: UUID, database: Database
) -> None:
    person, vectors = uuid4(), rows(1, 2)
    enrol(person, vectors[:1])
    gallery.add(MODEL, vectors[1:], [Voiceprint("v", 10.0, person, True, recording_id=video, voice="A")])
    with database.transaction() as connection:
        connection.execute("delete from videos where id = %s", (video,))
    gallery.flush()
    assert gallery.profiles(MODEL, [person])[person] == pytest.approx(vectors[0], abs=1e-6)
    near = gallery.nearest(MODEL, vectors[:1])[0][0]
    assert near.cosine == pytest.approx(1.0, abs=1e-6)


def test_writes_join_the_transaction_of_the_caller(gallery: Gallery, database: Database) -> None:
    person, vectors = uuid4(), rows(1)
    with suppress(RuntimeError), database.transaction() as connection:
        gallery.add(MODEL, vectors, [Voiceprint("a", 10.0, person, True)], within=connection)
        raise RuntimeError
    assert gallery.count(MODEL).voiceprints == 0
    with database.transaction() as connection:
        [identifier] = gallery.add(
            MODEL, vectors, [Voiceprint("a", 10.0, within_speaker := uuid4(), True)], within=connection
        )
        gallery.assign([identifier], person, within=connection)
        gallery.set_known(person, False, within=connection)
    gallery.flush()
    [near] = gallery.nearest(MODEL, vectors)[0]
    assert (near.speaker_id, near.is_known) == (person, False)
    assert gallery.traces(within_speaker) == 0
    with database.transaction() as connection:
        gallery.delete(speaker_id=person, within=connection)
    gallery.flush()
    assert gallery.nearest(MODEL, vectors) == [[]]


def test_two_who_add_to_one_speaker_at_once_lose_nothing(gallery: Gallery) -> None:
    person, vectors = uuid4(), rows(1, 24)

    def add(part: int) -> None:
        for place in range(part, len(vectors), 4):
            gallery.add(MODEL, vectors[place : place + 1], [Voiceprint(str(place), 10.0, person, True)])

    threads = [threading.Thread(target=add, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert gallery.profiles(MODEL, [person])[person] == pytest.approx(profile(vectors, [10.0] * 24), abs=1e-5)
    assert gallery.nearest(MODEL, vectors[:1])[0][0].voiceprints == 24


def test_rebuilds_the_index_from_the_record(gallery: Gallery, enrol: Enrol, database: Database) -> None:
    people = {uuid4(): rows(seed) for seed in range(5)}
    for speaker_id, vectors in people.items():
        enrol(speaker_id, vectors)
    with database.transaction() as connection:
        connection.execute("delete from speaker_profiles")
    assert gallery.rebuild() == 5
    for speaker_id, vectors in people.items():
        assert gallery.nearest(MODEL, vectors, 1)[0][0].speaker_id == speaker_id


def test_says_when_a_search_could_be_faster(database: Database) -> None:
    gallery = PgvectorGallery(database, graph_from=2)
    gallery.add(MODEL, rows(1, 2), [Voiceprint(str(n), 9.0, uuid4(), is_known=True) for n in range(2)])
    assert gallery.check() == (
        "2 people and 0 groups of unknown voices; `sonicgen voices rebuild` makes searches of test-1 faster"
    )
    gallery.rebuild()
    assert gallery.check() == "2 people and 0 groups of unknown voices"
    gallery.delete(model=MODEL)
    gallery.rebuild(MODEL)  # too few for a graph: it goes
    with database.transaction() as connection:
        graphs = "select count(*) as left from pg_indexes where indexname like 'speaker_profiles_graph_%%'"
        assert connection.execute(graphs, ()).fetchone() == {"left": 0}


def test_scans_every_vector_of_a_model(gallery: Gallery, enrol: Enrol) -> None:
    vectors = rows(1, 7)
    ids = enrol(uuid4(), vectors)
    gallery.add(NEWER, rows(2), [Voiceprint("other", 1.0)])
    assert {stored.id for stored, _ in gallery.scan(MODEL)} == set(ids)


@pytest.mark.parametrize(
    "vectors", [rows(1)[:, :5], np.zeros((1, DIM), np.float32), np.full((1, DIM), np.nan, np.float32), rows(1)[0]]
)
def test_refuses_vectors_that_are_none(gallery: Gallery, vectors: Vectors) -> None:
    with pytest.raises(InputError):
        gallery.add(MODEL, vectors, [Voiceprint("a", 1.0)])
    with pytest.raises(InputError):
        gallery.nearest(MODEL, vectors)
    with pytest.raises(InputError, match="each needs one"):
        gallery.add(MODEL, rows(1, 2), [Voiceprint("a", 1.0)])


def test_nothing_asked_is_nothing_answered(gallery: Gallery) -> None:
    empty = np.empty((0, DIM), np.float32)
    assert gallery.nearest(MODEL, empty) == []
    assert gallery.add(MODEL, empty, []) == []
    assert gallery.nearest(MODEL, rows(1)) == [[]]
    assert gallery.fetch([uuid4()]) == []
    assert gallery.check()
