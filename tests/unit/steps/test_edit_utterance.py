from __future__ import annotations

from uuid import uuid4

import pytest

from sonicgen.domain.recording import Recording
from sonicgen.domain.transcript import TranscriptState, transcript_id
from sonicgen.errors import InputError, NotFoundError
from sonicgen.steps.edit_utterance import edit_speaker, edit_text, history_of, undo_edit
from sonicgen.steps.services import Services
from sonicgen.steps.transcript_inherit import inherit_words
from sonicgen.store import recordings, search, transcripts, utterances
from tests.cloud_fixture import Listener
from tests.unit.steps.transcripts import fetch_anew, line, lines_of, tell

TOLD = (line("we met aida in the garden", 0.0), line("where was that", 4.0, "B", "Grace"), line("in the park", 8.0))


@pytest.fixture
def talk(services: Services) -> Recording:
    return tell(services.database, TOLD)


def found(services: Services, query: str) -> list[str]:
    return [hit.utterance.text for hit in search.search(services.database, query).hits]


def test_a_text_is_changed_found_and_taken_back(services: Services, talk: Recording) -> None:
    edited = edit_text(services, talk, 0, " we met  Ada there in the garden ", edited_by="me")
    assert edited.text == "we met Ada there in the garden"
    assert [(w.text, w.start_seconds) for w in edited.words][4:] == [("in", 1.5), ("the", 2.0), ("garden", 2.5)]
    assert utterances.of(services.database, talk.id)[0] == edited
    assert (found(services, "ada"), found(services, "aida")) == ([edited.text], [])
    edit_text(services, talk, 0, "something else", edited_by="you")
    assert undo_edit(services, talk, 0) == edited
    assert undo_edit(services, talk, 0) == utterances.of(services.database, talk.id)[0]
    restored = utterances.of(services.database, talk.id)[0]
    assert (restored.text, restored.words) == (TOLD[0].text, TOLD[0].words)
    assert found(services, "aida") == [TOLD[0].text]
    with pytest.raises(NotFoundError, match=r"Line 0 of 'talk.mp3' has no change to undo\.$"):
        undo_edit(services, talk, 0)


def test_a_speaker_is_a_label_a_name_or_new(services: Services, talk: Recording) -> None:
    first = edit_speaker(services, talk, 0, "b", edited_by="me")
    assert (first.speaker, first.speaker_name) == ("B", "Grace")
    assert {word.speaker for word in first.words} == {"B"}
    by_name = edit_speaker(services, talk, 2, "grace", edited_by="me")
    assert (by_name.speaker, by_name.speaker_name) == ("B", "Grace")
    new = edit_speaker(services, talk, 2, "Emmy  Noether", edited_by="me")
    assert (new.speaker, new.speaker_name) == ("Emmy Noether", "Emmy Noether")
    assert edit_speaker(services, talk, 2, "", edited_by="me").speaker is None
    undo_edit(services, talk, 2)
    assert lines_of(services.database, talk)[2] == ("Emmy Noether", "in the park")
    hits = search.search(services.database, "park", search.Filters(speaker="noether")).hits
    assert [hit.position for hit in hits] == [2]


def test_the_history_tells_all(services: Services, talk: Recording) -> None:
    edit_text(services, talk, 0, "one", edited_by="me")
    edit_speaker(services, talk, 1, "Ada", edited_by="you")
    edit_text(services, talk, 0, "one", edited_by="me")  # nothing changes
    undo_edit(services, talk, 0)
    text, speaker = (edit.to_json() for edit in history_of(services, talk))
    assert (text["kind"], text["position"], text["edited_by"]) == ("text", 0, "me")
    assert (text["before"], text["after"]) == ({"text": TOLD[0].text}, {"text": "one"})
    assert text["undone_at"] is not None
    assert (speaker["kind"], speaker["position"], speaker["edited_by"]) == ("speaker", 1, "you")
    assert speaker["before"] == {"speaker": "B", "speaker_name": "Grace"}
    assert speaker["after"] == {"speaker": "Ada", "speaker_name": "Ada"}
    assert speaker["undone_at"] is None
    assert [edit.position for edit in history_of(services, talk, 1)] == [1]
    assert history_of(services, talk, 2) == []


def test_every_change_is_a_new_revision(services: Services, talk: Recording) -> None:
    def revision() -> int:
        found = transcripts.find(services.database, talk.id)
        assert found
        return found.revision

    before = revision()
    edit_text(services, talk, 0, "one", edited_by="me")
    undo_edit(services, talk, 0)
    assert revision() == before + 2, "who has inherited the words can tell"


def test_a_change_reaches_who_inherited_the_words(services: Services, talk: Recording, ready_events: Listener) -> None:
    repost = tell(services.database, [], title="repost.mp3", state=TranscriptState.PLANNED)
    with services.database.transaction() as connection:
        connection.execute(
            "insert into transcript_sources (transcript_id, position, source_video_id, start_seconds, end_seconds,"
            " source_start_seconds, source_end_seconds, speed) values (%s, 0, %s, 0, 8, 4, 12, 1)",
            (transcript_id(repost.id), talk.id),
        )
    inherit_words(services, repost.id)
    edit_text(services, repost, 1, "in this park", edited_by="me")
    ready_events.take()
    edit_text(services, talk, 1, "where was it", edited_by="me")
    (event,) = ready_events.take()
    assert event["recording_id"] == str(talk.id)
    inherit_words(services, repost.id)
    assert [text for _, text in lines_of(services.database, repost)] == ["where was it", "in this park"]


def test_edits_stay_on_top_of_what_is_fetched_anew(services: Services, talk: Recording) -> None:
    edit_text(services, talk, 0, "we met Ada in the garden", edited_by="me")
    edit_speaker(services, talk, 0, "Emmy", edited_by="me")
    edit_text(services, talk, 2, "in the zoo", edited_by="me")
    undo_edit(services, talk, 2)
    anew = (
        line("so", -1.0),
        line("we met either in the garden", 0.1),
        line("where was that", 4.0, "B"),
        line("in a park", 8.0),
    )
    fetch_anew(services.database, talk.id, anew)
    assert lines_of(services.database, talk) == [
        ("A", "so"),
        ("Emmy", "we met Ada in the garden"),
        ("B", "where was that"),
        ("A", "in a park"),
    ]
    assert found(services, "ada") == ["we met Ada in the garden"]
    assert [edit.position for edit in history_of(services, talk)] == [1, 1, 3]
    undo_edit(services, talk, 1)
    undo_edit(services, talk, 1)
    assert lines_of(services.database, talk)[1] == ("A", "we met either in the garden"), "what was fetched last"


def test_an_edit_whose_line_is_gone_waits_for_it(services: Services, talk: Recording) -> None:
    edit_text(services, talk, 1, "where was it", edited_by="me")
    long = line("we met aida in the garden where was that in the park and so on", 0.0)
    fetch_anew(services.database, talk.id, [long])
    assert lines_of(services.database, talk) == [("A", long.text)], "a longer line is not overwritten by a shorter one"
    assert [edit.position for edit in history_of(services, talk)] == [None]
    fetch_anew(services.database, talk.id, TOLD)
    assert lines_of(services.database, talk)[1] == ("Grace", "where was it")


def test_what_cannot_be_edited(services: Services, talk: Recording) -> None:
    for position in (3, -1):
        with pytest.raises(NotFoundError, match=rf"has no line {position}; its lines are 0 to 2\.$"):
            edit_text(services, talk, position, "x", edited_by="me")
    with pytest.raises(NotFoundError, match="has no line 7"):
        history_of(services, talk, 7)
    for text in ("", "  ", "a\x00b", "x" * 20_001):
        with pytest.raises(InputError):
            edit_text(services, talk, 0, text, edited_by="me")
    with pytest.raises(InputError):
        edit_speaker(services, talk, 0, "x" * 201, edited_by="me")
    identifier = uuid4()
    with services.database.transaction() as connection:
        connection.execute("insert into videos (id, title) values (%s, 'Rain')", (identifier,))
    rain = recordings.get(services.database, identifier)
    with pytest.raises(NotFoundError, match=r"^'Rain' has no transcript with lines\.$"):
        edit_text(services, rain, 0, "x", edited_by="me")
