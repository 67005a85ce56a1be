"""A person who is forgotten leaves nothing in the database, the bucket or the gallery, and does not come back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sonicgen.cloud.objects import list_objects
from sonicgen.domain.speaker import VoiceState
from sonicgen.errors import NotFoundError, UnavailableError
from sonicgen.services.embedder import HttpEmbedder
from sonicgen.steps.change_speakers import add_alias, merge_speakers, name_speaker, undo_change
from sonicgen.steps.edit_utterance import edit_speaker, history_of
from sonicgen.steps.enrol_speaker import ConsentGiven, enrol_speaker
from sonicgen.steps.forget_recording import forget_recording
from sonicgen.steps.forget_speaker import find_traces, finish_erasures, forget_speaker
from sonicgen.steps.re_embed import keep_models_moving, re_embed
from sonicgen.steps.services import Services
from sonicgen.steps.speaker_clips import cut_clips
from sonicgen.steps.speaker_identify import identify_recording
from sonicgen.store import erasures, speakers, voice_models, voices
from tests.unit.embedder.cepstra_encoder import loader
from tests.unit.embedder.conftest import services as embedders
from tests.unit.steps.speakers import ANNA, BERT, PitchEncoder, copy, hear, names, record, talk, write

CONSENT = ConsentGiven("Anna", "naming", datetime(2026, 1, 2, tzinfo=UTC))


def test_nothing_of_a_forgotten_person_is_left(listening: Services, tmp_path: Path) -> None:
    one = record(listening, tmp_path, [("A", ANNA), ("B", BERT)] * 4, seed=1)
    hear(listening, one)
    again = copy(listening, one, 0.0, 20.0)
    cut_clips(listening, again.id)
    sample = write(tmp_path / "anna.flac", talk([("A", ANNA)] * 3, 9))
    done = enrol_speaker(listening, "Anna O'Neil_100%", [(sample, "anna.flac")], CONSENT, by="tester")
    assert done.speaker_id is not None
    enrol_speaker(listening, "anna o'neil_100%", [(sample, "again.flac")], CONSENT, by="tester")
    add_alias(listening, done.speaker_id, "Annie", by="tester")
    edit_speaker(listening, one, 1, "Annie", edited_by="tester")  # a line of the other voice, named by hand
    edit_speaker(listening, one, 3, "ANNIE", edited_by="tester")
    assert names(listening, again)[0] == "Anna O'Neil_100%"
    with listening.database.transaction() as connection:
        anna = speakers.get(connection, done.speaker_id)
        before = find_traces(listening, [anna.id], ["anna o'neil_100%", "annie"])
    assert not before.is_clean
    places = {"speakers.id", "utterances.speaker_name", "speaker_aliases.alias", "enrolments.name"}
    assert places <= set(before.database)
    forgotten = forget_speaker(listening, anna, by="tester")
    assert forgotten.traces.is_clean, forgotten.traces.to_json()
    assert forgotten.removed["vectors"] > 0
    assert forgotten.removed["clips"] > 0
    assert names(listening, one) == [None] * 8
    assert names(listening, again) == [None] * 4
    assert all(not name for edit in history_of(listening, one) for name in (edit.after["speaker_name"],))
    with pytest.raises(NotFoundError):
        undo_change(listening, by="tester")
    # The same recording, read again, brings nothing back; the other person's voice is still there.
    with listening.database.transaction() as connection:
        connection.execute("update recording_voices set clips_digest = null")
        connection.execute("update transcripts set voices_revision = null")
    cut_clips(listening, one.id)
    identify_recording(listening, one.id)
    assert find_traces(listening, [anna.id], ["anna o'neil_100%", "annie"]).is_clean
    with listening.database.transaction() as connection:
        found = {voice.label: voice for voice in voices.of_video(connection, one.id)}
    assert (found["A"].state, found["A"].clips) == (VoiceState.ERASED, ())
    assert found["B"].speaker_id is not None
    assert {stored.voiceprint.voice for stored, _ in listening.gallery.of_recording(one.id)} == {"B"}


def test_names_from_before_a_merge_are_forgotten_too(listening: Services, tmp_path: Path) -> None:
    one = record(listening, tmp_path, [("A", ANNA), ("B", BERT)] * 2)
    hear(listening, one)
    with listening.database.transaction() as connection:
        ids = [voice.speaker_id for voice in voices.of_video(connection, one.id)]
    first, second = (each for each in ids if each)
    name_speaker(listening, first, 'Bert "the bass" Ü', by="tester")
    name_speaker(listening, second, "Bertram", by="tester")
    merge_speakers(listening, [first], second, by="tester")
    with listening.database.transaction() as connection:
        bert = speakers.get(connection, second)
    assert not find_traces(listening, [second], ['bert "the bass" ü']).is_clean
    done = forget_speaker(listening, bert, by="tester")
    assert done.traces.is_clean, done.traces.to_json()
    assert find_traces(listening, [first], ['bert "the bass" ü', "bertram"]).is_clean


def test_a_name_that_looks_like_a_label(listening: Services, tmp_path: Path) -> None:
    one = record(listening, tmp_path, [("A", ANNA), ("B", BERT)] * 2)
    hear(listening, one)
    with listening.database.transaction() as connection:
        anna = next(v.speaker_id for v in voices.of_video(connection, one.id) if v.label == "A")
    assert anna
    done = forget_speaker(listening, name_speaker(listening, anna, "B", by="tester").speaker, by="tester")
    assert done.traces.is_clean, done.traces.to_json()
    assert names(listening, one) == [None] * 4


def test_an_interrupted_erasure_is_finished(listening: Services, tmp_path: Path) -> None:
    one = record(listening, tmp_path, [("A", ANNA)] * 3)
    hear(listening, one)
    names_of = [each.name for each in list_objects(listening.settings.media_bucket, f"clips/{one.id}/")]
    assert names_of
    with listening.database.transaction() as connection:
        erasures.record(connection, by="tester", removed={}, objects=names_of)
    assert finish_erasures(listening) == 1
    assert not list(list_objects(listening.settings.media_bucket, f"clips/{one.id}/"))
    assert finish_erasures(listening) == 0


def test_a_forgotten_recording_leaves_no_clips_and_vectors(listening: Services, tmp_path: Path) -> None:
    one = record(listening, tmp_path, [("A", ANNA), ("B", BERT)] * 2)
    hear(listening, one)
    assert listening.gallery.of_recording(one.id)
    forget_recording(listening, one)
    assert not listening.gallery.of_recording(one.id)
    assert not list(list_objects(listening.settings.media_bucket, f"clips/{one.id}/"))


def test_moving_to_another_model_leaves_no_gap(listening: Services, tmp_path: Path) -> None:
    one = record(listening, tmp_path, [("A", ANNA), ("B", BERT)] * 2, seed=1)
    hear(listening, one)
    with listening.database.transaction() as connection:
        anna = next(v.speaker_id for v in voices.of_video(connection, one.id) if v.label == "A")
    assert anna
    name_speaker(listening, anna, "Anna", by="tester")
    (old,) = listening.gallery.models()
    with embedders(tmp_path) as start:
        url = start(given=loader(PitchEncoder(version="2"))).url
        old_embedder = listening.embedder
        listening.__dict__["embedder"] = HttpEmbedder(url)
        two = record(listening, tmp_path, [("A", ANNA)] * 3, seed=2)
        cut_clips(listening, two.id)
        with pytest.raises(UnavailableError, match="not complete"):
            identify_recording(listening, two.id)  # waits, rather than take Anna for a stranger
        part = re_embed(listening, limit=1)
        assert not part.is_complete or part.clips
        assert keep_models_moving(listening) >= 0
        new = listening.embedder.runner().model
        with listening.database.transaction() as connection:
            assert {each.model for each in voice_models.list_models(connection)} == {old, new}
        identify_recording(listening, two.id)
        assert names(listening, two) == ["Anna"] * 3
        # The old embedder's answers are good until it is retired.
        new_embedder, listening.__dict__["embedder"] = listening.embedder, old_embedder
        three = record(listening, tmp_path, [("A", ANNA)] * 3, seed=3)
        hear(listening, three)
        assert names(listening, three) == ["Anna"] * 3
        listening.__dict__["embedder"] = new_embedder
        done = re_embed(listening, retire=True)
        assert done.is_complete
        assert done.retired == (old,)
        assert listening.gallery.models() == [new]
        with listening.database.transaction() as connection:
            clips = [clip for voice in voices.of_speaker(connection, anna) for clip in voice.clips]
        vectors = [each for clip in clips for each in clip.voiceprint_ids]
        assert len(listening.gallery.fetch(vectors)) == len(vectors) > 0
        old_embedder.close()
