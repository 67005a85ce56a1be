"""Send a recording through fingerprinting and matching again."""

from __future__ import annotations

from sonicgen.cloud.bus import publish_message
from sonicgen.domain.recording import MatchStatus, Recording
from sonicgen.errors import InputError
from sonicgen.steps.services import Services
from sonicgen.steps.uploads import has_sound, upload_of_recording
from sonicgen.store import recordings

FUNCTION = "fingerprint_match"  # who does the work, by its name in the event ledger
TOPIC = "media-objects"
_DECIDED = frozenset({MatchStatus.FINGERPRINTED, MatchStatus.MATCHED})


def retry_recording(services: Services, recording: Recording) -> None:
    """Ask for a recording's work anew: its state moves to pending, its ledger entry opens, its event is sent again.

    The event has the bucket's own form, so that it takes the way that the first one took. Raises InputError for a
    recording whose bytes lie nowhere yet, and for one that was decided and whose bytes are gone: it stays what it is.
    """
    if not recording.is_stored:
        raise InputError(f"“{recording.title}” has no sound yet: it waits for its download.")
    if recording.match_status in _DECIDED and not has_sound(recording):
        raise InputError(f"The sound of “{recording.title}” is not in its bucket any more; what was decided stands.")
    with services.database.transaction() as connection:
        recordings.ask_again(connection, recording.id)
    upload = upload_of_recording(recording)
    services.ledger.reopen(FUNCTION, upload.identity)
    publish_message(TOPIC, *upload.to_notification())
