"""Take over `speaker_map.json` of the older system: which label of which recording is whom."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sonicgen.domain.speaker import RecordingVoice, Speaker, name_key, read_name
from sonicgen.errors import InputError, SonicGenError
from sonicgen.steps.change_speakers import name_speaker, split_speaker
from sonicgen.steps.recognise_groups import recognise_groups
from sonicgen.steps.services import Services
from sonicgen.store import recordings, speakers, voices

_LABEL = re.compile(r"^speaker[\s_-]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Imported:
    """How many voices were named, and a sentence for each entry that could not be used."""

    named: int
    problems: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Return the documented form."""
        return {"named": self.named, "problems": list(self.problems)}


def import_speaker_map(services: Services, path: Path, *, by: str) -> Imported:
    """Name voices as a map says: {recording: {"Speaker A": name}}.

    A recording is meant by its title (with or without ending), its YouTube id or its id. Entries that were taken over
    before change nothing. Raises InputError for a file that is no such map.
    """
    named, problems = 0, []
    for recording, label, name in _entries(path):
        try:
            named += _name(services, recording, label, name, by)
        except SonicGenError as error:
            problems.append(f"{recording}, {label}: {error}")
    return Imported(named, tuple(problems))


def _entries(path: Path) -> Iterator[tuple[str, str, str]]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no JSON file that can be read.") from error
    if not isinstance(told, dict) or not all(isinstance(labels, dict) for labels in told.values()):
        raise InputError(f'{path} is no speaker map; it should hold {{"recording": {{"Speaker A": "name"}}}}.')
    for recording, labels in told.items():
        for label, name in labels.items():
            if isinstance(name, str) and name.strip():
                yield recording, _LABEL.sub("", str(label)).strip(), name


def _name(services: Services, recording: str, label: str, name: str, by: str) -> bool:
    name = read_name(name)
    if _LABEL.match(name):
        return False  # not labelled there either
    voice, speaker = _find(services, recording, label)
    with services.database.transaction() as connection:
        known = speakers.by_name(connection, name)
    if known is not None and known.id == speaker.id:
        return False
    if speaker.is_known and name_key(speaker.name or "") != name_key(name):
        if voice.is_confirmed:
            raise InputError(f"It is {speaker.title} already.")
        done = split_speaker(services, speaker.id, [voice.id], name, by=by)
    else:
        done = name_speaker(services, speaker.id, name, by=by)
    recognise_groups(services, done.speaker.id)
    return True


def _find(services: Services, recording: str, label: str) -> tuple[RecordingVoice, Speaker]:
    video_id = _recording(services, recording)
    with services.database.transaction() as connection:
        found = {voice.label.casefold(): voice for voice in voices.of_video(connection, video_id)}
        voice = found.get(label.casefold())
        if voice is None or voice.speaker_id is None:
            raise InputError("There is no such voice (yet).")
        return voice, speakers.get(connection, voice.speaker_id)


def _recording(services: Services, text: str) -> UUID:
    """Return which recording a key of the map means: often a file's name whose ending is another one by now."""
    with services.database.transaction() as connection:
        found = voices.recordings_called(connection, Path(text).stem)
    return found[0] if len(found) == 1 else recordings.get_by_prefix(services.database, text).id
