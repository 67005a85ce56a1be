"""“Not this”: a person says that a candidate is not where a clip is from. On record, and can be taken back."""

from __future__ import annotations

from uuid import UUID

from sonicgen.errors import InputError, NotFoundError
from sonicgen.steps.services import Services
from sonicgen.store import decisions
from sonicgen.store.decisions import StoredDecision
from sonicgen.store.jobs import Job

KIND = "find_rejected"


def reject_answer(services: Services, job: Job, video_id: UUID, *, decided_by: str) -> StoredDecision:
    """Put on record that a candidate of a job's answer is wrong, with what the answer rested on; once is enough.

    Raises InputError for what is no candidate of this answer.
    """
    candidates = (job.result or {}).get("candidates", [])
    candidate = next((one for one in candidates if one["video_id"] == str(video_id)), None)
    if candidate is None:
        raise InputError("That recording is no candidate of this answer.")
    with services.database.transaction() as connection:
        standing = _standing(services, job.id, video_id)
        if standing is not None:
            return standing
        grounds = {
            "verdict": "rejected",
            "false_positive_rate": services.settings.false_positive_rate,
            "probability": candidate["confidence"],
            "aligned_matches": candidate["aligned_matches"],
            "decision": candidate["decision"],
        }
        return decisions.record(connection, KIND, [job.id, video_id], decided_by=decided_by, thresholds=grounds)


def undo_rejection(services: Services, job: Job, decision_id: UUID) -> StoredDecision:
    """Take a rejection of this job back; raise NotFoundError for another decision."""
    known = {decision.id for decision in decisions.about(services.database, job.id) if decision.kind == KIND}
    if decision_id not in known:
        raise NotFoundError(f"There is no such decision about job {job.id}.")
    with services.database.transaction() as connection:
        return decisions.undo(connection, decision_id)


def _standing(services: Services, job_id: UUID, video_id: UUID) -> StoredDecision | None:
    return next(
        (
            decision
            for decision in decisions.about(services.database, job_id)
            if decision.kind == KIND and decision.undone_at is None and decision.subject_ids == (job_id, video_id)
        ),
        None,
    )
