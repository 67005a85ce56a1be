"""From spans that were found one by one to the list of matches that is returned."""

from __future__ import annotations

from sonicgen.domain.match import Decision, Match
from sonicgen.match import chance
from sonicgen.match.ranges import LARGEST_GAP_FRAMES, Span
from sonicgen.sound.spectrum import FFT_SIZE, FRAMES_PER_SECOND, HOP, SAMPLE_RATE_HZ

MOST_UNSURE = 3
# Two pieces of a recording belong together when the line of one meets the other within this.
SAME_LINE_FRAMES = 6.0
SAME_TEMPO = 0.01
# The same stretch of a query may lie on several places of one recording (a chorus, a jingle, a loop). Another place is
# returned when it is nearly as good as the best; weaker ones are likenesses inside the music, and loops have dozens.
ALTERNATIVE_SHARE = 0.8
MOST_ALTERNATIVES = 5
# An end this near to the end of the query is the end of the query: the last peaks are not at its very edge.
SNAP_SECONDS = 0.4
_FRAME_SECONDS = FFT_SIZE / SAMPLE_RATE_HZ


def _overlap(one: Span, other: Span) -> float:
    """Return the share of the shorter that both cover of the query."""
    common = min(one.last_frame, other.last_frame) - max(one.first_frame, other.first_frame) + 1
    shorter = min(one.last_frame - one.first_frame, other.last_frame - other.first_frame) + 1
    return max(0, common) / shorter


def _is_same_line(one: Span, other: Span) -> bool:
    if one.alignment.recording != other.alignment.recording:
        return False
    left, right = (one, other) if one.first_frame <= other.first_frame else (other, one)
    if right.first_frame - left.last_frame > LARGEST_GAP_FRAMES:
        return False
    if abs(left.last_line.tempo / right.first_line.tempo - 1.0) > SAME_TEMPO:
        return False
    meeting = min(left.last_frame, right.last_frame)
    return abs(left.last_line.at(meeting) - right.first_line.at(meeting)) <= SAME_LINE_FRAMES


def _is_same_place(one: Span, other: Span) -> bool:
    """Return whether two spans that overlap say the same, but for a slightly different tempo."""
    middle = (max(one.first_frame, other.first_frame) + min(one.last_frame, other.last_frame)) / 2
    return abs(one.line_at(middle).at(middle) - other.line_at(middle).at(middle)) <= SAME_LINE_FRAMES


def _join(one: Span, other: Span) -> Span:
    left, right = (one, other) if one.first_frame <= other.first_frame else (other, one)
    end = left if left.last_frame > right.last_frame else right
    apart = _overlap(one, other) == 0.0
    larger = max(one, other, key=lambda span: span.matched)
    return Span(
        larger.alignment,
        left.first_frame,
        end.last_frame,
        left.first_line,
        end.last_line,
        one.matched + other.matched if apart else larger.matched,
        one.inside + other.inside if apart else larger.inside,
        larger.matched_outside,
        larger.inside_outside,
    )


def merge_spans(found: list[tuple[Span, float]]) -> list[tuple[Span, float]]:
    """Join the spans that lie on the same line of the same recording."""
    merged: list[tuple[Span, float]] = []
    for span, expected in sorted(found, key=lambda item: item[0].first_frame):
        for i, (other, other_expected) in enumerate(merged):
            if _is_same_line(span, other):
                merged[i] = (_join(other, span), min(expected, other_expected))
                break
        else:
            merged.append((span, expected))
    return merged


def is_other_copy(one: Span, other: Span) -> bool:
    """Return whether two spans lay the same stretch of the query on two places of one recording."""
    if one.alignment.recording != other.alignment.recording:
        return False
    common = min(one.last_frame, other.last_frame) - max(one.first_frame, other.first_frame)
    return 2 * common > max(one.last_frame - one.first_frame, other.last_frame - other.first_frame)


def _fit(span: Span) -> float:
    """Return how many peaks align along a span, weighted by how exactly they do in the window that was verified."""
    return span.matched * span.alignment.fit / max(span.alignment.matched, 1)


def _best_copies_first(spans: list[tuple[Span, float]]) -> list[tuple[Span, float]]:
    """Return the spans by chance, but of several copies in one recording (a loop) that which fits most peaks first.

    The recording is as sure as the surest of them; which copy it is, the chances do not tell: each is measured against
    what its own surroundings align by accident (verify.CLOSE_FIT has figures).
    """
    ordered = sorted(spans, key=lambda item: item[1])
    for i, (_, expected) in enumerate(ordered):
        for j in range(i + 1, len(ordered)):
            best, other = ordered[i][0], ordered[j][0]
            if _fit(other) > _fit(best) and is_other_copy(best, other):
                ordered[i], ordered[j] = (other, expected), (best, ordered[j][1])
    return ordered


def _drop_likenesses(spans: list[tuple[Span, float]]) -> list[tuple[Span, float]]:
    """Keep, for each stretch of the query and recording, the best place and those nearly as good."""
    kept: list[tuple[Span, float]] = []
    for span, expected in _best_copies_first(spans):
        rivals = [
            other
            for other, _ in kept
            if other.alignment.recording == span.alignment.recording and _overlap(span, other) > 0.5
        ]
        if len(rivals) >= MOST_ALTERNATIVES or any(_is_same_place(span, rival) for rival in rivals):
            continue
        if all(span.matched >= ALTERNATIVE_SHARE * rival.matched for rival in rivals):
            kept.append((span, expected))
    return kept


def to_match(span: Span, expected: float, seconds: float, decision: Decision) -> Match:
    """Return the span in seconds; its ends are those of the analysed frames, or of the query itself."""
    start = span.first_frame / FRAMES_PER_SECOND
    end = span.last_frame * HOP / SAMPLE_RATE_HZ + _FRAME_SECONDS
    tempo = (span.last_reference - span.first_reference) / max(span.last_frame - span.first_frame, 1)
    if span.last_frame - span.first_frame < FRAMES_PER_SECOND:
        tempo = span.alignment.tempo
    reference_start = span.first_reference / FRAMES_PER_SECOND
    if start <= SNAP_SECONDS and reference_start >= start * tempo:
        start, reference_start = 0.0, reference_start - start * tempo
    end = seconds if seconds - end <= SNAP_SECONDS else end
    return Match(
        recording=span.alignment.recording,
        query_start_seconds=start,
        query_end_seconds=end,
        reference_start_seconds=max(0.0, reference_start),
        reference_end_seconds=max(0.0, reference_start) + tempo * (end - start),
        speed=tempo,
        pitch=span.alignment.pitch,
        score=float(span.matched),
        probability=chance.probability(expected),
        log10_chance=expected,
        decision=decision,
    )


def finish_matches(found: list[tuple[Span, float]], seconds: float, rate: float) -> list[Match]:
    """Return the matches, best first: the sure ones, then at most three unsure ones where no sure one lies."""
    spans = _drop_likenesses(merge_spans(found))
    sure = [item for item in spans if chance.decide(item[1], rate) is Decision.MATCH]
    unsure = [
        item
        for item in spans
        if chance.decide(item[1], rate) is Decision.UNSURE and all(_overlap(item[0], s) < 0.5 for s, _ in sure)
    ]
    matches = [to_match(span, expected, seconds, Decision.MATCH) for span, expected in sure]
    matches += [to_match(span, expected, seconds, Decision.UNSURE) for span, expected in unsure[:MOST_UNSURE]]
    return matches
