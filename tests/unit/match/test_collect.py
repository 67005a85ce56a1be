from __future__ import annotations

from sonicgen.domain.match import Decision
from sonicgen.match.collect import finish_matches
from sonicgen.match.ranges import Line, Span
from sonicgen.match.verify import Alignment


def span(recording: int, offset: float, matched: int, first: int = 0, last: int = 400, exact: float = 1.0) -> Span:
    line = Line(1.0, offset)
    alignment = Alignment(recording, 1.0, offset, 0.0, matched=matched, fit=exact * matched)
    return Span(alignment, first, last, line, line, matched, 400, 0, 0)


def test_of_two_copies_in_one_recording_that_which_fits_better_comes_first() -> None:
    likeness, copy = span(3, 1000.0, matched=150), span(3, 5000.0, matched=300)
    (best,) = finish_matches([(likeness, -40.0), (copy, -20.0)], 10.0, 1e-3)
    assert best.reference_start_seconds > 100
    assert best.log10_chance == -40.0
    assert best.decision is Decision.MATCH


def test_of_two_copies_with_as_many_peaks_that_which_aligns_more_exactly_comes_first() -> None:
    close, exact = span(3, 1000.0, matched=152, exact=0.6), span(3, 5000.0, matched=150, exact=0.8)
    best = finish_matches([(close, -40.0), (exact, -20.0)], 10.0, 1e-3)[0]
    assert best.reference_start_seconds > 100
    assert best.log10_chance == -40.0


def test_of_two_recordings_the_surer_comes_first() -> None:
    matches = finish_matches([(span(3, 1000.0, matched=150), -40.0), (span(4, 5000.0, matched=300), -20.0)], 10.0, 1e-3)
    assert [match.recording for match in matches] == [3, 4]


def test_a_short_match_does_not_vouch_for_a_long_one() -> None:
    short, long = span(3, 1000.0, matched=80, last=100), span(3, 5000.0, matched=90, last=4000)
    matches = finish_matches([(short, -40.0), (long, -0.5)], 100.0, 1e-3)
    assert matches[0].log10_chance == -40.0
    assert matches[0].reference_start_seconds < 30
