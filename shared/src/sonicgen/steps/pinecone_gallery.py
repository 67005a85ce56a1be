"""The gallery whose profiles are searched by Pinecone. Postgres stays the record of all of it.

Pinecone shows a write some seconds late. So it only proposes: whoever it proposes is compared again with the profile in
Postgres, together with every profile that changed within the last minute, and who is gone from Postgres is nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import groupby
from uuid import UUID

from sonicgen.domain.gallery import Near, Voiceprint
from sonicgen.domain.voice import VoiceModel
from sonicgen.errors import SettingsError, TransientError, UnavailableError
from sonicgen.services.pinecone_index import MOST_IDS, PineconeIndex, Record, batch_records
from sonicgen.store import gallery_changes
from sonicgen.store.database import Connection, Database
from sonicgen.store.gallery import MOST_NEAREST, PgvectorGallery
from sonicgen.store.gallery_changes import ChangedProfile
from sonicgen.store.voice_rows import Vectors, unit_rows

logger = logging.getLogger(__name__)

# Pinecone promises no time; they name seconds. A profile that changed within this one is compared in any case.
FRESH_SECONDS = 60.0


class PineconeGallery(PgvectorGallery):
    """Writes go to Postgres and are then sent on; `flush` sends what could not be sent at the time."""

    index = "pinecone"

    def __init__(self, database: Database, outside: PineconeIndex, fresh_seconds: float = FRESH_SECONDS) -> None:
        super().__init__(database)
        self._outside = outside
        self._fresh_seconds = fresh_seconds

    def add(
        self,
        model: VoiceModel,
        vectors: Vectors,
        voiceprints: Sequence[Voiceprint],
        *,
        within: Connection | None = None,
    ) -> list[UUID]:
        """Keep one vector a row; return their ids."""
        ids = super().add(model, vectors, voiceprints, within=within)
        self._send_on(within)
        return ids

    def assign(
        self, ids: Sequence[UUID], speaker_id: UUID | None, *, is_known: bool = True, within: Connection | None = None
    ) -> int:
        """Say whose these vectors are; return how many there were."""
        count = super().assign(ids, speaker_id, is_known=is_known, within=within)
        self._send_on(within)
        return count

    def set_known(self, speaker_id: UUID, is_known: bool, *, within: Connection | None = None) -> None:
        """Say that a group of unknown voices has become a known person, or is one no more."""
        super().set_known(speaker_id, is_known, within=within)
        self._send_on(within)

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
        count = super().delete(ids=ids, speaker_id=speaker_id, recording_id=recording_id, model=model, within=within)
        self._send_on(within)
        return count

    def nearest(
        self, model: VoiceModel, queries: Vectors, count: int = 10, *, is_known: bool | None = None
    ) -> list[list[Near]]:
        """Return for each row the speakers with the closest profiles, closest first."""
        count = min(count, MOST_NEAREST)
        where = None if is_known is None else {"is_known": {"$eq": is_known}}
        rows = unit_rows(model, queries)
        try:
            proposed = self._outside.nearest(model, rows, count, where)
        except UnavailableError as error:
            logger.warning("Postgres answers instead of Pinecone: %s", error)
            return super().nearest(model, rows, count, is_known=is_known)
        speakers = {UUID(identifier) for found in proposed for identifier in found}
        return self.nearest_of(
            model, rows, count, sorted(speakers), is_known=is_known, fresh_seconds=self._fresh_seconds
        )

    def flush(self) -> int:
        """Send what Pinecone does not have yet, and remove there what is gone here; return how many profiles."""
        gallery_changes.offer(self._database)
        return self._remove() + self._send()

    def rebuild(self, model: VoiceModel | None = None) -> int:
        """Make all profiles anew from the record, send them all, and remove what else lies in the index."""
        total = super().rebuild(model)
        namespaces = set(self._outside.counts()[1])
        for each in [model] if model else self.models():
            gallery_changes.unsettle(self._database, each)
        self.flush()
        for namespace in namespaces & {each.key for each in ([model] if model else self.models())}:
            for page in self._outside.ids(namespace):
                gone = gallery_changes.without_profile(self._database, namespace, [UUID(item) for item in page])
                self._outside.delete(namespace, [str(speaker_id) for speaker_id in gone])
        return total

    def traces(self, speaker_id: UUID) -> int:
        """Return how many vectors and profiles of a speaker there still are, here and in Pinecone."""
        outside = sum(len(self._outside.fetch(namespace, [str(speaker_id)])) for namespace in self._outside.counts()[1])
        return super().traces(speaker_id) + outside

    def check(self) -> str:
        """Return a sentence on what searches and how much it holds; raises when Pinecone does not answer."""
        dimension, counts = self._outside.counts()
        for model in self.models():
            self._check_dimension(model, dimension)
        inside = sum(self.count(model).speakers for model in self.models())
        return f"Pinecone: {sum(counts.values())} profiles of {inside} in the database, {dimension} dimensions"

    def close(self) -> None:
        """Close the connections to Pinecone; the database belongs to whoever made it."""
        self._outside.close()

    def _send_on(self, within: Connection | None) -> None:
        if within is not None:
            return
        try:
            self.flush()
        except TransientError as error:
            # The record has it, and questions find it there for a while; maintenance flushes again.
            logger.warning("Pinecone will be told later: %s", error)

    def _remove(self) -> int:
        total = 0
        while True:
            with gallery_changes.removed(self._database, None, MOST_IDS) as keys:
                for namespace, group in groupby(keys, key=lambda key: key[0]):
                    self._outside.delete(namespace, [str(speaker_id) for _, speaker_id in group])
            total += len(keys)
            if len(keys) < MOST_IDS:
                return total

    def _send(self) -> int:
        total = 0
        for model in self.models():
            size = batch_records(model.dimension)
            while True:
                with gallery_changes.changed(self._database, model, size) as profiles:
                    if profiles:
                        self._outside.upsert(model, [_record(profile) for profile in profiles])
                total += len(profiles)
                if len(profiles) < size:
                    break
        return total

    def _check_dimension(self, model: VoiceModel, dimension: int | None) -> None:
        if dimension is not None and dimension != model.dimension:
            raise SettingsError(
                f"The Pinecone index has {dimension} dimensions and {model.key} has {model.dimension}; name an index "
                "of its own in PINECONE_INDEX."
            )


def _record(profile: ChangedProfile) -> Record:
    metadata: dict[str, str | float | bool] = {
        "model": profile.model.name,
        "version": profile.model.version,
        "speaker_id": str(profile.speaker_id),
        "is_known": profile.is_known,
        "seconds": round(profile.seconds, 3),
        "voiceprints": profile.voiceprints,
    }
    return Record(str(profile.speaker_id), profile.vector, metadata)
