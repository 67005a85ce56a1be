from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from sonicgen.domain.transcript import Utterance
from sonicgen.speech.exports.rttm import encode_field, to_rttm
from tests.unit.speech.lines import line, utterances
from tests.unit.speech.readers import read_rttm


def test_lines_hold_what_diarization_tools_read() -> None:
    lines = [line("b", 62.5, 64.0, name="Ada Lovelace"), line("a", 1.0, 2.2504, speaker="B"), line("c", 70.0, 71.0)]
    assert to_rttm(lines, "an interview.mp3") == (
        "SPEAKER an_interview.mp3 1 1.000 1.250 <NA> <NA> Speaker_B <NA> <NA>\n"
        "SPEAKER an_interview.mp3 1 62.500 1.500 <NA> <NA> Ada_Lovelace <NA> <NA>\n"
        "SPEAKER an_interview.mp3 1 70.000 1.000 <NA> <NA> Speaker_A <NA> <NA>\n"
    )


def test_names_that_would_be_the_same_stay_apart() -> None:
    lines = [line("a", 0, 1, name="Ada L"), line("b", 1, 2, name="Ada_L"), line("c", 2, 3, name="Ada L")]
    assert [name for *_, name in read_rttm(to_rttm(lines, "x"))] == ["Ada_L", "Ada_L_2", "Ada_L"]


def test_unknown_and_empty() -> None:
    assert to_rttm([], "x") == ""
    assert to_rttm([line("a", 1.0, 1.0)], "x") == "", "nothing that lasts no time"
    assert [name for *_, name in read_rttm(to_rttm([line("a", 0, 1, speaker=None)], "x"))] == ["unknown"]


@given(st.text())
def test_a_field_is_one_field(text: str) -> None:
    field = encode_field(text)
    assert field.split() == [field]
    assert field.isprintable()
    assert not field.startswith(";")
    assert field != "<NA>"


@given(utterances())
def test_whatever_is_said_reads_back(lines: Sequence[Utterance]) -> None:
    rows = read_rttm(to_rttm(lines, "file \t name"))
    assert len(rows) == sum(round(one.end_seconds * 1000) > round(one.start_seconds * 1000) for one in lines)
