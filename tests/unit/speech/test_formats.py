from __future__ import annotations

import json

import pytest

from sonicgen.errors import InputError
from sonicgen.speech.exports.formats import MEDIA_TYPES, Format, export, read_format
from tests.unit.speech.lines import line

LINES = [line("Where is it from?", 1.5, 4.25, name="Ada Lovelace"), line("Nobody knows.", 5.0, speaker="B")]


@pytest.mark.parametrize("form", Format)
def test_every_format_says_all_and_takes_an_empty_transcript(form: Format) -> None:
    assert form in MEDIA_TYPES
    text = export(form, LINES, about={"id": "x"}, file_id="x")
    for wanted in () if form is Format.RTTM else ("Where is it from?", "Nobody knows."):
        assert wanted in text
    assert isinstance(export(form, [], about={}, file_id="x"), str)


def test_txt_has_a_line_a_line() -> None:
    assert export(Format.TXT, LINES, about={}, file_id="x") == (
        "[00:00:01] Ada Lovelace: Where is it from?\n[00:00:05] Speaker B: Nobody knows.\n"
    )


def test_json_holds_every_word() -> None:
    read = json.loads(export(Format.JSON, LINES, about={"title": "Rain"}, file_id="x"))
    assert read["title"] == "Rain"
    assert read["speakers"] == [{"label": "A", "name": "Ada Lovelace"}, {"label": "B", "name": "Speaker B"}]
    assert [one["text"] for one in read["utterances"]] == ["Where is it from?", "Nobody knows."]
    first = read["utterances"][0]
    assert [word["text"] for word in first["words"]] == ["Where", "is", "it", "from?"]
    assert first["words"][0] == {"text": "Where", "start_seconds": 1.5, "end_seconds": 2.188, "confidence": 0.9}


@pytest.mark.parametrize("text", ["srt", "SRT", ".vtt "])
def test_a_format_is_named_as_people_do(text: str) -> None:
    assert read_format(text) in Format


def test_an_unknown_format_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"no transcript format 'doc'; choose one of srt, vtt, txt, json, rttm\.$"):
        read_format("doc")
