"""A second of one edition leads to the second of another: a real pair with another intro and an inserted advert."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from sonicgen.cli.console import output
from sonicgen.cli.original import print_moment
from sonicgen.errors import InputError
from sonicgen.local.demo_sounds import make_music
from sonicgen.steps.editions import check_second, editions_of, time_map
from sonicgen.steps.services import Services
from tests.unit.steps.test_originals import Archive, cut

# The other edition: 1.2 s of another intro for the first 2 s, and 3 s of advert after second 25.
INTRO, FROM, ADVERT_AT, ADVERT = 1.2, 2.0, 25.0, 3.0
SHIFT = INTRO - FROM


@pytest.fixture
def editions(services: Services, tmp_path: Path) -> tuple[Archive, UUID, UUID]:
    archive = Archive(services, tmp_path)
    sound = make_music(51, seconds=60, beats_per_minute=101, metre=4)
    foreign = make_music(52, seconds=12, beats_per_minute=140, metre=3)
    parts = [
        cut(foreign, 0, INTRO),
        cut(sound, FROM, ADVERT_AT),
        cut(foreign, 5, 5 + ADVERT),
        cut(sound, ADVERT_AT, 60),
    ]
    first = archive.add("first edition", sound)
    second = archive.add("second edition", np.concatenate(parts), bit_rate=64_000)
    return archive, first, second


def told(archive: Archive, one: UUID, other: UUID, seconds: float) -> str:
    made = time_map(archive.services, archive.get(one), archive.get(other))
    with output.capture() as said:
        print_moment(made, seconds)
    return " ".join(said.get().split())


def test_a_second_in_one_leads_to_the_second_in_the_other(editions: tuple[Archive, UUID, UUID]) -> None:
    archive, first, second = editions
    forth = time_map(archive.services, archive.get(first), archive.get(second))
    back = time_map(archive.services, archive.get(second), archive.get(first))
    for seconds in (5.0, 12.5, 24.5):
        assert forth.at(seconds) == pytest.approx(seconds + SHIFT, abs=0.1)
        assert back.at(seconds + SHIFT) == pytest.approx(seconds, abs=0.1)
    for seconds in (25.5, 40.0, 59.5):
        assert forth.at(seconds) == pytest.approx(seconds + SHIFT + ADVERT, abs=0.1)
        assert back.at(seconds + SHIFT + ADVERT) == pytest.approx(seconds, abs=0.1)
    assert forth.at(1.0) is None, "the other has another intro"
    during = ADVERT_AT + SHIFT + ADVERT / 2
    assert back.at(during) is None
    assert back.resumes_at(during) == pytest.approx(ADVERT_AT + SHIFT + ADVERT, abs=0.3)
    assert [one.other.id for one in editions_of(archive.services, archive.get(first))] == [second]
    assert [one.other.id for one in editions_of(archive.services, archive.get(second))] == [first]


def test_what_people_read(editions: tuple[Archive, UUID, UUID]) -> None:
    archive, first, second = editions
    assert told(archive, first, second, 40.0) == "0:40.0 is 0:42.2 in second edition."
    assert told(archive, second, first, 42.2) == "0:42.2 is 0:40.0 in first edition."
    during = told(archive, second, first, 26.0)
    assert during.startswith("0:26.0 is not in first edition, which goes on at 0:2")
    made = time_map(archive.services, archive.get(second), archive.get(first)).to_json(26.0)
    assert made["to_second"] is None
    assert made["resumes_at"] == pytest.approx(27.2, abs=0.3)
    assert made["gaps"] == [pytest.approx([0.0, 1.2], abs=0.3), pytest.approx([24.2, 27.2], abs=0.3)]


def test_two_copies_are_led_through_their_original(editions: tuple[Archive, UUID, UUID]) -> None:
    archive, first, second = editions
    with archive.services.database.transaction() as connection:  # as it is when neither was there for the other
        connection.execute("delete from matches where video_id = %s and reference_video_id <> %s", (second, first))
    excerpt = archive.add("excerpt", cut(make_music(51, seconds=60, beats_per_minute=101, metre=4), 20, 45))
    assert archive.originals(second, excerpt) == [first, first]
    made = time_map(archive.services, archive.get(excerpt), archive.get(second))
    assert made.at(2.0) == pytest.approx(22.0 + SHIFT, abs=0.1)
    assert made.at(15.0) == pytest.approx(35.0 + SHIFT + ADVERT, abs=0.1)


def test_what_leads_nowhere_is_refused(editions: tuple[Archive, UUID, UUID]) -> None:
    archive, first, _ = editions
    stranger = archive.add("stranger", make_music(53, seconds=20, beats_per_minute=87, metre=3))
    with pytest.raises(InputError, match="Nothing of “first edition” is known to be in “stranger”"):
        time_map(archive.services, archive.get(first), archive.get(stranger))
    with pytest.raises(InputError, match=r"60\.0 s long; it has no second 61"):
        check_second(archive.get(first), 61.0)
    assert editions_of(archive.services, archive.get(stranger)) == []
