"""The JSON forms of the API, as its OpenAPI document names them; new fields may come at any time."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from sonicgen.store.decisions import StoredDecision
from sonicgen.store.jobs import Job as StoredJob


class _Form(BaseModel):
    model_config = ConfigDict(extra="allow")


class Problem(_Form):
    """An error (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    code: str = Field(description="Stable, for programs.")
    detail: str = Field(description="One sentence for people.")
    error: str = Field(description="The same as `detail`, for older clients.")


class FindForm(_Form):
    """A question as a form."""

    file: bytes | None = Field(default=None, json_schema_extra={"type": "string", "format": "binary"})
    url: str | None = None
    upload: UUID | None = None
    stream: str | None = Field(default=None, description='"true": answer as an event stream.')


class Fingerprint(_Form):
    """Hashes instead of sound, as `sonicgen fingerprint` prints them."""

    version: int
    seconds: float
    peaks: str = Field(description="Packed peaks, base64.")
    strengths: str = Field(description="How strong each peak is, a byte each, base64.")


class FindRequest(_Form):
    """A question as JSON: exactly one of `url`, `upload` and `fingerprint`."""

    url: str | None = None
    upload: UUID | None = None
    fingerprint: Fingerprint | None = None
    name: str | None = None
    stream: bool = False


class Range(_Form):
    """One aligned range: a stretch of the clip and the stretch of the recording that it is."""

    video_id: str
    title: str
    query_start_seconds: float
    query_end_seconds: float
    reference_start_seconds: float
    reference_end_seconds: float
    speed: float
    pitch: float
    score: float
    probability: float
    decision: str


class Candidate(_Form):
    """A recording that the clip may be from."""

    episode_id: str
    title: str
    offset: float
    timestamp: str
    aligned_matches: int
    confidence: float
    sure: Literal["certain", "very likely", "possible", "unlikely"]
    sharpness: float | None
    decision: str
    ranges: list[Range]
    lines: list[dict[str, Any]]
    speakers: list[str]
    copies: list[dict[str, Any]]


class FindAnswer(_Form):
    """Where a clip is from, CityWok's fields among ours (docs/api.md)."""

    query: dict[str, Any]
    match_found: bool
    unsure: bool
    episode: str | None
    timestamp: str | None
    confidence: float
    aligned_matches: int
    total_matches: int
    reason: Literal["low_confidence", "no_matches"] | None
    message: str
    quality_metrics: dict[str, float | None]
    candidates: list[Candidate]
    matches: list[Range]
    timeline: list[dict[str, Any]]
    searched: dict[str, float]
    processing_time: float


class Job(_Form):
    """Work that somebody waits for."""

    id: str
    kind: str
    state: Literal["running", "done", "failed", "cancelled"]
    name: str
    created_at: str
    finished_at: str | None
    result: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None
    events_url: str


class JobPage(_Form):
    """Jobs, newest first."""

    jobs: list[Job]
    next: str | None


class RejectRequest(BaseModel):
    """Which candidate is wrong."""

    video_id: UUID


class Rejection(_Form):
    """A decision on record."""

    id: str
    kind: str
    decided_by: str
    made_at: str
    undone_at: str | None


class Recording(_Form):
    """A recording (docs/api.md)."""

    id: str
    title: str
    match_status: str | None
    reason: str | None
    explanation: str
    duration_seconds: float | None
    original_video_id: str | None


class RecordingPage(_Form):
    """Recordings."""

    recordings: list[Recording]
    next: str | None


def job_json(job: StoredJob) -> dict[str, Any]:
    """Return the documented form of a job."""
    return {
        "id": str(job.id),
        "kind": job.kind,
        "state": job.state,
        "name": job.name,
        "request": dict(job.request),
        "created_at": job.created_at.isoformat(),
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        "result": dict(job.result) if job.result is not None else None,
        "problem": dict(job.problem) if job.problem is not None else None,
        "events_url": f"/v1/jobs/{job.id}/events",
    }


def decision_json(decision: StoredDecision) -> dict[str, Any]:
    """Return the documented form of a decision."""
    return {
        "id": str(decision.id),
        "kind": decision.kind,
        "subject_ids": list(map(str, decision.subject_ids)),
        "decided_by": decision.decided_by,
        "made_at": decision.made_at.isoformat(),
        "undone_at": decision.undone_at.isoformat() if decision.undone_at else None,
    }
