from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import firestore

from sonicgen.cloud import documents
from sonicgen.errors import ConflictError, NotFoundError, SettingsError, SonicGenError, UnavailableError
from sonicgen.local.firestore.threaded import ThreadedFirestore


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadedFirestore]:
    documents.close_client()
    with ThreadedFirestore(tmp_path / "documents.sqlite") as server:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", server.address)
        yield server
        documents.close_client()


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An address at which nothing answers."""
    documents.close_client()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{free.getsockname()[1]}")
        yield
    documents.close_client()


def test_there_is_one_client_until_it_is_closed(local: ThreadedFirestore) -> None:
    first = documents.client()
    assert documents.client() is first
    documents.close_client()
    assert documents.client() is not first


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (exceptions.ServiceUnavailable("x"), UnavailableError),
        (exceptions.DeadlineExceeded("x"), UnavailableError),
        (exceptions.ResourceExhausted("x"), UnavailableError),
        (exceptions.Aborted("x"), UnavailableError),
        (exceptions.RetryError("x", cause=None), UnavailableError),
        (exceptions.PermissionDenied("x"), UnavailableError),
        (exceptions.NotFound("The database (default) does not exist for project p"), UnavailableError),
        (exceptions.NotFound("No document to update: projects/p"), NotFoundError),
        (exceptions.AlreadyExists("x"), ConflictError),
        (exceptions.FailedPrecondition("x"), ConflictError),
    ],
)
def test_errors_are_told_in_our_words(raised: Exception, expected: type[SonicGenError]) -> None:
    with pytest.raises(expected, match="while counting sheep") as told, documents.explained("counting sheep"):
        raise raised
    assert type(told.value) is expected
    assert told.value.__cause__ is raised


def test_an_exhausted_transaction_is_unavailable_and_other_errors_pass() -> None:
    with pytest.raises(UnavailableError), documents.explained("counting"):
        raise ValueError("Failed to commit transaction in 5 attempts.") from exceptions.Aborted("x")
    with pytest.raises(ValueError, match="plain"), documents.explained("counting"):
        raise ValueError("plain")


def test_missing_credentials_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise DefaultCredentialsError("none")

    documents.close_client()
    monkeypatch.setattr("google.cloud.firestore.Client", refuse)
    with pytest.raises(SettingsError, match="sonicgen up"):
        documents.client()


def test_progress_is_reported_read_and_cleared(local: ThreadedFirestore) -> None:
    assert documents.read_progress("r/1") is None
    documents.report_progress("r/1", "decode", 0.25)
    documents.report_progress("r/1", "fingerprint", 0.5)
    documents.report_progress("r/2", "decode", 1)
    progress = documents.read_progress("r/1")
    assert progress is not None
    assert (progress.recording_id, progress.step, progress.fraction) == ("r/1", "fingerprint", 0.5)
    assert abs(progress.reported_at - datetime.now(UTC)) < timedelta(seconds=60)
    documents.clear_progress("r/1")
    assert documents.read_progress("r/1") is None
    assert documents.read_progress("r/2") is not None


def test_expired_progress_is_not_shown_though_firestore_still_has_it(local: ThreadedFirestore) -> None:
    documents.report_progress("r", "decode", 0.5)
    (snapshot,) = documents.client().collection(documents.PROGRESS_COLLECTION).get()
    snapshot.reference.update({"expires_at": datetime.now(UTC) - timedelta(seconds=1)})
    assert documents.read_progress("r") is None


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_a_fraction_is_within_0_and_1(fraction: float) -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        documents.report_progress("r", "decode", fraction)


def test_reporting_progress_never_fails_for_want_of_firestore(
    nobody: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "_PROGRESS_PATIENCE_SECONDS", 0.3)
    with caplog.at_level(logging.WARNING):
        documents.report_progress("r", "decode", 0.5)
    assert "did not answer while reporting the progress of r" in caplog.text


def test_a_call_to_a_silent_server_ends_within_its_patience(nobody: None) -> None:
    reference: firestore.DocumentReference = documents.client().document("a/b")
    with pytest.raises(UnavailableError), documents.explained("reading"):
        reference.get(**documents.call_options(0.3))
