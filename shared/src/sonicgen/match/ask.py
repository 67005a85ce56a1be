"""What a query asks of an index, window by window, and the candidates that come back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from sonicgen.match import plan, warp
from sonicgen.match.cached_index import CachedIndex
from sonicgen.match.index import Candidate, Index
from sonicgen.match.verify import FEWEST_INSIDE
from sonicgen.match.votes import Question, find_candidates
from sonicgen.sound.peaks import Peaks

CANDIDATES_PER_WARP = 12
CANDIDATES_VERIFIED = 16
CANDIDATES_OF_A_TIER = 4  # the right one stands out or the next tier will tell
FEWEST_VOTES = 2

Guesses = list[tuple[warp.Warp, Candidate]]  # the most votes first


class Asker:
    """Asks an index about windows of one query."""

    def __init__(self, query: Peaks, index: Index, exclude: Collection[int]) -> None:
        self._query = query
        self._index = CachedIndex(index)
        self._exclude = frozenset(exclude)
        self._answered: dict[tuple[int, int], list[Candidate]] = {}

    def peaks(self, window: plan.Window) -> Peaks:
        """Return the window's peaks, their frames counted from the first."""
        part = slice(window.first, window.last)
        frames = self._query.frames[part]
        return Peaks(frames - frames[0], self._query.pitches[part], self._query.strengths[part])

    def rounds(self, window: plan.Window, peaks: Peaks, known: Sequence[warp.Warp]) -> Iterator[Guesses]:
        """Yield what may be found in a window, the cheapest questions first; whoever asks on has found nothing sure.

        `known`: warps under which the query was found before.
        """
        self._index.forget()  # what one window asks for helps no other, and ten hours have six thousand of them
        if not window.ahead and (window.first, window.last) not in self._answered:
            for tier in plan.TIERS[:-1]:
                yield self.under(warp.UNCHANGED, peaks, round(tier * plan.QUICK_KEYS))[:CANDIDATES_OF_A_TIER]
        yield self._quick(window)
        if window.effort is plan.Effort.QUICK:
            return
        if window.effort is plan.Effort.WARPED:
            yield self.under(warp.GRID, peaks, plan.GLANCE_KEYS)[:CANDIDATES_OF_A_TIER]
        yield self.under([*warp.UNCHANGED, *known], peaks, plan.dense_keys(int(peaks.frames[-1]) if len(peaks) else 0))
        if window.effort is plan.Effort.DENSE:
            return
        swept = self.under(warp.GRID, peaks, plan.SWEEP_KEYS)
        yield swept
        promising = dict.fromkeys(guess for guess, candidate in swept if candidate.votes >= FEWEST_VOTES)
        yield self.under(list(promising)[: plan.FOCUSED_WARPS], peaks, plan.FOCUS_KEYS)

    def under(self, warps: Sequence[warp.Warp], peaks: Peaks, most_keys: int) -> Guesses:
        """Return the candidates of a window under several warps, with at most about `most_keys` keys for each."""
        answers = self._candidates(warp.ask(peaks, warps, most_keys))
        found = [(guess, candidate) for guess, some in zip(warps, answers, strict=True) for candidate in some]
        found.sort(key=lambda item: -item[1].votes)
        return found[:CANDIDATES_VERIFIED]

    def _quick(self, window: plan.Window) -> Guesses:
        """Return the candidates of the query as it is; windows that may come next are asked for at the same time."""
        place = window.first, window.last
        if place not in self._answered:
            windows = [window, *(w for w in window.ahead if w.last - w.first >= FEWEST_INSIDE)]
            questions = [q for w in windows for q in warp.ask(self.peaks(w), warp.UNCHANGED, plan.QUICK_KEYS)]
            answers = self._candidates(questions)
            self._answered = {(w.first, w.last): found for w, found in zip(windows, answers, strict=True)}
        return [(warp.UNCHANGED[0], candidate) for candidate in self._answered[place]]

    def _candidates(self, questions: list[Question]) -> list[list[Candidate]]:
        answers = find_candidates(self._index, questions, CANDIDATES_PER_WARP + len(self._exclude))
        return [[c for c in found if c.recording not in self._exclude] for found in answers]
