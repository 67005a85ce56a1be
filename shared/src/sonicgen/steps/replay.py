"""Give failed work another chance: dead letters, and recordings that were left pending."""

from __future__ import annotations

from dataclasses import dataclass

from sonicgen.cloud.bus import replay_dead_letters
from sonicgen.steps.retry_recording import retry_recording
from sonicgen.steps.services import Services
from sonicgen.store import recordings
from sonicgen.topology import topology

DEAD_LETTERS_HOLD = topology().dead_letter_subscription
# A recording that is pending for this long has no worker: leases live half a minute and are renewed while work goes
# on, and the slowest step seen (a 10-hour file on one busy core) took under five minutes.
STRANDED_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True)
class Replayed:
    """How much was sent again."""

    dead_letters: int
    stranded: int


def replay(services: Services, limit: int = 1_000, stranded_seconds: float = STRANDED_SECONDS) -> Replayed:
    """Send dead letters to the topics they came from, and stranded recordings through their work again."""
    letters = sum(1 for _ in replay_dead_letters(DEAD_LETTERS_HOLD, limit))
    stranded = recordings.pending_since(services.database, stranded_seconds, limit)
    for recording in stranded:
        retry_recording(services, recording)
    return Replayed(letters, len(stranded))
