"""A speaker_map.json of the older system names voices; what does not fit is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sonicgen.errors import InputError
from sonicgen.steps.import_speaker_map import import_speaker_map
from sonicgen.steps.services import Services
from tests.unit.steps.speakers import ANNA, BERT, hear, names, record


def test_a_map_names_voices_once(listening: Services, tmp_path: Path) -> None:
    one = record(listening, tmp_path, [("A", ANNA), ("B", BERT)] * 2, seed=1, title="episode 1.mp3")
    two = record(listening, tmp_path, [("A", BERT), ("B", ANNA)] * 2, seed=2, title="episode 2.mp3")
    for each in (one, two):
        hear(listening, each)
    path = tmp_path / "speaker_map.json"
    path.write_text(
        json.dumps(
            {
                "episode 1.json": {"Speaker A": "Anna Bell", "speaker_b": "Speaker B"},
                "episode 2": {"A": "Bert"},
                "episode 3": {"A": "Carl"},
                str(two.id): {"Z": "Zoe"},
            }
        )
    )
    done = import_speaker_map(listening, path, by="tester")
    assert done.named == 2
    assert len(done.problems) == 2
    assert names(listening, one) == ["Anna Bell", "Bert"] * 2, "the second map names Bert in both"
    assert names(listening, two) == ["Bert", "Anna Bell"] * 2
    assert import_speaker_map(listening, path, by="tester").named == 0


@pytest.mark.parametrize("text", ["", "[1]", '{"A": "Anna"}'])
def test_what_is_no_map_is_refused(services: Services, tmp_path: Path, text: str) -> None:
    path = tmp_path / "speaker_map.json"
    path.write_text(text)
    with pytest.raises(InputError):
        import_speaker_map(services, path, by="tester")
