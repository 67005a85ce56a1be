"""A person says whose copy a recording is; nothing overrules it until it is undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sonicgen.domain.match import Decision
from sonicgen.domain.recording import MatchStatus, Recording
from sonicgen.errors import InputError, NotFoundError
from sonicgen.origin.timemap import Piece, here_seconds, invert
from sonicgen.steps.origin_changes import BY_PERSON, KIND, by_person, piece_of
from sonicgen.steps.retry_recording import retry_recording
from sonicgen.steps.services import Services
from sonicgen.store import decisions, matches, recordings
from sonicgen.store.decisions import StoredDecision

_DECIDED = frozenset({MatchStatus.FINGERPRINTED, MatchStatus.MATCHED})


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a recording comes from, as it stands: its original (None: it is one), and who or what decided that."""

    recording: Recording
    original: Recording | None
    decision: StoredDecision | None

    @property
    def reasons(self) -> Sequence[Mapping[str, Any]]:
        """The evidence that decided, weightiest first; empty where nothing had to be decided, or a person did."""
        found = self.decision.thresholds.get("evidence") if self.decision else None
        return found if isinstance(found, list) else ()

    @property
    def probability(self) -> float | None:
        """How likely the original is the source, by the evidence."""
        found = self.decision.thresholds.get("probability") if self.decision else None
        return found if isinstance(found, float) else None

    def to_json(self) -> dict[str, object]:
        """Return the documented form (docs/api.md)."""
        decision = self.decision
        return {
            "recording_id": str(self.recording.id),
            "original_video_id": str(self.original.id) if self.original else None,
            "decided_by": decision.decided_by if decision else None,
            "decided_at": decision.made_at.isoformat() if decision else None,
            "probability": self.probability,
            "evidence": list(self.reasons),
        }


def origin_of(services: Services, recording: Recording) -> Origin:
    """Return where a recording comes from and why."""
    database = services.database
    original = recordings.find(database, recording.original_video_id) if recording.original_video_id else None
    wanted = (recording.id,) if original is None else (recording.id, original.id)
    standing = [
        decision
        for decision in decisions.about(database, recording.id)
        if decision.kind == KIND and decision.undone_at is None and decision.subject_ids == wanted
    ]
    return Origin(recording, original, standing[-1] if standing else None)


def set_original(services: Services, recording: Recording) -> None:
    """Put on record that a recording is an original; a copy is read anew and stored whole.

    Raises InputError for a recording that is not decided.
    """
    _check(recording)
    _record(services, recording)
    if recording.match_status is MatchStatus.MATCHED:
        retry_recording(services, recording)


def set_copy(services: Services, recording: Recording, original: Recording) -> None:
    """Put on record that a recording is the copy of another; what has to change is read anew.

    Raises InputError when the other one does not hold it.
    """
    _check(recording)
    _check(original)
    held = here_seconds(_pieces(services, recording, original)) / max(recording.duration_seconds or 0.0, 1e-3)
    coverage = services.settings.duplicate_coverage
    if recording.id == original.id or held < coverage:
        raise InputError(
            f"“{original.title}” holds {held:.0%} of “{recording.title}”; a copy is what another one holds "
            f"{coverage:.0%} of (SONICGEN_DUPLICATE_COVERAGE)."
        )
    _record(services, recording, original)
    if original.original_video_id == recording.id:
        _record(services, original)
        retry_recording(services, original)
    else:
        retry_recording(services, recording)


def undo_origin(services: Services, recording: Recording) -> None:
    """Take back what a person decided of a recording's origin; it is judged anew by the evidence.

    Raises NotFoundError when nobody did.
    """
    decision = by_person(services.database, recording.id)
    if decision is None:
        raise NotFoundError(f"Nobody has decided where “{recording.title}” comes from.")
    with services.database.transaction() as connection:
        decisions.undo(connection, decision.id)
    retry_recording(services, recording)


def _check(recording: Recording) -> None:
    if recording.match_status not in _DECIDED:
        raise InputError(f"“{recording.title}” is not decided: {recording.explain()}")


def _record(services: Services, *subjects: Recording) -> None:
    with services.database.transaction() as connection:
        ids = [subject.id for subject in subjects]
        decisions.record(connection, KIND, ids, decided_by=BY_PERSON, thresholds={})


def _pieces(services: Services, recording: Recording, original: Recording) -> list[Piece]:
    forth = matches.of(services.database, recording.id)
    back = matches.copies_of(services.database, recording.id)
    return [
        *(piece_of(m) for m in forth if m.reference_id == original.id and m.decision is Decision.MATCH),
        *invert(piece_of(m) for m in back if m.video_id == original.id and m.decision is Decision.MATCH),
    ]
