"""The old rules beside the one in use, on real recordings: the table in docs/fingerprint.md.

pytest -s tests/unit/match/test_policies_measured.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from sonicgen.domain.match import Decision
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.policies import MatchPolicy, rule
from sonicgen.match.search import find_matches
from sonicgen.sound.decode import decode_blocks
from sonicgen.sound.landmarks import index_landmarks
from sonicgen.sound.spectrum import SAMPLE_RATE_HZ
from tests.unit.sound.signals import Samples, at_speed, fingerprint_of, noise, shared_recordings

KNOWN, STRANGERS = 12, 8
# Audio books begin and end with announcements that many of them share.
EDGE_SECONDS = 36.0
SHORTEST_SECONDS = 2 * EDGE_SECONDS + 30.0


def seconds(sound: Samples) -> float:
    return len(sound) / SAMPLE_RATE_HZ


def cut(sound: Samples, start: float, length: float) -> Samples:
    first = round(start * SAMPLE_RATE_HZ)
    return sound[first : first + round(length * SAMPLE_RATE_HZ)]


def noisy(sound: Samples) -> Samples:
    """Return the sound with white noise 6 dB below it."""
    level = 0.5 * float(np.sqrt(np.mean(sound**2)))
    return (sound + noise(seconds(sound) + 1, seed=3, level=level)[: len(sound)]).astype(np.float32)


def accepted(sound: Samples, index: MemoryIndex) -> dict[str, int | None]:
    """Return the recording that each policy takes for the source."""
    clip = fingerprint_of(sound)
    sure = [match for match in find_matches(clip, index) if match.decision is Decision.MATCH]
    answers: dict[str, int | None] = {"chance": sure[0].recording if sure else None}
    for policy in (MatchPolicy.V1, MatchPolicy.V2):
        ruling = rule(policy, *index_landmarks(clip.peaks), index)
        answers[str(policy)] = ruling.recording if ruling.is_accepted else None
    return answers


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_old_rules_on_real_recordings() -> None:
    files = sorted((shared_recordings() / "recordings").iterdir())
    order = np.random.default_rng(1).permutation(len(files))
    sounds: list[Samples] = []
    for number in order:
        sound = np.concatenate(list(decode_blocks(files[number])))
        if seconds(sound) >= SHORTEST_SECONDS:
            sounds.append(sound)
        if len(sounds) == KNOWN + STRANGERS:
            break
    known, strangers = sounds[:-STRANGERS], sounds[-STRANGERS:]
    index = MemoryIndex()
    for number, sound in enumerate(known):
        index.add(number, fingerprint_of(sound))

    def clips(length: float, change: Callable[[Samples], Samples] = np.copy) -> Iterator[tuple[int, Samples]]:
        for number, sound in enumerate(known):
            yield number, change(cut(sound, EDGE_SECONDS + 0.37 * number % 5, length))

    new = np.concatenate([cut(sound, EDGE_SECONDS, 30.0) for sound in strangers])
    rows: dict[str, Iterator[tuple[int, Samples]]] = {
        "5 s": clips(5),
        "10 s": clips(10),
        "10 s, noise at 6 dB": clips(10, noisy),
        "10 s, 2 % faster": clips(10, lambda sound: at_speed(sound, 1.02)),
        "whole": enumerate(known),
        "whole, 2 % faster": ((number, at_speed(sound, 1.02)) for number, sound in enumerate(known)),
        "240 s of others, then 60 s of it": (
            (number, np.concatenate([new, cut(sound, EDGE_SECONDS, 60.0)])) for number, sound in enumerate(known[:6])
        ),
        "10 s of nowhere": ((-1, cut(sound, EDGE_SECONDS, 10.0)) for sound in strangers),
    }
    found: dict[str, dict[str, float]] = {}
    wrong = dict.fromkeys(("chance", "v1", "v2"), 0)
    for name, queries in rows.items():
        answers = [(truth, accepted(sound, index)) for truth, sound in queries]
        found[name] = {p: sum(given[p] == truth for truth, given in answers) / len(answers) for p in wrong}
        for policy in wrong:
            wrong[policy] += sum(given[policy] not in (None, truth) for truth, given in answers)
        print(f"{name:34}", len(answers), {policy: f"{share:.0%}" for policy, share in found[name].items()})
    print("wrong", wrong)
    for name in list(found)[:-1]:
        assert found[name]["chance"] >= found[name]["v2"]
        assert found[name]["chance"] >= found[name]["v1"]
    assert wrong["chance"] == 0
    assert all(found[name]["v1"] == 0.0 for name in list(found)[:4]), "a clip is always too short for it"
    assert found["10 s, 2 % faster"]["v2"] == 0.0
    assert found["10 s"]["v2"] < 0.9
