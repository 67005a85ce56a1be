"""Bring in what lies somewhere already, or hear recordings anew: as many workers as one likes, stopped at any point.

A backfill is begun once and worked on until it is done. Each file takes the step that an upload's event takes, under
the same entry of the event ledger, so that an event that comes as well does nothing twice.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from sonicgen.domain.backfill import Backfill, BackfillKind, ItemState, Limits, backfill_id, split_address
from sonicgen.errors import InputError, LeaseHeldError, SettingsError, SonicGenError
from sonicgen.log import log
from sonicgen.sound.versions import current_version
from sonicgen.steps.backfill_item import Ended, do_item
from sonicgen.steps.backfill_listing import add_list, list_further, read_list
from sonicgen.steps.services import Services
from sonicgen.store import backfills
from sonicgen.store.backfills import Item, Shard, Wait

logger = logging.getLogger(__name__)

# A file that fails for a reason that may pass is tried so often; each rest is twice as long as the one before.
MOST_ATTEMPTS = 8
_FIRST_REST_SECONDS, _LONGEST_REST_SECONDS = 2.0, 120.0  # four minutes in all: services come back within that
# What took its worker with it so often is left alone: a job starts a task anew three times.
MOST_DEATHS = 2
# While another worker, or an event, is at the same file.
_HELD_REST_SECONDS = 2.0


def begin_files(services: Services, source: str | None, limits: Limits, *, takes_all: bool = False) -> Backfill:
    """Begin the backfill of gs://BUCKET/PREFIX (without a source: the inbox) or of a list's file, or let it go on.

    Raises InputError for the media bucket, whose objects are downloads with ids of their own, and for a list that
    cannot be read.
    """
    settings = services.settings
    place = source or f"gs://{settings.inbox_bucket}/"
    if "://" not in place:
        path = Path(place)
        if not path.is_file():
            raise InputError(f"{place} is neither a list nor an address; give a file, or gs://BUCKET/PREFIX.")
        backfill = _begin(services, BackfillKind.FILES, f"list:{path.resolve()}", limits, takes_all)
        add_list(services, backfill, read_list(path, settings.inbox_bucket))
        return backfills.get(services.database, backfill.id)
    bucket, prefix = split_address(place)
    if bucket == settings.media_bucket:
        raise InputError(f"{bucket} holds downloads, which their sources bring again; name the inbox or an archive.")
    return _begin(services, BackfillKind.FILES, f"gs://{bucket}/{prefix}", limits, takes_all)


def begin_refingerprint(services: Services, limits: Limits) -> Backfill:
    """Begin to hear all recordings anew that have an older fingerprint than the current version, or go on with it."""
    return _begin(services, BackfillKind.REFINGERPRINT, f"version {current_version()}", limits, takes_all=True)


def find_or_begin(services: Services, argument: str | None) -> UUID:
    """Return the id that an argument is, or that of the backfill of the source it names (none: the inbox), begun."""
    try:
        return UUID(argument or "")
    except ValueError:
        return begin_files(services, argument, Limits()).id


def run_backfill(
    services: Services,
    identifier: UUID,
    worker: str,
    *,
    index: int = 0,
    count: int = 1,
    stopping: threading.Event | None = None,
) -> Backfill:
    """Work on a backfill until nothing is left to be begun, or it is told to stop; return it.

    Several may do so at once, each under a name of its own; the `index`th of `count` takes its share of the items
    first, then what others have left. Raises UnavailableError when a service does not answer; what was under way is
    then anybody's, at once for a worker of the same name, otherwise after a lease.
    """
    shard = Shard(worker, index, count)
    stopping = stopping or threading.Event()
    lease_seconds = services.settings.lease_seconds
    backfills.free(services.database, identifier, shard.worker)
    with _kept(services, identifier, shard.worker):
        while not stopping.is_set():
            found = backfills.claim(services.database, identifier, shard, lease_seconds)
            if isinstance(found, Item):
                _work(services, backfills.get(services.database, identifier), found)
            elif isinstance(found, Wait):
                if not list_further(services, identifier):
                    stopping.wait(found.seconds)
            else:
                log(logger, f"The backfill of {found.backfill.source} is {found.backfill.state}.")
                return found.backfill
    return backfills.get(services.database, identifier)


def names_local_files(services: Services, backfill: Backfill) -> bool:
    """Return whether a backfill's list names files that only this machine can read."""
    return backfill.source.startswith("list:") and backfills.has_local(services.database, backfill.id)


def stop_backfills(services: Services) -> list[Backfill]:
    """Have nothing more begun in any backfill until it is begun again; return those that ran."""
    found = backfills.newest(services.database, limit=1_000)
    reason = "It was stopped; run it again to go on."
    return [one for one in found if backfills.pause(services.database, one.id, reason)]


def _begin(services: Services, kind: BackfillKind, source: str, limits: Limits, takes_all: bool) -> Backfill:
    settings = services.settings
    is_paid = kind is BackfillKind.FILES and settings.transcription_provider == "assemblyai"
    return backfills.begin(
        services.database,
        backfill_id(kind, source),
        kind,
        source,
        limits,
        takes_all=takes_all,
        price_per_hour=settings.compute_price_per_hour,
        novel_price_per_hour=settings.transcription_price_per_hour if is_paid else Decimal(0),
        currency=settings.currency,
    )


def _work(services: Services, backfill: Backfill, item: Item) -> None:
    try:
        ended = _do(services, backfill, item)
    except LeaseHeldError as error:
        backfills.rest(services.database, backfill, item, str(error), _HELD_REST_SECONDS, counts=False)
        return
    except SettingsError:
        raise
    except InputError as error:
        ended = Ended(ItemState.FAILED, "refused", detail=str(error))
    except Exception as error:  # one file must not keep all others waiting; the log has the rest
        if not isinstance(error, SonicGenError):
            logger.exception("%s failed.", item.address)
        if item.attempts < MOST_ATTEMPTS:
            seconds = min(_FIRST_REST_SECONDS * 2 ** (item.attempts - 1), _LONGEST_REST_SECONDS)
            backfills.rest(services.database, backfill, item, str(error) or type(error).__name__, seconds)
            return
        ended = Ended(ItemState.FAILED, "gave_up", detail=str(error))
    is_novel = ended.is_novel and backfill.kind is BackfillKind.FILES
    backfills.finish(
        services.database,
        backfill,
        item,
        ended.state,
        outcome=ended.outcome,
        detail=ended.detail,
        recording_id=ended.recording_id,
        seconds=ended.seconds,
        cost=backfill.price(ended.seconds, is_novel=is_novel),
    )
    log(logger, f"{item.address}: {ended.outcome}", state=str(ended.state), detail=ended.detail)


def _do(services: Services, backfill: Backfill, item: Item) -> Ended:
    if item.detail is None and item.attempts > MOST_DEATHS + 1:
        raise InputError(f"Its worker died {item.attempts - 1} times.")
    return do_item(services, backfill.kind, item)


@contextmanager
def _kept(services: Services, identifier: UUID, worker: str) -> Iterator[None]:
    """Renew the lease on what this worker is at from a thread, while the block runs."""
    ended = threading.Event()
    lease_seconds = services.settings.lease_seconds

    def renew() -> None:
        while not ended.wait(lease_seconds / 3):
            with suppress(SonicGenError):
                backfills.keep(services.database, identifier, worker, lease_seconds)

    thread = threading.Thread(target=renew, name=f"backfill-{worker}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
