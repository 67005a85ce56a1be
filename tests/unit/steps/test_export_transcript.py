from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest

from sonicgen.domain.transcript import TranscriptState
from sonicgen.errors import NotFoundError
from sonicgen.settings import read_settings
from sonicgen.steps.export_transcript import Format, export_transcript
from sonicgen.steps.services import Services
from sonicgen.store import recordings
from tests.unit.steps.transcripts import line, tell


@pytest.fixture
def services(database_url: str) -> Iterator[Services]:
    made = Services(read_settings(database_url=database_url))
    yield made
    made.database.close()


def test_what_is_stored_comes_out(services: Services) -> None:
    lines = [line("we met Ada", 1.0, "A", "Grace Hopper"), line("where", 4.0, "B")]
    talk = tell(services.database, lines, title="a talk.mp3")
    assert export_transcript(services, talk, Format.VTT) == (
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.500\n<v Grace Hopper>we met Ada\n\n"
        "00:00:04.000 --> 00:00:04.833\n<v Speaker B>where\n"
    )
    assert export_transcript(services, talk, Format.RTTM).startswith("SPEAKER a_talk.mp3 1 1.000 1.500 ")
    told = json.loads(export_transcript(services, talk, Format.JSON))
    assert (told["video_id"], told["title"], told["state"]) == (str(talk.id), "a talk.mp3", "ready")
    assert [one["text"] for one in told["utterances"]] == ["we met Ada", "where"]
    assert told["utterances"][0]["words"][2] == {
        "text": "Ada", "start_seconds": 2.0, "end_seconds": 2.5, "confidence": 0.9,
    }  # fmt: skip


def test_nothing_said_is_a_file_and_nothing_yet_is_a_sentence(services: Services) -> None:
    silent = tell(services.database, [], state=TranscriptState.EMPTY)
    assert export_transcript(services, silent, Format.SRT) == ""
    waiting = tell(services.database, [], title="talk.mp3", state=TranscriptState.PLANNED)
    with pytest.raises(NotFoundError, match=r"^'talk.mp3' has no transcript yet\. .*\.$"):
        export_transcript(services, waiting, Format.SRT)
    identifier = uuid4()
    with services.database.transaction() as connection:
        connection.execute("insert into videos (id, title) values (%s, 'Rain')", (identifier,))
    with pytest.raises(NotFoundError, match=r"^'Rain' has no transcript\.$"):
        export_transcript(services, recordings.get(services.database, identifier), Format.SRT)
