"""Hear a recording anew with the current version of the fingerprint, and judge it again, while everything is in use.

Whoever searches sees the old fingerprint or the new one: both, the verdict and the matches change in one transaction,
and the recording's state is never anything but final to others. What is announced is a verdict that differs.
"""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum

from sonicgen.cloud.documents import clear_progress
from sonicgen.domain.match import Match
from sonicgen.domain.recording import Recording
from sonicgen.errors import ConflictError, NotFoundError, SonicGenError
from sonicgen.log import log_context
from sonicgen.sound.fingerprint import Fingerprint
from sonicgen.sound.versions import current_version
from sonicgen.steps.fingerprint_match import Work, log_step
from sonicgen.steps.services import Services
from sonicgen.steps.uploads import upload_of_recording
from sonicgen.store import recordings
from sonicgen.store.database import Connection


class HeardAgain(StrEnum):
    """What came of it."""

    SAME = "same"  # a new fingerprint, the verdict that it had
    CHANGED = "changed"  # another state or another original
    KNOWN = "known"  # somebody did it, or is at it, or it was forgotten


def hear_again(services: Services, recording: Recording, *, is_retry: bool = False) -> HeardAgain:
    """Replace a recording's fingerprint by one of the current version, and its verdict and matches by what that says.

    Done twice it changes nothing the second time; `is_retry` announces a verdict once more that a predecessor may have
    left unannounced. Raises NotFoundError when its sound is gone, MediaError when it cannot be decoded any more (the
    old fingerprint stays in both cases), TransientError when it may work later.
    """
    with log_context(recording_id=str(recording.id)):
        return _Again(services, recording).run_again(is_retry)


class _DoneMeanwhileError(ConflictError):
    """Nothing is left to do."""


class _Again(Work):
    """The work on a recording that has its verdict."""

    def __init__(self, services: Services, recording: Recording) -> None:
        super().__init__(services, upload_of_recording(recording), log_step)
        self._id = recording.id

    def run_again(self, is_retry: bool) -> HeardAgain:
        """Do it."""
        before = recordings.find(self._database, self._id)
        if before is None or not before.is_final or not before.is_stored:
            if before is not None and before.is_final:
                raise NotFoundError(f"“{before.title}” has no sound here.")
            return HeardAgain.KNOWN
        if before.heard_version >= current_version():
            if is_retry:
                self._announce(before)
            return HeardAgain.KNOWN
        try:
            self._fingerprint_and_match()
        except _DoneMeanwhileError:
            return HeardAgain.KNOWN
        finally:
            with suppress(SonicGenError):
                clear_progress(str(self._id))
        after = recordings.get(self._database, self._id)
        self._hear_released()
        if (after.match_status, after.original_video_id) == (before.match_status, before.original_video_id):
            return HeardAgain.SAME
        self._announce(after)
        return HeardAgain.CHANGED

    def _announce(self, recording: Recording) -> None:
        self._enter("publishing")
        self._publish(recording)
        self._tell_webhooks(recording)

    def _store(self, connection: Connection, fingerprint: Fingerprint, found: list[Match]) -> None:
        now = recordings.lock(connection, self._id)
        if now is None or not now.is_final or now.heard_version >= fingerprint.version:
            raise _DoneMeanwhileError("Somebody else heard it anew, or is at it.")
        recordings.ask_again(connection, self._id)
        super()._store(connection, fingerprint, found)
