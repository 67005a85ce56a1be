"""What an archive of the index holds, table by table, and how two databases' rows are told to be the same."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ArchivedTable:
    """One table of an archive, in the order in which references allow them to be filled.

    `key` are the columns by which a row is found again in another database. `apart` are columns that may differ between
    rows that are the same. `offsets` are columns counted by a database for itself, with the name of the count: in one
    that has rows of its own they are moved past those. `parent` is the column that names what a row belongs to, and
    that table: what belongs to a row that is there already must be there too. `cleared` are columns that are null
    without voices, `is_personal` says that without voices no row is taken. Rows that are `is_bulk` are not compared:
    they come with the numbers of recordings.
    """

    name: str
    key: tuple[str, ...]
    apart: tuple[str, ...] = ()
    offsets: tuple[tuple[str, str], ...] = ()
    parent: tuple[str, str] | None = None
    cleared: tuple[str, ...] = ()
    is_personal: bool = False
    is_bulk: bool = False


TABLES: tuple[ArchivedTable, ...] = (
    ArchivedTable("channels", ("id",), apart=("updated_at",)),
    ArchivedTable(
        "videos",
        ("id",),
        apart=("updated_at", "claimed_at", "attempts", "number"),
        offsets=(("number", "number"),),
    ),
    ArchivedTable("noisy_hashes", ("key",), apart=("created_at", "reason")),
    ArchivedTable("recording_peaks", ("video_id", "segment"), is_bulk=True),
    ArchivedTable(
        "packed_segments",
        ("id",),
        offsets=(
            ("id", "segment"),
            ("first_number", "number"),
            ("last_number", "number"),
            ("merging_into", "segment"),
        ),
        is_bulk=True,
    ),
    ArchivedTable("packed_postings", ("segment", "block", "part"), offsets=(("segment", "segment"),), is_bulk=True),
    ArchivedTable(
        "packed_forgotten",
        ("number",),
        offsets=(("number", "number"), ("merged_into", "segment")),
        is_bulk=True,
    ),
    ArchivedTable("fingerprints", ("key", "loc"), offsets=(("loc", "loc"),), is_bulk=True),
    ArchivedTable("matches", ("id",), parent=("video_id", "videos")),
    ArchivedTable("decisions", ("id",)),
    ArchivedTable(
        "transcripts",
        ("id",),
        apart=("updated_at", "next_poll_at", "voices_revision"),
        parent=("video_id", "videos"),
    ),
    ArchivedTable("transcript_sources", ("transcript_id", "position"), parent=("transcript_id", "transcripts")),
    ArchivedTable(
        "utterances",
        ("transcript_id", "position"),
        apart=("id",),
        offsets=(("id", "utterance"),),
        parent=("video_id", "videos"),
        cleared=("speaker_name",),
    ),
    ArchivedTable(
        "utterance_edits",
        ("video_id", "edited_at", "start_seconds", "kind"),
        apart=("id", "utterance_id"),
        offsets=(("id", "edit"), ("utterance_id", "utterance")),
        parent=("video_id", "videos"),
    ),
    ArchivedTable("cost_ledger", ("key",), apart=("id",), offsets=(("id", "cost"),)),
    ArchivedTable(
        "speakers",
        ("id",),
        apart=("updated_at", "number"),
        offsets=(("number", "speaker"),),
        is_personal=True,
    ),
    ArchivedTable("speaker_aliases", ("key",), is_personal=True),
    ArchivedTable("speaker_rejections", ("speaker_id", "rejected_id"), is_personal=True),
    ArchivedTable("consents", ("id",), is_personal=True),
    ArchivedTable("recording_voices", ("id",), apart=("updated_at",), parent=("video_id", "videos"), is_personal=True),
    ArchivedTable("speaker_embeddings", ("id",), parent=("video_id", "videos"), is_personal=True),
    ArchivedTable("enrolments", ("id",), is_personal=True),
    ArchivedTable("enrolment_samples", ("enrolment_id", "position"), is_personal=True),
    ArchivedTable("voice_clips", ("id",), is_personal=True),
    ArchivedTable("voice_models", ("key",), apart=("in_service_since",), is_personal=True),
    ArchivedTable("voice_calibrations", ("model_key",), apart=("fitted_at",), is_personal=True),
    ArchivedTable(
        "speaker_changes", ("decision_id",), apart=("sequence",), offsets=(("sequence", "change"),), is_personal=True
    ),
    ArchivedTable("erasures", ("id",), is_personal=True),
)

BY_NAME = {table.name: table for table in TABLES}

# Every other table, so that a new one is not forgotten: why no archive holds it.
LEFT_OUT: dict[str, frozenset[str]] = {
    "made anew from what is taken in": frozenset(
        {"index_totals", "index_versions", "utterance_words", "speaker_profiles", "speaker_profile_removals"}
    ),
    "made anew when somebody looks": frozenset({"waveforms"}),
    "made by migrations": frozenset({"match_status_moves", "transcript_moves", "schema_migrations"}),
    "of this installation: what it watches and is at work on": frozenset(
        {"sources", "source_items", "downloads", "quota_ledger", "jobs", "job_events", "uploads", "voice_jobs",
         "voice_segments", "backfills", "backfill_items"}
    ),
    "of this installation: who may do what": frozenset(
        {"api_keys", "rate_limits", "idempotent_requests", "webhooks", "webhook_deliveries"}
    ),
}  # fmt: skip
