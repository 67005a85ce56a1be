"""Firestore for SonicGen: one client per process, its errors in our words, and the progress of recordings.

Firestore holds operational state only. What it loses is found again in Postgres and the buckets.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import firestore

from sonicgen.errors import ConflictError, NotFoundError, SettingsError, UnavailableError
from sonicgen.settings import settings

logger = logging.getLogger(__name__)

# Longest wait for one call, tries included. Under the 60 s lease that such a call may have to renew.
PATIENCE_SECONDS = 15.0
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0

PROGRESS_COLLECTION = "progress"
_PROGRESS_LIFE = timedelta(days=1)
# Progress is for people who watch: no recording may wait for it.
_PROGRESS_PATIENCE_SECONDS = 2.0

_UNANSWERED = (
    exceptions.ServiceUnavailable,
    exceptions.DeadlineExceeded,
    exceptions.ResourceExhausted,
    exceptions.InternalServerError,
    exceptions.Aborted,
)


@cache
def client() -> firestore.Client:
    """Return this process's Firestore client, made at the first call: importing and connecting cost half a second.

    Raises SettingsError when there are no credentials.
    """
    try:
        return firestore.Client(project=settings().project_id)
    except DefaultCredentialsError as error:
        raise SettingsError(
            "There are no Google Cloud credentials. Start the embedded cloud with `sonicgen up`, or run "
            "`gcloud auth application-default login`."
        ) from error


def close_client(used: firestore.Client | None = None) -> None:
    """Close a client's connection: the given one, otherwise this process's own."""
    if used is None:
        if client.cache_info().currsize == 0:
            return
        used = client()
        client.cache_clear()
    # The library's close() leaves the gRPC channel open.
    used._firestore_api.transport.close()
    used.close()


def call_options(patience_seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
    """Return the `retry` and `timeout` for a call that may be sent twice without harm.

    The library's own would try for a minute, and would not try again at all after some lost answers.
    """
    retry = Retry(
        predicate=if_exception_type(*_UNANSWERED),
        initial=_FIRST_PAUSE_SECONDS,
        maximum=_LONGEST_PAUSE_SECONDS,
        multiplier=2.0,
        timeout=patience_seconds,
    )
    return {"retry": retry, "timeout": patience_seconds}


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn Firestore's errors into ours; `doing` ends the sentence "Firestore … while ".

    Raises UnavailableError, ConflictError or NotFoundError. What an operator must repair (permissions) is unavailable,
    too: it is no fault of the work at hand, which must come again.
    """
    try:
        yield
    except (*_UNANSWERED, exceptions.RetryError) as error:
        raise UnavailableError(f"Firestore did not answer while {doing}; try again.") from error
    except (exceptions.Forbidden, exceptions.Unauthorized) as error:
        raise UnavailableError(
            f"Firestore refused this account while {doing}; give it the role roles/datastore.user."
        ) from error
    except exceptions.NotFound as error:
        if str(error.message).startswith("The database"):
            # Also nothing the work can help: an InputError here would fail every recording for good.
            raise UnavailableError(f"Firestore has no such database while {doing}; run `terraform apply`.") from error
        raise NotFoundError(f"Firestore has no such document while {doing}.") from error
    except (exceptions.Conflict, exceptions.FailedPrecondition) as error:
        raise ConflictError(f"Somebody else changed the document while {doing}; try again.") from error
    except ValueError as error:
        # The client's transactions wrap their last refusal in a ValueError.
        if isinstance(error.__cause__, exceptions.Aborted):
            raise UnavailableError(f"Too many changed the same document while {doing}; try again.") from error
        raise


@dataclass(frozen=True)
class Progress:
    """How far the work on a recording is."""

    recording_id: str
    step: str
    fraction: float
    reported_at: datetime


def report_progress(recording_id: str, step: str, fraction: float) -> None:
    """Say how far a step is with a recording, from 0 to 1. Never fails for want of Firestore: it only logs that."""
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction is {fraction}, not within 0 to 1")
    content = {
        "recording_id": recording_id,
        "step": step,
        "fraction": float(fraction),
        "reported_at": firestore.SERVER_TIMESTAMP,
        "expires_at": datetime.now(UTC) + _PROGRESS_LIFE,
    }
    try:
        with explained(f"reporting the progress of {recording_id}"):
            _progress(recording_id).set(content, **call_options(_PROGRESS_PATIENCE_SECONDS))
    except UnavailableError as error:
        logger.warning("%s", error)


def read_progress(recording_id: str) -> Progress | None:
    """Return how far the work on a recording is, None when nothing was reported within a day."""
    with explained(f"reading the progress of {recording_id}"):
        snapshot = _progress(recording_id).get(**call_options())
    # Firestore deletes expired documents about a day late.
    if not snapshot.exists or snapshot.get("expires_at") <= snapshot.read_time:
        return None
    return Progress(recording_id, snapshot.get("step"), snapshot.get("fraction"), snapshot.get("reported_at"))


def clear_progress(recording_id: str) -> None:
    """Forget the progress of a recording whose work has ended."""
    with explained(f"clearing the progress of {recording_id}"):
        _progress(recording_id).delete(**call_options())


def document_id(*parts: str) -> str:
    """Return an id for a document: fixed by the parts, safe whatever they hold, and not in sequence.

    Ids in sequence would lie in one spot of Firestore and meet its limit of 500 writes a second.
    """
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _progress(recording_id: str) -> firestore.DocumentReference:
    return client().collection(PROGRESS_COLLECTION).document(document_id(recording_id))
