"""What tells for a recording being the source of another, and what outweighs what."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonicgen.domain.quality import Quality
from sonicgen.origin.evidence import Traits, weigh

NOW = datetime(2026, 5, 1, tzinfo=UTC)
GOOD = Quality(20_000, 0.0, -40.0, 44_100, "mp3float", is_lossless=False)
POOR = replace(GOOD, bandwidth_hz=8_000.0)
ONE = Traits(UUID(int=1), NOW, quality=GOOD)
OTHER = Traits(UUID(int=2), NOW + timedelta(hours=1), quality=GOOD)
CLEAN = replace(OTHER, quality=replace(GOOD, floor_db=-60.0, bit_rate=192_000))


def days(count: float) -> datetime:
    return NOW - timedelta(days=count)


@st.composite
def traits(draw: st.DrawFn) -> Traits:
    quality = st.builds(
        Quality, st.floats(3_000, 22_000), st.floats(0, 0.1), st.floats(-60, 0), st.just(44_100),
        st.sampled_from(["mp3float", "opus", "aac"]), st.booleans(), st.none() | st.floats(-80, 0),
        st.none() | st.integers(8_000, 320_000),
    )  # fmt: skip
    moments = st.floats(0, 100).map(days)
    return Traits(
        draw(st.uuids()), draw(moments), draw(st.none() | moments), draw(st.none() | quality), draw(st.booleans()),
        draw(st.booleans()),
    )  # fmt: skip


@given(traits(), traits(), st.floats(0.1, 10), st.floats(0.8, 1.25), st.floats(-60, 60))
def test_the_same_evidence_from_the_other_side_is_its_opposite(
    one: Traits, other: Traits, surplus: float, speed: float, inserted: float
) -> None:
    forth = weigh(one, other, surplus=surplus, speed=speed, inserted_seconds=inserted)
    back = weigh(other, one, surplus=1 / surplus, speed=1 / speed, inserted_seconds=-inserted)
    assert forth.log_odds == pytest.approx(-back.log_odds, abs=1e-9)
    assert forth.probability + back.probability == pytest.approx(1)


@pytest.mark.parametrize(
    ("source", "copy", "surplus"),
    [
        (replace(ONE, published_at=days(30), quality=POOR), replace(OTHER, published_at=days(2)), 1.0),
        (replace(OTHER, published_at=days(30)), replace(ONE, published_at=days(2)), 0.3),
        (OTHER, ONE, 2.0),
        (OTHER, replace(ONE, quality=POOR), 1.0),
        (OTHER, replace(ONE, quality=replace(GOOD, clipped_share=0.02)), 1.0),
        (OTHER, replace(ONE, quality=replace(GOOD, bandwidth_hz=22_000.0, noise_db=-25.0)), 1.0),
        # Noise under music without pauses, which its levels do not tell.
        (CLEAN, replace(ONE, quality=replace(GOOD, bandwidth_hz=22_000.0, floor_db=-38.0)), 1.0),
        (CLEAN, replace(ONE, quality=replace(GOOD, bandwidth_hz=22_000.0, floor_db=-57.5, bit_rate=48_000)), 1.0),
        (
            replace(OTHER, quality=replace(GOOD, bit_rate=192_000)),
            replace(ONE, quality=replace(GOOD, bit_rate=48_000)),
            1.0,
        ),
        (replace(OTHER, quality=POOR), replace(ONE, is_compilation=True), 0.2),
        (
            replace(OTHER, is_trusted=True, published_at=days(1), quality=POOR),
            replace(ONE, published_at=days(300)),
            1.0,
        ),
        (ONE, OTHER, 1.0),
        (OTHER, ONE, 1.0 / 0.7),
        (replace(OTHER, quality=replace(POOR, noise_db=-20.0)), ONE, 3.0),
        (replace(ONE, quality=POOR), replace(OTHER, quality=replace(GOOD, bandwidth_hz=15_000.0, codec="opus")), 1.0),
        (ONE, replace(OTHER, quality=replace(GOOD, noise_db=-48.0, codec="opus")), 1.0),
    ],
    ids=[
        "an earlier date beats a better sound",
        "an earlier date beats a longer version",
        "a longer version beats an earlier arrival",
        "a wider spectrum beats an earlier arrival",
        "clipping is a copy's",
        "noise fills the top of the spectrum and is no quality",
        "noise is heard between the notes too",
        "less noise than is evidence may still fill the top",
        "of equals that which has more bits",
        "a compilation is the source of nothing",
        "a trusted channel beats a date and a better sound",
        "of equals the first that arrived",
        "half as long again beats an earlier arrival",
        "the whole beats any sound of an excerpt",
        "what a codec fills by itself is no quality",
        "nor is what it leaves out where it is quiet",
    ],
)
def test_what_outweighs_what(source: Traits, copy: Traits, surplus: float) -> None:
    assert weigh(source, copy, surplus=surplus).log_odds > 0


def test_a_few_seconds_of_intro_say_nothing() -> None:
    assert weigh(ONE, OTHER, surplus=1.1).evidence == weigh(ONE, OTHER).evidence


def test_what_has_an_advert_inserted_is_the_copy_between_equals() -> None:
    assert weigh(OTHER, ONE, surplus=0.9, inserted_seconds=5.0).log_odds > 0
    assert weigh(OTHER, replace(ONE, is_trusted=True), inserted_seconds=5.0).log_odds < 0
    assert weigh(OTHER, ONE, inserted_seconds=1.0).evidence == weigh(OTHER, ONE).evidence
    abridged = weigh(OTHER, ONE, surplus=1.4, inserted_seconds=-14.0)
    assert abridged.evidence == weigh(OTHER, ONE, surplus=1.4).evidence


def test_noise_counts_only_where_the_sound_is_the_same() -> None:
    noisy = replace(ONE, quality=replace(GOOD, noise_db=-20.0))
    weights = [
        weigh(OTHER, noisy, surplus=s).log_odds - weigh(OTHER, ONE, surplus=s).log_odds for s in (1.05, 1.2, 1.3)
    ]
    assert weights[0] == pytest.approx(3.0)
    assert 0.0 < weights[1] < 3.0
    assert weights[2] == pytest.approx(0.0)


def test_what_an_earlier_release_heard_is_compared_by_what_it_measured() -> None:
    earlier = replace(ONE, quality=replace(GOOD, noise_db=-50.0))
    kinds = {evidence.kind: evidence.weight for evidence in weigh(CLEAN, earlier).evidence}
    assert kinds["noise"] == pytest.approx(-2.5)
    assert "bit_rate" not in kinds


def test_bit_rates_of_different_codecs_say_nothing() -> None:
    opus = replace(ONE, quality=replace(GOOD, codec="opus", bit_rate=48_000))
    assert {evidence.kind for evidence in weigh(CLEAN, opus).evidence} == {"arrived"}


def test_a_codec_that_fills_its_top_is_told_by_what_it_lacks() -> None:
    opus = replace(GOOD, codec="opus")
    narrow = replace(opus, bandwidth_hz=4_000.0)
    assert weigh(OTHER, replace(ONE, quality=narrow)).log_odds > 2.0
    assert weigh(replace(OTHER, quality=opus), replace(ONE, quality=narrow)).log_odds > 1.0


def test_what_is_faster_is_the_copy() -> None:
    assert weigh(OTHER, ONE, speed=1.03).log_odds > 0
    assert weigh(OTHER, ONE, speed=0.97).log_odds < 0
    assert weigh(ONE, OTHER, speed=1.001).evidence == weigh(ONE, OTHER).evidence


def test_the_weightiest_reason_comes_first_and_all_are_sentences() -> None:
    verdict = weigh(
        replace(ONE, published_at=days(9)), replace(OTHER, published_at=days(2), quality=POOR), surplus=3.0, speed=1.05
    )
    assert [evidence.kind for evidence in verdict.evidence] == ["published", "whole", "bandwidth", "speed", "arrived"]
    assert [evidence.text for evidence in verdict.evidence] == [
        "It was published 7 days earlier.",
        "It is 3 times as long.",
        "Its sound reaches up to 20.0 kHz, the other's to 8.0 kHz.",
        "It plays 5.0% slower than the other.",
        "It was added before it.",
    ]
    assert verdict.probability > 0.99
    assert verdict.to_json()["probability"] == pytest.approx(verdict.probability, abs=1e-4)
