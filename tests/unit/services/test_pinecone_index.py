from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from sonicgen.domain.voice import VoiceModel
from sonicgen.errors import InputError, SettingsError, UnavailableError
from sonicgen.services import pinecone_index
from sonicgen.services.pinecone_index import PineconeIndex, Record, batch_records
from tests.pinecone_server import KEY, NAME, PineconeServer, pinecone_server

MODEL = VoiceModel("test", "1", 192)


@pytest.fixture
def server() -> Iterator[PineconeServer]:
    with pinecone_server(MODEL.dimension) as running:
        yield running


@pytest.fixture
def index(server: PineconeServer) -> Iterator[PineconeIndex]:
    made = PineconeIndex(KEY, host=server.host)
    yield made
    made.close()


def records(count: int) -> list[Record]:
    vectors = np.random.default_rng(1).normal(size=(count, MODEL.dimension)).astype(np.float32)
    return [Record(f"r{place:05}", row, {"is_known": place % 2 == 0}) for place, row in enumerate(vectors)]


def test_many_records_travel_in_requests_that_pinecone_takes(server: PineconeServer, index: PineconeIndex) -> None:
    many = records(1_100)
    index.upsert(MODEL, many)
    assert server.paths() == ["/vectors/upsert"] * -(-1_100 // batch_records(MODEL.dimension))
    assert index.counts() == (192, {"test-1": 1_100})
    assert [identifier for page in index.ids("test-1") for identifier in page] == [record.id for record in many]
    fetched = index.fetch("test-1", [record.id for record in many[:150]] + ["nobody"])
    assert len(fetched) == 150
    assert fetched["r00007"].vector == pytest.approx(many[7].vector)
    assert fetched["r00007"].metadata == {"is_known": False}
    index.delete("test-1", [record.id for record in many])
    assert server.stored() == {}


def test_a_request_stays_below_two_megabytes_whatever_the_dimension() -> None:
    for dimension in (192, 256, 1_024, 20_000):
        # The longest numbers there are, such as -0.00000001234567890123456.
        body = batch_records(dimension) * (dimension * 22 + 400)
        assert body <= 2_000_000 or batch_records(dimension) == 1


def test_finds_the_nearest_by_what_is_written_beside_them(index: PineconeIndex) -> None:
    some = records(6)
    index.upsert(MODEL, some)
    queries = np.array([some[2].vector, some[3].vector])
    assert [found[0] for found in index.nearest(MODEL, queries, 3)] == ["r00002", "r00003"]
    known = index.nearest(MODEL, queries, 9, {"is_known": {"$eq": True}})
    assert [sorted(found) for found in known] == [["r00000", "r00002", "r00004"]] * 2


def test_finds_the_host_of_an_index_by_its_name(server: PineconeServer) -> None:
    index = PineconeIndex(KEY, name=NAME, api=server.host)
    index.upsert(MODEL, records(1))
    index.close()
    assert server.paths() == [f"/indexes/{NAME}", "/vectors/upsert"]
    with pytest.raises(SettingsError, match="PINECONE_INDEX"):
        PineconeIndex(KEY, name="other", api=server.host)


def test_what_is_not_there_is_removed_without_an_error(index: PineconeIndex) -> None:
    index.delete("nothing-was-ever-kept-here", ["a"])
    assert index.fetch("nothing-was-ever-kept-here", ["a"]) == {}
    assert list(index.ids("nothing-was-ever-kept-here")) == []


def test_a_wrong_key_is_a_setting(server: PineconeServer) -> None:
    index = PineconeIndex("wrong", host=server.host)
    with pytest.raises(SettingsError, match="PINECONE_API_KEY"):
        index.counts()
    index.close()


def test_a_busy_service_is_asked_again_and_then_given_up(
    server: PineconeServer, index: PineconeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.failures = [("/describe_index_stats", 503)]
    assert index.counts() == (192, {})
    server.failures = [("/describe_index_stats", 429)] * 4
    with pytest.raises(UnavailableError, match="too much to do"):
        index.counts()


def test_another_dimension_is_refused_in_a_sentence(index: PineconeIndex) -> None:
    with pytest.raises(InputError, match="dimension"):
        index.upsert(MODEL, [Record("a", np.ones(5, np.float32), {})])


def test_a_service_that_is_gone_does_not_answer(server: PineconeServer) -> None:
    index = PineconeIndex(KEY, host="http://127.0.0.1:9")
    with pytest.raises(UnavailableError, match="does not answer"):
        index.counts()
    index.close()


def test_names_where_a_bad_host_is_set() -> None:
    with pytest.raises(SettingsError, match="these settings"):
        PineconeIndex(KEY, host="")


def test_limits_are_those_of_pinecone() -> None:
    assert pinecone_index.MOST_RECORDS <= 1_000
