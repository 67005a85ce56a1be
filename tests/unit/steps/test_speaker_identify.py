"""Voices are told apart, linked across recordings, and named once for all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import signal

from sonicgen.cloud.objects import delete_object, list_objects
from sonicgen.domain.recording import Recording
from sonicgen.domain.speaker import RecordingVoice, VoiceState
from sonicgen.domain.transcript import Utterance
from sonicgen.local.demo_sounds import RATE_HZ, make_music
from sonicgen.steps.change_speakers import (
    merge_speakers,
    name_speaker,
    split_speaker,
    undo_change,
)
from sonicgen.steps.edit_utterance import edit_speaker
from sonicgen.steps.label_voices import next_voices
from sonicgen.steps.recognise_groups import recognise_groups
from sonicgen.steps.search_transcripts import search_transcripts
from sonicgen.steps.services import Services
from sonicgen.steps.speaker_clips import cut_clips
from sonicgen.store import speakers, voices
from sonicgen.store.search import Filters
from sonicgen.voices.samples import SAMPLE_RATE_HZ
from tests.unit.steps.speakers import (
    ANNA,
    BERT,
    CARL,
    DORA,
    copy,
    hear,
    lines_of,
    names,
    record,
    record_sound,
    talk,
    transcribe,
    transcript,
)

ME = "tester"


def held(services: Services) -> dict[str, tuple[int, int]]:
    """Return every speaker with how many recordings and voices they have."""
    page, _ = speakers.list_page(services.database)
    return {each.speaker.title: (each.recordings, each.voices) for each in page}


def test_a_voice_is_named_once_for_past_and_future(listening: Services, tmp_path: Path) -> None:
    first = record(listening, tmp_path, [("A", ANNA), ("B", BERT)] * 3, seed=1)
    second = record(listening, tmp_path, [("A", CARL), ("B", ANNA)] * 2, seed=2)
    for each in (first, second):
        hear(listening, each)
    assert sorted(held(listening).values()) == [(1, 1), (1, 1), (2, 2)], "Anna's voices of both are one group"
    waiting = next_voices(listening, 10)
    assert [round(each.overview.seconds) for each in waiting] == sorted(
        (round(each.overview.seconds) for each in waiting), reverse=True
    )
    anna = waiting[0]
    assert len(anna.clips) == 3
    assert len({clip.recording_id for clip in anna.clips}) == 2, "clips of both recordings"
    assert all(clip.said.startswith("w") for clip in anna.clips)
    done = name_speaker(listening, anna.overview.speaker.id, "Anna", by=ME)
    assert done.recordings == 2
    assert names(listening, first) == ["Anna", None] * 3
    assert names(listening, second) == [None, "Anna"] * 2
    third = record(listening, tmp_path, [("A", DORA), ("B", ANNA)] * 2, seed=3)
    hear(listening, third)
    assert names(listening, third) == [None, "Anna"] * 2, "known by itself"
    (voice,) = [v for v in _voices(listening, third) if v.label == "B"]
    assert (voice.outcome, voice.is_confirmed) == ("identified", False)
    assert voice.probability is not None
    assert voice.probability >= 0.9
    assert voice.thresholds is not None
    assert voice.thresholds["probability"] == 0.9
    found = search_transcripts(listening, "w5", Filters(speaker="anna"), limit=5)
    heard = {sentence.hit.video_id for sentence in found.sentences}
    assert heard == {second.id, third.id}, "the second line of each"


def _voices(services: Services, recording: Recording) -> list[RecordingVoice]:
    with services.database.transaction() as connection:
        return voices.of_video(connection, recording.id)


def test_nothing_is_done_twice(listening: Services, tmp_path: Path) -> None:
    one = record(listening, tmp_path, [("A", ANNA), ("B", BERT)] * 2)
    hear(listening, one)
    before = (_voices(listening, one), transcript(listening, one).revision, held(listening))
    hear(listening, one)
    assert (_voices(listening, one), transcript(listening, one).revision, held(listening)) == before


def test_clips_hold_one_voice_each(listening: Services, tmp_path: Path) -> None:
    one = record(listening, tmp_path, [("A", ANNA), ("B", BERT)] * 2)
    found = cut_clips(listening, one.id)
    assert {voice.state for voice in found} == {VoiceState.WAITING}
    stored = {each.name for each in list_objects(listening.settings.media_bucket, f"clips/{one.id}/")}
    assert stored == {clip.object_name for voice in found for clip in voice.clips}
    for voice in found:
        for clip in voice.clips:
            turn = next(t for t in voice.turns if t.start_seconds <= clip.start_seconds < t.end_seconds)
            assert clip.end_seconds <= turn.end_seconds + 0.6


def test_a_copy_inherits(listening: Services, tmp_path: Path) -> None:
    original = record(listening, tmp_path, [("A", ANNA), ("B", BERT)] * 3)
    early = copy(listening, original, 0.0, 20.0)
    cut_clips(listening, early.id)
    assert _voices(listening, early) == [], "nothing is known of the original yet"
    hear(listening, original)
    assert [voice.outcome for voice in _voices(listening, early)] == ["inherited"] * 2
    late = copy(listening, original, 10.0, 30.0)
    cut_clips(listening, late.id)
    assert not list(list_objects(listening.settings.media_bucket, f"clips/{late.id}/"))
    group = next_voices(listening)[0]
    name_speaker(listening, group.overview.speaker.id, "Anna", by=ME)
    assert names(listening, early) == ["Anna", None] * 2
    assert names(listening, late) == ["Anna", None] * 2
    assert held(listening)["Anna"] == (1, 1), "copies are not counted"
    undo_change(listening, by=ME)
    assert names(listening, late) == [None] * 4


def test_hand_made_names_win(listening: Services, tmp_path: Path) -> None:
    one = record(listening, tmp_path, [("A", ANNA), ("B", BERT)] * 3)
    hear(listening, one)
    edit_speaker(listening, one, 2, "The ghost", edited_by=ME)
    group = next(v.speaker_id for v in _voices(listening, one) if v.label == "A")
    assert group is not None
    name_speaker(listening, group, "Anna", by=ME)
    assert names(listening, one) == ["Anna", None, "The ghost", None, "Anna", None]
    hear(listening, one)
    assert names(listening, one) == ["Anna", None, "The ghost", None, "Anna", None]
    assert {voice.label for voice in _voices(listening, one)} == {"A", "B"}, "a hand-made label is no voice"


def test_merge_split_and_undo(listening: Services, tmp_path: Path) -> None:
    one = record(listening, tmp_path, [("A", ANNA), ("B", BERT)] * 2, seed=1)
    two = record(listening, tmp_path, [("A", ANNA), ("B", DORA)] * 2, seed=2)
    for each in (one, two):
        hear(listening, each)
    by_title = {each.overview.speaker.title: each.overview.speaker for each in next_voices(listening, 9)}
    anna = next(v.speaker_id for v in _voices(listening, one) if v.label == "A")
    bert = next(v.speaker_id for v in _voices(listening, one) if v.label == "B")
    assert anna
    assert bert
    assert len(by_title) == 3
    name_speaker(listening, anna, "Anna", by=ME)
    name_speaker(listening, bert, "Bertha", by=ME)
    before = held(listening)
    merged = merge_speakers(listening, [bert], anna, by=ME)
    assert names(listening, one) == ["Anna"] * 4
    with listening.database.transaction() as connection:
        assert speakers.resolve(connection, "bertha").id == anna, "the name goes on as another name"
    undo_change(listening, merged.decision_id, by=ME)
    assert held(listening) == before
    assert names(listening, one) == ["Anna", "Bertha"] * 2
    (voice,) = [v for v in _voices(listening, two) if v.label == "A"]
    split = split_speaker(listening, anna, [voice.id], by=ME)
    assert names(listening, two) == [None] * 4
    assert names(listening, one) == ["Anna", "Bertha"] * 2
    vectors = listening.gallery.of_speaker(split.speaker.id)
    assert {stored.voiceprint.recording_id for stored, _ in vectors} == {two.id}
    assert recognise_groups(listening, anna) == 0, "what a person took out is not put back"
    undo_change(listening, by=ME)
    assert names(listening, two) == ["Anna", None] * 2
    assert held(listening) == before


def test_a_new_transcript_keeps_who_is_who(listening: Services, tmp_path: Path) -> None:
    one = record(listening, tmp_path, [("A", ANNA), ("B", BERT)] * 3)
    hear(listening, one)
    group = next(v.speaker_id for v in _voices(listening, one) if v.label == "A")
    assert group
    name_speaker(listening, group, "Anna", by=ME)
    transcribe(listening, one.id, lines_of([("B", ANNA), ("A", BERT)] * 3))
    hear(listening, one)
    assert names(listening, one) == ["Anna", None] * 3, "the labels were exchanged, the voices are the same"


def test_a_confirmed_voice_whose_turns_change_gets_new_vectors(listening: Services, tmp_path: Path) -> None:
    turns = [("A", ANNA), ("B", BERT)] * 3
    one = record(listening, tmp_path, turns)
    hear(listening, one)
    group = next(v.speaker_id for v in _voices(listening, one) if v.label == "A")
    assert group
    name_speaker(listening, group, "Anna", by=ME)
    edit_speaker(listening, one, 4, "Somebody", edited_by=ME)  # two of Anna's three turns are left
    hear(listening, one)
    (voice,) = [v for v in _voices(listening, one) if v.label == "A"]
    assert (voice.speaker_id, voice.is_confirmed, len(voice.turns)) == (group, True, 2)
    assert voice.clips
    stored = {each.id for each, _ in listening.gallery.of_speaker(group)}
    assert {each for clip in voice.clips for each in clip.voiceprint_ids} == stored


def test_clips_outlive_the_sound_they_were_cut_from(listening: Services, tmp_path: Path) -> None:
    one = record(listening, tmp_path, [("A", ANNA), ("B", BERT)] * 3)
    hear(listening, one)
    clips = {clip.object_name for voice in _voices(listening, one) for clip in voice.clips}
    delete_object(one.bucket, one.object_name)
    edit_speaker(listening, one, 4, "Somebody", edited_by=ME)
    hear(listening, one)
    assert {clip.object_name for voice in _voices(listening, one) for clip in voice.clips} == clips
    two = record(listening, tmp_path, [("A", ANNA)] * 2)
    delete_object(two.bucket, two.object_name)
    hear(listening, two)
    assert [voice.state for voice in _voices(listening, two)] == [VoiceState.UNHEARD]


def test_silence_and_music_are_in_no_clip(listening: Services, tmp_path: Path) -> None:
    music = make_music(3, seconds=15, beats_per_minute=66, metre=4)
    pieces = [
        talk([("A", ANNA)] * 2),
        np.zeros(6 * SAMPLE_RATE_HZ, np.float32),
        0.3 * np.asarray(signal.resample_poly(music, SAMPLE_RATE_HZ, RATE_HZ), np.float32),
    ]
    whole = Utterance(0.0, 31.0, "one long line", "A")
    one = record_sound(listening, tmp_path, np.concatenate(pieces), [whole])
    (voice,) = cut_clips(listening, one.id)
    assert voice.clips
    assert max(clip.end_seconds for clip in voice.clips) <= 10.5
    assert sum(clip.seconds for clip in voice.clips) >= 7
