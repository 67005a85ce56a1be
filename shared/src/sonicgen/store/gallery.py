"""The gallery in Postgres: the record of all vectors of voices, and the search for the nearest profiles by pgvector.

Profiles are kept by triggers (migration 0010): whoever writes or removes a vector, be it in plain SQL or by removing
its recording, changes the profile in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

from sonicgen.domain.gallery import GalleryCount, Near, StoredVoiceprint, Voiceprint, voiceprint_id
from sonicgen.domain.voice import VoiceModel
from sonicgen.errors import InputError
from sonicgen.store.database import Connection, Database, Float4Array
from sonicgen.store.statements import load_statements
from sonicgen.store.voice_rows import Vectors, stored_voiceprint, unit_rows, vector_of

_SQL = load_statements("gallery")

MOST_NEAREST = 100
# Rows of a scan that are in memory at a time: 0.8 MB of 192 dimensions.
_SCAN_ROWS = 1_000
# From so many profiles on a graph is worth its memory and what it misses: comparing each of 50,000 takes 22 ms a voice,
# the graph 8 ms; it then finds the closest always and 75 % of the closest twenty (docs/identification.md).
GRAPH_FROM = 50_000
_GRAPH_BREADTH = 400


class PgvectorGallery:
    """The gallery whose index is Postgres itself; implements `sonicgen.services.gallery.Gallery`."""

    index = "pgvector"

    def __init__(self, database: Database, graph_from: int = GRAPH_FROM) -> None:
        self._database = database
        self._graph_from = graph_from

    def add(
        self,
        model: VoiceModel,
        vectors: Vectors,
        voiceprints: Sequence[Voiceprint],
        *,
        within: Connection | None = None,
    ) -> list[UUID]:
        """Keep one vector a row; return their ids."""
        rows = unit_rows(model, vectors)
        if len(rows) != len(voiceprints):
            raise InputError(f"{len(rows)} vectors came with {len(voiceprints)} descriptions; each needs one.")
        ids = [voiceprint_id(model, voiceprint.source) for voiceprint in voiceprints]
        # The same source twice in one call: the last counts, as it would in two calls.
        places = {identifier: place for place, identifier in enumerate(ids)}
        chosen = [voiceprints[place] for place in places.values()]
        values = {
            "model": model.name,
            "version": model.version,
            "dim": model.dimension,
            "numbers": Float4Array(rows[list(places.values())]),
            "ids": list(places),
            "seconds": [voiceprint.seconds for voiceprint in chosen],
            "sources": [voiceprint.source for voiceprint in chosen],
            "speaker_ids": [voiceprint.speaker_id for voiceprint in chosen],
            "is_known": [voiceprint.is_known for voiceprint in chosen],
            "in_profile": [voiceprint.in_profile for voiceprint in chosen],
            "video_ids": [voiceprint.recording_id for voiceprint in chosen],
            "voices": [voiceprint.voice for voiceprint in chosen],
        }
        if ids:
            with self._writing(within) as connection:
                connection.execute(_SQL["add"], values)
        return ids

    def assign(
        self, ids: Sequence[UUID], speaker_id: UUID | None, *, is_known: bool = True, within: Connection | None = None
    ) -> int:
        """Say whose these vectors are; return how many there were."""
        values = {"ids": list(ids), "speaker_id": speaker_id, "is_known": is_known and speaker_id is not None}
        with self._writing(within) as connection:
            return connection.execute(_SQL["assign"], values).rowcount

    def set_known(self, speaker_id: UUID, is_known: bool, *, within: Connection | None = None) -> None:
        """Say that a group of unknown voices has become a known person, or is one no more."""
        with self._writing(within) as connection:
            connection.execute(_SQL["set_known"], {"speaker_id": speaker_id, "is_known": is_known})

    def nearest(
        self, model: VoiceModel, queries: Vectors, count: int = 10, *, is_known: bool | None = None
    ) -> list[list[Near]]:
        """Return for each row the speakers with the closest profiles, closest first."""
        rows = unit_rows(model, queries)
        with self._database.transaction() as connection:
            if not _open_graph(connection, model):
                return _near(connection, _SQL["nearest"], model, rows, count, is_known)
            statement = _SQL["nearest_in_graph"].replace(b"$dim", str(model.dimension).encode())
            return _near(connection, statement, model, rows, count, is_known)

    def nearest_of(
        self,
        model: VoiceModel,
        queries: Vectors,
        count: int,
        speaker_ids: Sequence[UUID],
        *,
        is_known: bool | None = None,
        fresh_seconds: float = 0.0,
    ) -> list[list[Near]]:
        """Return the nearest of these speakers, and of all whose profile changed within the last seconds."""
        rows = unit_rows(model, queries)
        with self._database.transaction() as connection:
            return _near(
                connection,
                _SQL["cosines"],
                model,
                rows,
                count,
                is_known,
                speaker_ids=list(speaker_ids),
                fresh_seconds=fresh_seconds,
            )

    def profiles(self, model: VoiceModel, speaker_ids: Sequence[UUID]) -> Mapping[UUID, Vectors]:
        """Return the profiles of those of these speakers that have one."""
        values = {"model_key": model.key, "speaker_ids": list(speaker_ids)}
        return {row["speaker_id"]: vector_of(row) for row in self._database.execute(_SQL["profiles"], values)}

    def fetch(self, ids: Sequence[UUID]) -> list[tuple[StoredVoiceprint, Vectors]]:
        """Return those of these vectors that are there, in the order of the ids."""
        found = {row["id"]: stored_voiceprint(row) for row in self._database.execute(_SQL["fetch"], {"ids": list(ids)})}
        return [found[identifier] for identifier in ids if identifier in found]

    def of_speaker(self, speaker_id: UUID, model: VoiceModel | None = None) -> list[tuple[StoredVoiceprint, Vectors]]:
        """Return a speaker's vectors, oldest first."""
        return self._find(speaker_id=speaker_id, recording_id=None, model=model)

    def of_recording(
        self, recording_id: UUID, model: VoiceModel | None = None
    ) -> list[tuple[StoredVoiceprint, Vectors]]:
        """Return the vectors of a recording's voices, oldest first."""
        return self._find(speaker_id=None, recording_id=recording_id, model=model)

    def _find(
        self, speaker_id: UUID | None, recording_id: UUID | None, model: VoiceModel | None
    ) -> list[tuple[StoredVoiceprint, Vectors]]:
        values = {
            "speaker_id": speaker_id,
            "recording_id": recording_id,
            "model_key": model.key if model else None,
        }
        return [stored_voiceprint(row) for row in self._database.execute(_SQL["find"], values)]

    def scan(self, model: VoiceModel) -> Iterator[tuple[StoredVoiceprint, Vectors]]:
        """Yield every vector of a model."""
        after: UUID | None = None
        while True:
            values = {"model_key": model.key, "after": after, "limit": _SCAN_ROWS}
            rows = self._database.execute(_SQL["scan"], values).fetchall()
            yield from map(stored_voiceprint, rows)
            if len(rows) < _SCAN_ROWS:
                return
            after = rows[-1]["id"]

    def delete(
        self,
        *,
        ids: Sequence[UUID] = (),
        speaker_id: UUID | None = None,
        recording_id: UUID | None = None,
        model: VoiceModel | None = None,
        within: Connection | None = None,
    ) -> int:
        """Forget vectors by what is given, and mend or remove the profiles made from them."""
        if not ids and speaker_id is None and recording_id is None and model is None:
            raise InputError("Say which vectors to forget: by id, speaker, recording or model.")
        values = {
            "ids": list(ids) or None,
            "speaker_id": speaker_id,
            "recording_id": recording_id,
            "model_key": model.key if model else None,
        }
        with self._writing(within) as connection:
            return connection.execute(_SQL["delete"], values).rowcount

    def count(self, model: VoiceModel) -> GalleryCount:
        """Return how much there is of a model."""
        row = self._database.execute(_SQL["count"], {"model_key": model.key}).fetchone()
        assert row is not None  # noqa: S101 - an aggregate returns one row
        return GalleryCount(**row)

    def people(self, model: VoiceModel) -> int:
        """Return how many people with a name there are of a model."""
        row = self._database.execute(_SQL["people"], {"model_key": model.key}).fetchone()
        assert row is not None  # noqa: S101 - an aggregate returns one row
        people: int = row["people"]
        return people

    def models(self) -> list[VoiceModel]:
        """Return the models that there are vectors of."""
        rows = self._database.execute(_SQL["models"]).fetchall()
        return [VoiceModel(row["model"], row["version"], row["dim"]) for row in rows]

    def flush(self) -> int:
        """Nothing is to be sent: profiles change in the transaction of their vectors."""
        return 0

    def rebuild(self, model: VoiceModel | None = None) -> int:
        """Make all profiles anew from the vectors; return how many there are."""
        self._database.execute(_SQL["refresh"], {"model_key": model.key if model else None})
        total = 0
        for each in [model] if model else self.models():
            speakers = self.count(each).speakers
            values = {"model_key": each.key, "dim": each.dimension, "is_wanted": speakers >= self._graph_from}
            self._database.execute(_SQL["set_graph"], values)
            total += speakers
        return total

    def traces(self, speaker_id: UUID) -> int:
        """Return how many vectors and profiles of a speaker there still are."""
        row = self._database.execute(_SQL["traces"], {"speaker_id": speaker_id}).fetchone()
        assert row is not None  # noqa: S101 - a select without a table returns one row
        traces: int = row["traces"]
        return traces

    def check(self) -> str:
        """Return a sentence on how much it holds, and on how to search it faster where that pays."""
        counts = {model: self.count(model) for model in self.models()}
        people, groups = (
            sum(getattr(c, name) for c in counts.values()) for name in ("known_speakers", "unknown_speakers")
        )
        told = f"{people} people and {groups} groups of unknown voices"
        large = [model for model, count in counts.items() if count.speakers >= self._graph_from]
        with self._database.transaction() as connection:
            slow = [model.key for model in large if not _open_graph(connection, model)]
        return f"{told}; `sonicgen voices rebuild` makes searches of {', '.join(slow)} faster" if slow else told

    def close(self) -> None:
        """Close nothing: the database belongs to whoever made it."""

    @contextmanager
    def _writing(self, within: Connection | None) -> Iterator[Connection]:
        if within is not None:
            yield within
            return
        with self._database.transaction() as connection:
            yield connection


def _open_graph(connection: Connection, model: VoiceModel) -> bool:
    """Set the transaction up to search a model's graph; whether there is one."""
    values = {"model_key": model.key, "breadth": str(_GRAPH_BREADTH)}
    return connection.execute(_SQL["open_graph"], values).fetchone() is not None


def _near(
    connection: Connection,
    statement: bytes,
    model: VoiceModel,
    rows: Vectors,
    count: int,
    is_known: bool | None,
    **more: object,
) -> list[list[Near]]:
    found: list[list[Near]] = [[] for _ in rows]
    values = {
        "queries": len(rows),
        "numbers": Float4Array(rows),
        "dim": model.dimension,
        "model_key": model.key,
        "is_known": is_known,
        "count": min(count, MOST_NEAREST),
        **more,
    }
    for row in connection.execute(statement, values) if len(rows) else ():
        near = Near(row["speaker_id"], row["cosine"], row["is_known"], row["duration_seconds"], row["embeddings"])
        found[row["number"] - 1].append(near)
    return found
