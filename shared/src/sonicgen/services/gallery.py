"""What a gallery of voices offers, whatever finds the nearest of them.

Postgres is always the record: every vector lies there, with the model that made it, whose it is and what it was made
from. A speaker's profile is the mean of the unit vectors, weighted by seconds of speech. The profiles are searched by
pgvector, or by Pinecone, which holds a copy of them and can be filled anew from the record at any time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray

from sonicgen.domain.gallery import GalleryCount, Near, StoredVoiceprint, Voiceprint
from sonicgen.domain.voice import VoiceModel

Vectors = NDArray[np.float32]
# A transaction of the caller's that a write is to be part of; afterwards the caller calls `Gallery.flush`.
Within = psycopg.Connection[dict[str, Any]]

MOST_NEAREST = 100


class Gallery(Protocol):
    """Vectors of voices by model, and the profiles of speakers made from them; safe to share between threads.

    Vectors of different models never meet: every question names the model of its vectors. A write without `within` is
    a transaction of its own and can be found at once, here and by every other process. Methods raise UnavailableError
    when the database or the index does not answer, SettingsError when the index refuses us, InputError for vectors
    that are not of the model's dimension or not finite.
    """

    @property
    def index(self) -> str:
        """What finds the nearest: "pgvector" or "pinecone"."""

    def add(
        self, model: VoiceModel, vectors: Vectors, voiceprints: Sequence[Voiceprint], *, within: Within | None = None
    ) -> list[UUID]:
        """Keep one vector a row, brought to length one; return their ids, which derive from model and source.

        A source has one vector a model: added again, it replaces the one before with all that is said of it.
        """

    def assign(
        self, ids: Sequence[UUID], speaker_id: UUID | None, *, is_known: bool = True, within: Within | None = None
    ) -> int:
        """Say whose these vectors are, for labels, merges, splits and their undoing; return how many there were."""

    def set_known(self, speaker_id: UUID, is_known: bool, *, within: Within | None = None) -> None:
        """Say that a group of unknown voices has become a known person, or is one no more."""

    def nearest(
        self, model: VoiceModel, queries: Vectors, count: int = 10, *, is_known: bool | None = None
    ) -> list[list[Near]]:
        """Return for each row the speakers with the closest profiles, closest first, at most MOST_NEAREST.

        `is_known` limits them to people with a name, or to groups of unknown voices.
        """

    def profiles(self, model: VoiceModel, speaker_ids: Sequence[UUID]) -> Mapping[UUID, Vectors]:
        """Return the profiles of those of these speakers that have one: unit vectors."""

    def fetch(self, ids: Sequence[UUID]) -> list[tuple[StoredVoiceprint, Vectors]]:
        """Return those of these vectors that are there, in the order of the ids."""

    def of_speaker(self, speaker_id: UUID, model: VoiceModel | None = None) -> list[tuple[StoredVoiceprint, Vectors]]:
        """Return a speaker's vectors, oldest first."""

    def of_recording(
        self, recording_id: UUID, model: VoiceModel | None = None
    ) -> list[tuple[StoredVoiceprint, Vectors]]:
        """Return the vectors of a recording's voices, oldest first."""

    def scan(self, model: VoiceModel) -> Iterator[tuple[StoredVoiceprint, Vectors]]:
        """Yield every vector of a model, a bounded number of them in memory; for moving to another model."""

    def delete(
        self,
        *,
        ids: Sequence[UUID] = (),
        speaker_id: UUID | None = None,
        recording_id: UUID | None = None,
        model: VoiceModel | None = None,
        within: Within | None = None,
    ) -> int:
        """Forget vectors by what is given (each narrows), and mend or remove the profiles made from them.

        Returns how many there were. Raises InputError when nothing is given.
        """

    def count(self, model: VoiceModel) -> GalleryCount:
        """Return how much there is of a model."""

    def people(self, model: VoiceModel) -> int:
        """Return how many people with a name there are of a model: what `count` says of them, at less cost."""

    def models(self) -> list[VoiceModel]:
        """Return the models that there are vectors of."""

    def flush(self) -> int:
        """Bring the index up to what the record says; return how many profiles were sent or removed.

        Every write does so itself unless it was `within` a transaction of the caller's.
        """

    def traces(self, speaker_id: UUID) -> int:
        """Return how many vectors and profiles of a speaker there still are, here and in the index; 0 after `delete`.

        An index outside may go on showing what it has removed for some seconds.
        """

    def rebuild(self, model: VoiceModel | None = None) -> int:
        """Make all profiles anew from the record and fill the index with them; return how many there are.

        Questions are answered meanwhile.
        """

    def check(self) -> str:
        """Return a sentence on what searches and how much it holds, for `sonicgen doctor`."""

    def close(self) -> None:
        """Close the connections that are the gallery's own."""
