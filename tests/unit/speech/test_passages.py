from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sonicgen.speech.passages import SNIPPET_CHARACTERS, Passage, find_passage
from tests.unit.speech.lines import line


def passage(marked: str, step: float = 1.0) -> Passage:
    text = marked.replace("[", "").replace("]", "")
    return find_passage(line(text, 100.0, 100.0 + step * len(text.split())), marked, "[", "]")


def shown(found: Passage) -> list[str]:
    return [found.snippet[a:b] for a, b in found.highlights]


def test_the_second_is_the_words_own() -> None:
    found = passage("we met in the [garden] there")
    assert (found.snippet, found.seconds) == ("we met in the garden there", 104.0)
    assert shown(found) == ["garden"]


def test_the_densest_place_wins() -> None:
    found = passage("[new] ideas and [new] plans came from [New] [York] [new]")
    assert found.seconds == 107.0
    assert len(shown(found)) == 5


def test_a_long_line_is_cut_around_its_place() -> None:
    found = passage(f"{'before ' * 60}[right] [here] {'after ' * 60}")
    assert found.seconds == 160.0
    assert shown(found) == ["right", "here"]
    assert found.snippet.startswith("… before ")
    assert found.snippet.endswith("after …")
    assert len(found.snippet) <= SNIPPET_CHARACTERS + 4


def test_the_end_of_a_long_line() -> None:
    found = passage(f"{'before ' * 60}[here]")
    assert shown(found) == ["here"]
    assert found.snippet.endswith("before here")


def test_nothing_marked_is_the_lines_beginning() -> None:
    found = passage("nothing at all")
    assert (found.snippet, found.highlights, found.seconds) == ("nothing at all", (), 100.0)


def test_a_text_that_was_changed_on_the_way() -> None:
    found = find_passage(line("a <b> c", 5.0, 8.0), "a   [c]", "[", "]")
    assert (found.snippet, found.seconds) == ("a c", 5.0)


@given(st.lists(st.tuples(st.text("abcé", min_size=1, max_size=30), st.booleans()), min_size=1, max_size=120))
def test_what_is_shown_as_marked_is_marked(parts: list[tuple[str, bool]]) -> None:
    found = passage(" ".join(f"[{word}]" if is_marked else word for word, is_marked in parts))
    marked = {word for word, is_marked in parts if is_marked}
    assert set(shown(found)) <= marked
    assert bool(shown(found)) == bool(marked)
    assert 100.0 <= found.seconds < 100.0 + len(parts)
    if marked:
        assert parts[round(found.seconds) - 100][1], "the second of a word that was looked for"
