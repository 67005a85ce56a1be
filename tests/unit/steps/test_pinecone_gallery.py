"""What the contract of galleries does not say: Pinecone late, away, or with something too much."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import numpy as np
import pytest

from sonicgen.domain.gallery import Voiceprint
from sonicgen.domain.voice import VoiceModel
from sonicgen.errors import SettingsError
from sonicgen.services.pinecone_index import PineconeIndex
from sonicgen.settings import read_settings
from sonicgen.steps.pinecone_gallery import PineconeGallery
from sonicgen.steps.services import make_gallery
from sonicgen.store.database import Database
from sonicgen.store.gallery import PgvectorGallery
from sonicgen.store.voice_rows import Vectors
from tests.pinecone_server import KEY, PineconeServer, pinecone_server

MODEL = VoiceModel("test", "1", 16)


@pytest.fixture
def server() -> Iterator[PineconeServer]:
    with pinecone_server(MODEL.dimension) as running:
        yield running


@pytest.fixture
def gallery(server: PineconeServer, database: Database) -> Iterator[PineconeGallery]:
    made = PineconeGallery(database, PineconeIndex(KEY, host=server.host))
    yield made
    made.close()


def enrol(gallery: PgvectorGallery, people: int, seed: int = 1) -> tuple[list[UUID], Vectors]:
    ids = [uuid4() for _ in range(people)]
    vectors = np.random.default_rng(seed).normal(size=(people, MODEL.dimension)).astype(np.float32)
    gallery.add(MODEL, vectors, [Voiceprint(f"s/{speaker}", 12.0, speaker, is_known=True) for speaker in ids])
    return ids, vectors


def test_profiles_lie_in_pinecone_with_their_model(gallery: PineconeGallery, server: PineconeServer) -> None:
    [speaker], vectors = enrol(gallery, 1)
    [record] = server.stored()[MODEL.key].values()
    assert record["id"] == str(speaker)
    assert record["values"] == pytest.approx((vectors[0] / np.linalg.norm(vectors[0])).tolist(), abs=1e-6)
    assert record["metadata"] == {
        "model": "test", "version": "1", "speaker_id": str(speaker), "is_known": True, "seconds": 12.0,
        "voiceprints": 1,
    }  # fmt: skip
    assert gallery.flush() == 0  # nothing is sent twice


def test_an_index_that_is_late_still_finds_the_new_and_never_the_forgotten(
    gallery: PineconeGallery, server: PineconeServer
) -> None:
    ids, vectors = enrol(gallery, 3)
    server.lag_seconds = 0.5
    newer, more = enrol(gallery, 1, seed=2)
    assert gallery.nearest(MODEL, more)[0][0].speaker_id == newer[0]
    gallery.delete(speaker_id=ids[0])
    assert str(ids[0]) in {r["id"] for r in server.stored(now=False).get(MODEL.key, {}).values()} | {str(ids[0])}
    assert ids[0] not in {near.speaker_id for near in gallery.nearest(MODEL, vectors[:1])[0]}


def test_what_pinecone_did_not_take_is_sent_later(
    gallery: PineconeGallery, server: PineconeServer, database: Database
) -> None:
    server.failures = [("/vectors/upsert", 503)] * 4
    ids, vectors = enrol(gallery, 2)
    assert server.stored() == {}
    assert gallery.nearest(MODEL, vectors[:1])[0][0].speaker_id == ids[0]
    assert gallery.flush() == 2
    server.failures = [("/vectors/delete", 503)] * 4
    assert gallery.delete(speaker_id=ids[0]) == 1
    assert gallery.traces(ids[0]) == 1
    assert gallery.flush() == 1
    assert gallery.traces(ids[0]) == 0
    assert set(server.stored()[MODEL.key]) == {str(ids[1])}
    with database.transaction() as connection:
        assert connection.execute("select count(*) as left from speaker_profile_removals").fetchone() == {"left": 0}


def test_somebody_removed_while_never_sent_leaves_no_trace(
    gallery: PineconeGallery, server: PineconeServer, database: Database
) -> None:
    within, _ = enrol(PgvectorGallery(database), 1)
    PgvectorGallery(database).delete(speaker_id=within[0])
    assert gallery.flush() == 0
    assert "/vectors/delete" not in server.paths()
    with database.transaction() as connection:
        assert connection.execute("select count(*) as left from speaker_profile_removals").fetchone() == {"left": 0}


def test_a_send_that_was_killed_after_it_arrived_is_removed_all_the_same(
    gallery: PineconeGallery, server: PineconeServer, database: Database
) -> None:
    from sonicgen.store import gallery_changes

    [speaker], _ = enrol(PgvectorGallery(database), 1)
    gallery_changes.offer(database)
    # As a process does that dies between the request and the commit.
    server.write(MODEL.key, str(speaker), {"id": str(speaker), "values": [1.0] * 16, "metadata": {}})
    gallery.delete(speaker_id=speaker)
    assert server.stored() == {}


def test_postgres_answers_while_pinecone_is_away(gallery: PineconeGallery, server: PineconeServer) -> None:
    ids, vectors = enrol(gallery, 3)
    server.failures = [("/query", 503)] * 4
    assert gallery.nearest(MODEL, vectors[1:2])[0][0].speaker_id == ids[1]


def test_rebuild_removes_what_does_not_belong(gallery: PineconeGallery, server: PineconeServer) -> None:
    ids, _ = enrol(gallery, 2)
    server.write(MODEL.key, str(uuid4()), {"id": "x", "values": [1.0] * 16, "metadata": {}})
    server.write(MODEL.key, str(ids[0]), None)
    server.write("somebody-elses", "theirs", {"id": "theirs", "values": [1.0] * 16, "metadata": {}})
    assert gallery.rebuild() == 2
    assert {name: set(records) for name, records in server.stored().items()} == {
        MODEL.key: {str(speaker) for speaker in ids},
        "somebody-elses": {"theirs"},
    }


def test_doctor_hears_of_an_index_of_another_dimension(gallery: PineconeGallery, database: Database) -> None:
    assert gallery.check() == "Pinecone: 0 profiles of 0 in the database, 16 dimensions"
    wide = VoiceModel("wide", "1", 32)
    PgvectorGallery(database).add(wide, np.ones((1, 32), np.float32), [Voiceprint("a", 1.0, uuid4())])
    with pytest.raises(SettingsError, match="16 dimensions and wide-1 has 32"):
        gallery.check()


def test_settings_choose_the_index(database: Database, server: PineconeServer) -> None:
    assert make_gallery(read_settings(), database).index == "pgvector"
    made = make_gallery(read_settings(pinecone_api_key=KEY, pinecone_host=server.host), database)
    assert made.index == "pinecone"
    made.close()
    assert make_gallery(read_settings(pinecone_api_key=KEY, gallery="pgvector"), database).index == "pgvector"
    with pytest.raises(SettingsError, match="PINECONE_API_KEY"):
        make_gallery(read_settings(gallery="pinecone"), database)
    with pytest.raises(SettingsError, match="PINECONE_INDEX"):
        make_gallery(read_settings(pinecone_api_key=KEY), database)
