"""Lines for the tests of this room."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from sonicgen.domain.transcript import Utterance, Word


def line(
    text: str,
    start: float = 0.0,
    end: float | None = None,
    *,
    speaker: str | None = "A",
    name: str | None = None,
    timed: bool = True,
) -> Utterance:
    """Return a line whose words are spread evenly over its time, 0.4 s each unless its end is given."""
    texts = text.split()
    end = start + 0.4 * len(texts) if end is None else end
    step = (end - start) / max(1, len(texts))
    words = [Word(part, start + i * step, start + (i + 1) * step, 0.9) for i, part in enumerate(texts)]
    return Utterance(start, end, text, speaker, 0.9, tuple(words) if timed else (), speaker_name=name)


_TEXT = st.text(st.sampled_from("ab cdé-.,?!<>&日本語\u00a0\t"), max_size=120)
_NAME = st.none() | st.sampled_from(["Ada", "Ada Lovelace", "<b>&", "x" * 60, " \n", "日本 太郎"])
_SECONDS = st.floats(0, 500_000)


@st.composite
def utterances(draw: st.DrawFn) -> Sequence[Utterance]:
    """Any lines that a provider may send: nested, empty, with words that have no times or wrong ones."""
    found = []
    for _ in range(draw(st.integers(0, 6))):
        start = draw(_SECONDS)
        end = start + draw(st.floats(0, 90))
        text = draw(_TEXT)
        parts = text.split() if draw(st.booleans()) else draw(st.lists(_TEXT, max_size=5))
        words = []
        for part in parts:
            at = draw(st.floats(start - 2, end + 2) | st.just(0.0) | st.just(float("nan")))
            words.append(Word(part, at, at + draw(st.floats(-1, 3)), 0.5))
        found.append(
            Utterance(start, end, text, draw(st.none() | st.sampled_from("AB")), None, tuple(words), draw(_NAME))
        )
    return found
