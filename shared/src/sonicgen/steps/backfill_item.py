"""One item of a backfill: a file that takes the way of an upload, or a recording that is heard anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sonicgen.cloud.objects import StoredObject, describe_object
from sonicgen.domain.backfill import BackfillKind, ItemState, split_address
from sonicgen.domain.recording import MatchStatus, Reason, Recording, recording_id
from sonicgen.errors import ConflictError, InputError, MediaError, NotFoundError
from sonicgen.steps.add_recording import add_recording
from sonicgen.steps.fingerprint_match import fingerprint_match
from sonicgen.steps.hear_again import HeardAgain, hear_again
from sonicgen.steps.index_folder import find_known
from sonicgen.steps.retry_recording import FUNCTION
from sonicgen.steps.services import Services
from sonicgen.steps.uploads import upload_of_object
from sonicgen.store import recordings
from sonicgen.store.backfills import Item


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of an item; `seconds` of sound were read, `is_novel` when it is nobody's copy."""

    state: ItemState
    outcome: str
    detail: str | None = None
    recording_id: UUID | None = None
    seconds: float = 0.0
    is_novel: bool = False


def do_item(services: Services, kind: BackfillKind, item: Item) -> Ended:
    """Do what is to be done with an item; done twice it changes nothing.

    Raises LeaseHeldError while an event is at the same file, TransientError when it may work later, InputError when it
    never will.
    """
    if kind is BackfillKind.REFINGERPRINT:
        return _hear_again(services, item)
    if item.address.startswith("gs://"):
        return _bring_in(services, describe_object(*split_address(item.address)), item)
    return _bring_in_from_here(services, Path(item.address), item)


def _bring_in_from_here(services: Services, path: Path, item: Item) -> Ended:
    try:
        known = find_known(services, path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    if known is not None and known.is_final:
        return _final(known, item)
    if known is not None:
        return _bring_in(services, describe_object(known.bucket, known.object_name, known.generation), item)
    added = add_recording(services.settings, path)
    return _bring_in(services, describe_object(added.bucket, added.object_name, added.generation), item)


def _bring_in(services: Services, stored: StoredObject, item: Item) -> Ended:
    """Do what the event of an upload would do."""
    identifier = recording_id(stored.bucket, stored.name, stored.generation)
    upload = upload_of_object(stored, f"backfill-{identifier}")
    recording = recordings.find(services.database, identifier)
    if recording is not None and recording.is_final:
        return _final(recording, item)
    if recording is None:
        # The ledger may remember an event whose recording was lost with a database.
        entry = services.ledger.read(FUNCTION, upload.identity)
        if entry is not None and entry.ended is not None:
            services.ledger.reopen(FUNCTION, upload.identity)
    fingerprint_match(services, upload)
    recording = recordings.get(services.database, identifier)
    if not recording.is_final:
        raise ConflictError(f"“{recording.title}” is being judged anew; try again.")
    return _done(recording)


def _final(recording: Recording, item: Item) -> Ended:
    """Return what is known before anything is done; what was begun counts as done, whoever ended it."""
    return _done(recording) if item.is_begun else _known(recording)


def _done(recording: Recording) -> Ended:
    return Ended(
        ItemState.DONE,
        str(recording.match_status),
        recording.explain() if recording.match_status is MatchStatus.FLAG else None,
        recording.id,
        recording.duration_seconds or 0.0,
        recording.match_status is MatchStatus.FINGERPRINTED,
    )


def _known(recording: Recording) -> Ended:
    return Ended(ItemState.KNOWN, "known", recording_id=recording.id)


def _hear_again(services: Services, item: Item) -> Ended:
    recording = recordings.find(services.database, UUID(item.address))
    if recording is None:
        return Ended(ItemState.KNOWN, "forgotten")
    try:
        became = hear_again(services, recording, is_retry=item.attempts > 1)
    except NotFoundError as error:
        return Ended(ItemState.FAILED, str(Reason.OBJECT_GONE), _kept(recording, str(error)), recording.id)
    except MediaError as error:
        return Ended(ItemState.FAILED, error.reason, _kept(recording, str(error)), recording.id)
    if became is HeardAgain.KNOWN:
        return _known(recording)
    return Ended(ItemState.DONE, str(became), None, recording.id, recording.duration_seconds or 0.0)


def _kept(recording: Recording, why: str) -> str:
    return f"{why} “{recording.title}” stays as version {recording.heard_version} heard it."
