"""Which of two recordings that hold the same sound is the source of the other: evidence, weighed.

Each piece of evidence is a weight in log-odds (natural logarithm); their sum is the logarithm of the odds that the one
is the source. The weights are judgement, not fitted: nobody publishes pairs of which the source is known. What they
have to get right is their order, and that is tested (bench/origin.py): an earlier date beats a better sound, a longer
version beats an excerpt, a compilation is the source of nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sonicgen.domain.quality import Quality

# Full weight from some days on; within a day a feed and a channel of the same publisher may be in any order.
_PUBLISHED = 3.0
# More than a date and most of what the sound says: reposts are dated back, a channel that was named as trusted was
# looked at.
_TRUSTED = 6.0
# A whole version is rarely made from its excerpt. But intros and adverts are added and cut away every day: up to a
# quarter more says nothing; from twice as long on it counts in full. A date of days outweighs it.
_WHOLE_MOST, _WHOLE_FROM, _WHOLE_FULL = 2.5, 1.25, 2.0
_COMPILATION = 10.0  # more than any other two together
_BANDWIDTH_PER_OCTAVE, _BANDWIDTH_MOST = 1.5, 3.0
_BANDWIDTH_LEAST_OCTAVES = 0.05  # two excerpts of one file differ by up to 3 %
# Some codecs put noise where their source had nothing, up to the limit of their mode, and silence where it was quiet:
# what is better by so much was not there before. Of 19 sources re-encoded, Opus at 32 to 96 kb/s raised the measured
# limit by up to 0.7 octaves (10 to 15 kHz, 13 to 22) and widened the range of levels by up to 8 dB, AAC at 64 and 128
# raised the limit by up to 0.5; MP3 did neither.
_FILLED_OCTAVES = {"opus": 1.0, "libopus": 1.0, "aac": 0.6, "aac_fixed": 0.6}
_QUIETED_DB = {"opus": 9.0, "libopus": 9.0}
_NOISE_PER_DB, _NOISE_MOST = 0.25, 3.0
# Levels and floors of copies and their sources: 18 sources as MP3, Opus and AAC at 64 to 128 kb/s differ by up to 3 dB,
# at 24 and 32 kb/s by up to 6. Noise of a third of the sound raises floors by 2 to 23 dB in real recordings, by 24 and
# more in synthetic music, which MP3 at 48 kb/s raises by 14.
_NOISE_LEAST_DB = 3.0
_NOISE_FILLS_DB = 2.0  # so much more noise may be why a spectrum reaches higher
_CLIPPED_MOST, _CLIPPED_LEAST_SHARE = 1.0, 1e-4
# What is measured over a whole recording says less of an excerpt the shorter it is: it is other sound, and the pauses
# of three minutes are not those of one. Parts of 36 real recordings are 3 dB and more from the whole in 15 % of cases
# at four fifths of it, in 28 % at the half, in 37 % at a third (there up to 33 dB). And where one is a quarter longer,
# it cannot be a copy of the other: the only question is whether that is its excerpt. So noise and clipping count in
# full up to a tenth more, not at all from a quarter more on; the spectrum's reach, which depends less on what is
# played, counts half from twice as long on, so that no sound outweighs being the whole.
_COMPARABLE_FROM, _COMPARABLE_TO = 1.1, 1.25
_LOSSLESS = 0.3  # anything can be saved as FLAC
# Of two files by one codec. A copy that sounds as good was mostly made with no more bits, but sites decide that, not
# who copies: it decides between what is otherwise equal. Bit rates that vary do so by a quarter and more.
_BIT_RATE_PER_OCTAVE, _BIT_RATE_MOST, _BIT_RATE_LEAST_OCTAVES = 0.2, 0.4, 0.5
_FASTER = 0.7  # material is sped up more often than slowed down
_FASTER_LEAST = 0.004  # natural logarithm; resampling and drift are below
# Other sound between two stretches that are one in the other: adverts come into finished recordings more often than
# they are cut out without a trace. Both are done, so that anything measured outweighs it; where one is longer by more
# than adverts are, the other is abridged.
_INSERTED = 0.3
INSERTED_LEAST_SECONDS = 1.5  # ends of matches are within half a second of the truth (docs/fingerprint.md)
# With nothing else to go by: less than the least of the others, so that the order in which an archive is read decides
# between equals only.
_ARRIVED = 0.05


@dataclass(frozen=True, slots=True)
class Traits:
    """What is known of a recording that says whether it is a source.

    `is_compilation`: it holds parts of several others that are something else beyond.
    """

    id: UUID
    arrived_at: datetime
    published_at: datetime | None = None
    quality: Quality | None = None
    is_trusted: bool = False
    is_compilation: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason: its stable code, its weight (positive: for the one being the source) and a sentence for people."""

    kind: str
    weight: float
    text: str


@dataclass(frozen=True, slots=True)
class Weighed:
    """How likely one recording is the source of another, and why, the weightiest reason first."""

    log_odds: float
    evidence: tuple[Evidence, ...]

    @property
    def probability(self) -> float:
        """Return the odds as a probability."""
        return 1.0 / (1.0 + math.exp(-self.log_odds))

    def to_json(self) -> dict[str, object]:
        """Return the documented form."""
        return {
            "probability": round(self.probability, 4),
            "evidence": [{"kind": e.kind, "weight": round(e.weight, 2), "text": e.text} for e in self.evidence],
        }


def weigh(
    source: Traits, copy: Traits, *, surplus: float = 1.0, speed: float = 1.0, inserted_seconds: float = 0.0
) -> Weighed:
    """Return how likely `source` is where `copy` comes from.

    `surplus` is how many times as long as the copy the source is (at the source's speed), `speed` how fast the copy
    plays what they have in common (1.02: two percent faster), `inserted_seconds` how much more other sound the copy has
    in between than the source.
    """
    found = [
        *_published(source, copy),
        *_structure(source, copy, surplus),
        *_inserted(inserted_seconds, surplus),
        *_speed(speed),
        *_trust(source, copy),
        *_sound(source.quality, copy.quality, surplus),
        *_arrival(source, copy),
    ]
    found.sort(key=lambda evidence: -abs(evidence.weight))
    return Weighed(math.fsum(evidence.weight for evidence in found), tuple(found))


def _published(source: Traits, copy: Traits) -> list[Evidence]:
    if source.published_at is None or copy.published_at is None:
        return []
    days = (copy.published_at - source.published_at).total_seconds() / 86_400
    weight = math.copysign(_PUBLISHED * (1 - 2 ** -abs(days)), days)
    if abs(weight) < 0.01:
        return []
    how = f"{abs(days):.0f} days" if abs(days) >= 2 else f"{abs(days) * 24:.0f} hours"
    return [Evidence("published", weight, f"It was published {how} {'earlier' if days > 0 else 'later'}.")]


def _structure(source: Traits, copy: Traits, surplus: float) -> list[Evidence]:
    found = []
    longer = max(surplus, 1 / max(surplus, 1e-3))
    if longer > _WHOLE_FROM:
        weight = _WHOLE_MOST * _share(longer, _WHOLE_FROM, _WHOLE_FULL) * (1 if surplus > 1 else -1)
        found.append(
            Evidence("whole", weight, f"{'It' if surplus > 1 else 'The other'} is {longer:.2g} times as long.")
        )
    if source.is_compilation != copy.is_compilation:
        weight = -_COMPILATION if source.is_compilation else _COMPILATION
        whose = "It" if source.is_compilation else "The other"
        found.append(Evidence("compilation", weight, f"{whose} is put together from parts of several recordings."))
    return found


def _inserted(seconds: float, surplus: float) -> list[Evidence]:
    if abs(seconds) < INSERTED_LEAST_SECONDS or max(surplus, 1 / max(surplus, 1e-3)) > _WHOLE_FROM:
        return []
    whose = "The other" if seconds > 0 else "It"
    return [Evidence("inserted", math.copysign(_INSERTED, seconds), f"{whose} has {abs(seconds):.0f} s inserted.")]


def _speed(speed: float) -> list[Evidence]:
    if abs(math.log(speed)) < _FASTER_LEAST:
        return []
    faster = speed > 1.0
    how = f"{abs(speed - 1.0):.1%} {'slower' if faster else 'faster'}"
    return [Evidence("speed", _FASTER if faster else -_FASTER, f"It plays {how} than the other.")]


def _trust(source: Traits, copy: Traits) -> list[Evidence]:
    if source.is_trusted == copy.is_trusted:
        return []
    if source.is_trusted:
        return [Evidence("trusted", _TRUSTED, "Its channel is one of the trusted ones.")]
    return [Evidence("trusted", -_TRUSTED, "The other's channel is one of the trusted ones.")]


def _sound(source: Quality | None, copy: Quality | None, surplus: float) -> list[Evidence]:
    if source is None or copy is None:
        return []
    longer = max(surplus, 1 / max(surplus, 1e-3))
    same_sound = 1.0 - _share(longer, _COMPARABLE_FROM, _COMPARABLE_TO)
    found = [
        *_bandwidth(source, copy, 1.0 - _share(longer, _WHOLE_FROM, _WHOLE_FULL) / 2, same_sound),
        *_noise(source, copy, same_sound),
        *_clipped(source, copy, same_sound),
        *_bit_rate(source, copy),
    ]
    if source.is_lossless != copy.is_lossless:
        weight = _LOSSLESS if source.is_lossless else -_LOSSLESS
        found.append(Evidence("lossless", weight, f"{'It' if source.is_lossless else 'The other'} is a lossless file."))
    return found


def _bandwidth(source: Quality, copy: Quality, counted: float, same_sound: float) -> list[Evidence]:
    octaves = math.log2(max(source.bandwidth_hz, 100.0) / max(copy.bandwidth_hz, 100.0))
    # Noise that was added fills the top of the spectrum too.
    decibels = _noise_decibels(source, copy, same_sound)
    if abs(decibels) >= _NOISE_FILLS_DB and octaves * decibels < 0:
        return []
    higher = source if octaves > 0 else copy
    beyond = abs(octaves) - _FILLED_OCTAVES.get(higher.codec, 0.0)
    if beyond <= _BANDWIDTH_LEAST_OCTAVES:
        return []
    weight = math.copysign(min(beyond * _BANDWIDTH_PER_OCTAVE, _BANDWIDTH_MOST) * counted, octaves)
    text = f"Its sound reaches up to {source.bandwidth_hz / 1000:.1f} kHz, the other's to "
    return [Evidence("bandwidth", weight, f"{text}{copy.bandwidth_hz / 1000:.1f} kHz.")]


def _noise_decibels(source: Quality, copy: Quality, same_sound: float) -> float:
    """Return how much noisier the copy is, by its pauses or by what lies between its notes, whichever tells more.

    The latter depends on what is played: it counts as far as both are the same sound, 0 to 1.
    """
    by_pauses = copy.noise_db - source.noise_db
    quieter = source if by_pauses > 0 else copy
    by_pauses = math.copysign(max(0.0, abs(by_pauses) - _QUIETED_DB.get(quieter.codec, 0.0)), by_pauses)
    if source.floor_db is None or copy.floor_db is None:
        return by_pauses
    return max(by_pauses, (copy.floor_db - source.floor_db) * same_sound, key=abs)


def _noise(source: Quality, copy: Quality, counted: float) -> list[Evidence]:
    decibels = _noise_decibels(source, copy, counted)
    if abs(decibels) < _NOISE_LEAST_DB or counted == 0.0:
        return []
    weight = math.copysign(min(abs(decibels) * _NOISE_PER_DB, _NOISE_MOST) * counted, decibels)
    return [Evidence("noise", weight, f"It is {abs(decibels):.0f} dB {'less' if decibels > 0 else 'more'} noisy.")]


def _bit_rate(source: Quality, copy: Quality) -> list[Evidence]:
    if not source.bit_rate or not copy.bit_rate or source.codec != copy.codec or source.is_lossless or copy.is_lossless:
        return []
    octaves = math.log2(source.bit_rate / copy.bit_rate)
    if abs(octaves) < _BIT_RATE_LEAST_OCTAVES:
        return []
    text = f"It is coded in {source.bit_rate / 1000:.0f} kb/s, the other in {copy.bit_rate / 1000:.0f}."
    return [Evidence("bit_rate", _limited(octaves * _BIT_RATE_PER_OCTAVE, _BIT_RATE_MOST), text)]


def _clipped(source: Quality, copy: Quality, counted: float) -> list[Evidence]:
    clipped = math.log10((copy.clipped_share + _CLIPPED_LEAST_SHARE) / (source.clipped_share + _CLIPPED_LEAST_SHARE))
    if abs(clipped) <= 0.3 or counted == 0.0:
        return []
    weight = _limited(clipped, _CLIPPED_MOST) * counted
    return [Evidence("clipped", weight, f"{'The other' if clipped > 0 else 'It'} is clipped.")]


def _arrival(source: Traits, copy: Traits) -> list[Evidence]:
    earlier = (source.arrived_at, source.id) < (copy.arrived_at, copy.id)
    return [
        Evidence("arrived", _ARRIVED if earlier else -_ARRIVED, f"It was added {'before' if earlier else 'after'} it.")
    ]


def _share(ratio: float, begin: float, end: float) -> float:
    """Return how far a ratio has come from one to another, 0 to 1 on a logarithmic scale."""
    return max(0.0, min(1.0, math.log(ratio / begin) / math.log(end / begin)))


def _limited(weight: float, most: float) -> float:
    return max(-most, min(most, weight))
