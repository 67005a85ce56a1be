"""Read a transcript: its lines, and the files that other programs read."""

from __future__ import annotations

from sonicgen.domain.recording import Recording
from sonicgen.domain.transcript import Transcript, Utterance
from sonicgen.errors import NotFoundError
from sonicgen.speech.exports.formats import MEDIA_TYPES, Format, export, read_format
from sonicgen.speech.names import display_name
from sonicgen.steps.services import Services
from sonicgen.store import transcripts, utterances

__all__ = ["MEDIA_TYPES", "Format", "display_name", "export_transcript", "read_format", "read_transcript"]


def read_transcript(services: Services, recording: Recording) -> tuple[Transcript, list[Utterance]]:
    """Return a recording's transcript and all its lines in order of time.

    Raises NotFoundError when it has none, or none yet, with the reason.
    """
    transcript = transcripts.find(services.database, recording.id)
    if transcript is None:
        raise NotFoundError(f"{recording.title!r} has no transcript.")
    lines = utterances.of(services.database, recording.id)
    if not lines and not transcript.is_complete:
        raise NotFoundError(f"{recording.title!r} has no transcript yet. {transcript.explain()}")
    return transcript, lines


def export_transcript(services: Services, recording: Recording, form: Format) -> str:
    """Return a recording's transcript in a format; one in which nothing is said is a valid file without lines.

    Raises NotFoundError when there is none (yet).
    """
    transcript, lines = read_transcript(services, recording)
    about: dict[str, object] = {
        "video_id": str(recording.id),
        "title": recording.title,
        "duration_seconds": recording.duration_seconds,
        "state": str(transcript.state),
        "reason": str(transcript.reason) if transcript.reason else None,
        "language": transcript.language,
        "provider": transcript.provider,
        "revision": transcript.revision,
    }
    return export(form, lines, about=about, file_id=recording.title or str(recording.id))
