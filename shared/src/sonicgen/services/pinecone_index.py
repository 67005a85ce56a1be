"""A Pinecone index that holds the profiles of speakers, a namespace a model.

The record is elsewhere: what is here may be late, or a little too much, and never decides anything by itself.
https://docs.pinecone.io/reference/api/data-plane
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pinecone
from numpy.typing import NDArray

from sonicgen.domain.voice import VoiceModel
from sonicgen.errors import InputError, SettingsError, UnavailableError

# Each call; the SDK itself tries again three times when the service is busy.
CALL_SECONDS = 10.0
# Pinecone takes 1,000 records or 2 MB in one request; a number takes up to 22 bytes of JSON.
MOST_RECORDS = 500
_MOST_BYTES = 1_500_000
_BYTES_A_NUMBER, _BYTES_A_RECORD = 22, 400
MOST_IDS = 1_000
_FETCHED_IDS = 100  # they travel in the address
# Queries go one vector at a time.
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Record:
    """One vector with its id and what is written beside it."""

    id: str
    vector: NDArray[np.float32]
    metadata: Mapping[str, str | float | bool]


def batch_records(dimension: int) -> int:
    """Return how many vectors of this dimension one request takes."""
    return max(1, min(MOST_RECORDS, _MOST_BYTES // (dimension * _BYTES_A_NUMBER + _BYTES_A_RECORD)))


class PineconeIndex:
    """One index; safe to share between threads.

    Its methods raise UnavailableError when Pinecone does not answer or has too much to do, SettingsError when it
    refuses the key or does not know the index, InputError when it refuses the request itself.
    """

    def __init__(
        self, api_key: str, *, host: str | None = None, name: str | None = None, api: str | None = None
    ) -> None:
        with _explained():
            if host is None:
                with pinecone.Pinecone(api_key=api_key, host=api, timeout=CALL_SECONDS) as client:
                    host = client.indexes.describe(name or "").host
            self._index = pinecone.Index(host=host or "", api_key=api_key, timeout=CALL_SECONDS, source_tag="sonicgen")
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pinecone")

    def close(self) -> None:
        """Close the connections."""
        self._threads.shutdown()
        self._index.close()

    def upsert(self, model: VoiceModel, records: Sequence[Record]) -> None:
        """Keep or replace records, in as many requests as it takes."""
        size = batch_records(model.dimension)
        for start in range(0, len(records), size):
            vectors = [
                {"id": record.id, "values": record.vector.tolist(), "metadata": dict(record.metadata)}
                for record in records[start : start + size]
            ]
            with _explained():
                self._index.upsert(vectors=vectors, namespace=model.key)

    def nearest(
        self, model: VoiceModel, queries: NDArray[np.float32], count: int, where: Mapping[str, Any] | None = None
    ) -> list[list[str]]:
        """Return for each row the ids of the closest records."""

        def ask(row: NDArray[np.float32]) -> list[str]:
            with _explained():
                answer = self._index.query(
                    vector=row.tolist(), top_k=count, namespace=model.key, filter=dict(where) if where else None
                )
            return [match.id for match in answer.matches]

        return list(self._threads.map(ask, queries))

    def fetch(self, namespace: str, ids: Sequence[str]) -> dict[str, Record]:
        """Return those of these records that are there."""
        found: dict[str, Record] = {}
        for start in range(0, len(ids), _FETCHED_IDS):
            with _explained():
                answer = self._index.fetch(ids=list(ids[start : start + _FETCHED_IDS]), namespace=namespace)
            for identifier, vector in answer.vectors.items():
                numbers = np.asarray(vector.values, np.float32)
                found[identifier] = Record(identifier, numbers, dict(vector.metadata or {}))
        return found

    def delete(self, namespace: str, ids: Sequence[str]) -> None:
        """Remove records; those that are not there are no error."""
        for start in range(0, len(ids), MOST_IDS):
            with _explained():
                try:
                    self._index.delete(ids=list(ids[start : start + MOST_IDS]), namespace=namespace)
                except pinecone.NotFoundError:  # the namespace: nothing was ever kept in it
                    return

    def ids(self, namespace: str) -> Iterator[list[str]]:
        """Yield the ids of a namespace's records, page by page."""
        with _explained():
            for page in self._index.list(namespace=namespace):
                yield [item.id for item in page.vectors if item.id]

    def counts(self) -> tuple[int | None, dict[str, int]]:
        """Return the index' dimension, and how many records each namespace holds."""
        with _explained():
            stats = self._index.describe_index_stats()
        return stats.dimension, {name: summary.vector_count for name, summary in stats.namespaces.items()}


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what the SDK raises into our errors."""
    try:
        yield
    except (pinecone.UnauthorizedError, pinecone.ForbiddenError) as error:
        raise SettingsError(f"Pinecone refuses PINECONE_API_KEY: {_sentence(error)}.") from error
    except pinecone.NotFoundError as error:
        raise SettingsError(
            f"Pinecone knows no such index; see PINECONE_INDEX, PINECONE_HOST: {_sentence(error)}."
        ) from error
    except pinecone.PineconeValueError as error:
        raise SettingsError(f"Pinecone cannot be asked with these settings: {_sentence(error)}.") from error
    except pinecone.ApiError as error:
        if error.status_code in {408, 409, 429} or error.status_code >= 500:
            raise UnavailableError(f"Pinecone has too much to do or is down: {_sentence(error)}.") from error
        raise InputError(f"Pinecone refuses the request: {_sentence(error)}.") from error
    except pinecone.PineconeError as error:
        raise UnavailableError(f"Pinecone does not answer: {_sentence(error)}.") from error


def _sentence(error: pinecone.PineconeError) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
