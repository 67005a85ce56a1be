from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonicgen.domain.transcript import Word
from sonicgen.domain.turn import Turn
from sonicgen.speech.words import PAUSE_SECONDS, assign_words, lines_of

_SECONDS = st.floats(0, 60)
_SPAN = st.tuples(_SECONDS, st.floats(0, 5)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def words(text: str, start: float = 0.0, step: float = 0.3) -> list[Word]:
    """Return words one after the other without a pause; `|` is a pause of half a second."""
    made, at = [], start
    for part in text.split():
        if part == "|":
            at += 0.5
            continue
        made.append(Word(part, at, at + step, 1.0))
        at += step
    return made


def speakers(text: str, turns: Sequence[Turn]) -> str:
    return "".join(word.speaker or "-" for word in assign_words(words(text), turns))


@given(
    st.lists(st.tuples(st.sampled_from(["so", "yes.", "why?"]), _SPAN)),
    st.lists(st.tuples(_SPAN, st.sampled_from("ABC"))),
)
def test_nothing_is_lost_and_the_order_is_kept(
    texts: list[tuple[str, tuple[float, float]]], spans: list[tuple[tuple[float, float], str]]
) -> None:
    given_words = [Word(text, *span, 1.0) for text, span in texts]
    turns = [Turn(*span, speaker) for span, speaker in spans]
    assigned = assign_words(given_words, turns)
    assert [(w.text, w.start_seconds, w.end_seconds) for w in assigned] == [
        (w.text, w.start_seconds, w.end_seconds) for w in given_words
    ]
    heard: set[str | None] = {turn.speaker for turn in turns if turn.end_seconds > turn.start_seconds}
    assert {word.speaker for word in assigned} <= (heard or {None})
    lines = lines_of(assigned)
    assert [word for line in lines for word in line.words] == assigned
    assert all(word.speaker == line.speaker for line in lines for word in line.words)


@given(st.lists(_SPAN), st.lists(st.tuples(_SPAN, st.sampled_from("ABC"))))
def test_a_word_goes_to_who_overlaps_it_most(
    spans: list[tuple[float, float]], turn_spans: list[tuple[tuple[float, float], str]]
) -> None:
    """Against the plain definition, with a pause around every word so that nothing is smoothed."""
    turns = [Turn(*span, speaker) for span, speaker in turn_spans]
    for start, end in spans:
        (word,) = assign_words([Word("so", start, end, 1.0)], turns)
        overlaps = dict.fromkeys((t.speaker for t in turns if t.end_seconds > t.start_seconds), 0.0)
        for turn in turns:
            if turn.end_seconds > turn.start_seconds:
                shared = min(end, turn.end_seconds) - max(start, turn.start_seconds)
                overlaps[turn.speaker] += max(0.0, shared)
        if overlaps and max(overlaps.values()) > 1e-6:
            assert word.speaker is not None
            assert overlaps[word.speaker] == pytest.approx(max(overlaps.values()))
        elif overlaps:
            distances = {
                (max(0.0, t.start_seconds - end, start - t.end_seconds), t.speaker)
                for t in turns
                if t.end_seconds > t.start_seconds
            }
            assert any(s == word.speaker and d == pytest.approx(min(distances)[0], abs=1e-5) for d, s in distances)
        else:
            assert word.speaker is None


def test_a_word_in_a_gap_goes_to_the_nearest_turn() -> None:
    turns = [Turn(0, 1, "A"), Turn(3, 4, "B")]
    for at, expected in ((1.1, "A"), (2.6, "B"), (9.0, "B")):
        (word,) = assign_words([Word("so", at, at + 0.2, 1.0)], turns)
        assert word.speaker == expected


def test_a_short_turn_inside_a_long_one_keeps_its_words() -> None:
    turns = [Turn(0, 60, "A"), Turn(30, 31, "B")]
    (word,) = assign_words([Word("hm", 30.3, 30.6, 1.0)], turns)
    assert word.speaker == "B"


def test_a_flip_in_the_middle_of_a_sentence_is_smoothed() -> None:
    turns = [Turn(0, 0.9, "A"), Turn(0.9, 1.2, "B"), Turn(1.2, 3, "A")]
    assert speakers("we all know that it is late", turns) == "AAAAAAA"


def test_an_answer_is_kept() -> None:
    turns = [Turn(0, 0.9, "A"), Turn(0.9, 1.2, "B"), Turn(1.2, 3, "A")]
    assert speakers("is it late? yes. then we go", turns) == "AAABAAA"
    paused = [Turn(0, 1.4, "A"), Turn(1.4, 1.7, "B"), Turn(2.2, 3, "A")]
    assert speakers("we all know | that | it is late", paused) == "AAABAAA"


def test_a_border_moves_to_the_end_of_the_sentence() -> None:
    assert speakers("where is it from? nobody could say", [Turn(0, 0.9, "A"), Turn(0.9, 3, "B")]) == "AAAABBB"
    assert speakers("where is it from? nobody could say", [Turn(0, 1.5, "A"), Turn(1.5, 3, "B")]) == "AAAABBB"


def test_lines_begin_where_the_speaker_changes_or_pauses() -> None:
    said = [
        Word("one", 0.0, 0.5, 0.8, "A"),
        Word("two", 0.5, 1.0, 0.6, "A"),
        Word("three", 1.0 + PAUSE_SECONDS + 0.1, 4.0, 1.0, "A"),
        Word("four", 4.0, 4.5, 1.0, "B"),
    ]
    assert [(line.text, line.start_seconds, line.end_seconds, line.speaker) for line in lines_of(said)] == [
        ("one two", 0.0, 1.0, "A"),
        ("three", 3.1, 4.0, "A"),
        ("four", 4.0, 4.5, "B"),
    ]
    assert lines_of(said)[0].confidence == pytest.approx(0.7)
    assert lines_of([]) == []


def conversation(seed: int, border_error_seconds: float, flips: float) -> tuple[list[Word], list[Turn]]:
    """Return words that know who says them, and turns whose borders are off; some turns are cut by a false one."""
    chance = random.Random(seed)  # noqa: S311
    said: list[Word] = []
    turns: list[Turn] = []
    at, speaker = 0.0, "A"
    for _ in range(20):
        begun = at
        for _ in range(chance.choice([1, 1, 2, 3])):  # sentences
            count = chance.randint(1, 12)
            for index in range(count):
                length = chance.uniform(0.12, 0.45)
                said.append(Word("word." if index == count - 1 else "word", at, at + length, 1.0, speaker))
                at += length + chance.uniform(0, 0.05)
            at += chance.uniform(0.0, 0.3)
        others = [other for other in "ABC" if other != speaker]
        start = max(begun, turns[-1].end_seconds if turns else 0.0) + chance.gauss(0, border_error_seconds)
        end = max(start + 0.05, at + chance.gauss(0, border_error_seconds))
        if end - start > 3 and chance.random() < flips:
            middle = chance.uniform(start + 1, end - 1)
            turns += [Turn(start, middle, speaker), Turn(middle, middle + 0.3, others[0])]
            start = middle + 0.3
        turns.append(Turn(start, end, speaker))
        speaker = chance.choice(others)
        at += chance.choice([0.0, 0.1, 0.4])
    return said, turns


def wrong_share(assign: Callable[[Sequence[Word], Sequence[Turn]], list[Word]], error: float, flips: float) -> float:
    wrong = total = 0
    for seed in range(50):
        said, turns = conversation(seed, error, flips)
        assigned = assign([replace(word, speaker=None) for word in said], turns)
        wrong += sum(a.speaker != b.speaker for a, b in zip(said, assigned, strict=True))
        total += len(said)
    return wrong / total


def by_middle(said: Sequence[Word], turns: Sequence[Turn]) -> list[Word]:
    """The plain way: whoever speaks at the middle of a word, or nearest to it."""
    middles = [(word.start_seconds + word.end_seconds) / 2 for word in said]
    nearest = [min(turns, key=lambda t: max(t.start_seconds - m, m - t.end_seconds, 0)) for m in middles]
    return [replace(word, speaker=turn.speaker) for word, turn in zip(said, nearest, strict=True)]


def test_turns_that_are_exact_leave_nothing_wrong() -> None:
    assert wrong_share(assign_words, 0.0, 0.0) == 0.0


@pytest.mark.parametrize(("error", "flips", "least_gain"), [(0.2, 0.0, 2.0), (0.0, 0.5, 2.0), (0.2, 0.5, 2.0)])
def test_disturbed_turns_cost_a_fraction_of_the_plain_way(error: float, flips: float, least_gain: float) -> None:
    plain, ours = wrong_share(by_middle, error, flips), wrong_share(assign_words, error, flips)
    assert plain > 0.004
    assert ours * least_gain < plain, (plain, ours)
