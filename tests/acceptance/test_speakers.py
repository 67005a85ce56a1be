"""Real people in a whole embedded cloud: named once, known everywhere, forgotten without a trace."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import pytest

from sonicgen.domain.speaker import RecordingVoice
from sonicgen.domain.transcript import TranscriptState
from sonicgen.local.demo_sounds import RATE_HZ, Sound, read_sound, write_sound
from sonicgen.settings import REPOSITORY
from sonicgen.steps.add_recording import add_recording
from sonicgen.store import transcripts, utterances, voices
from tests.acceptance.conftest import Cloud, cloud, wait_for
from tests.acceptance.test_transcripts import tell

VOICES = REPOSITORY.parent / "shared" / "data" / "voices"
pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not (VOICES / "manifest.csv").exists(), reason=f"the readers' recordings are not at {VOICES}"),
]
# Readers of LibriSpeech that no encoder of ours was trained on, and who is heard in which recording.
PEOPLE = ("1688", "1998", "2033", "2414", "2609", "3005")
STRANGER = "3331"
CASTS = ("01", "12", "23", "34", "45", "50", "03", "14", "25", "012")
TURN_SECONDS = 5.0
TURNS = 2  # of each


@dataclass
class Reader:
    """What one person reads, given out piece by piece."""

    sound: Sound
    at: int = 0

    def say(self, seconds: float) -> Sound:
        start, self.at = self.at, self.at + round(seconds * RATE_HZ)
        assert self.at <= len(self.sound), "that reader has nothing more to say"
        return self.sound[start : self.at]


@pytest.fixture(scope="module")
def readers() -> dict[str, Reader]:
    with (VOICES / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == "libri_other"]
    wanted = (*PEOPLE, STRANGER)
    return {
        one: Reader(np.concatenate([read_sound(VOICES / row["path"]) for row in rows if row["speaker"] == one]))
        for one in wanted
    }


@pytest.fixture(scope="module")
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with cloud(tmp_path_factory.mktemp("data"), SONICGEN_TRANSCRIPTION="local", SONICGEN_EMBEDDER="on") as running:
        wait_for(lambda: _is_ready(running), 60)
        yield running


def _is_ready(system: Cloud) -> bool:
    url = system.services.settings.embedder_url
    try:
        return url is not None and httpx.get(f"{url}/health/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def dialogue(readers: dict[str, Reader], cast: Sequence[str]) -> tuple[Sound, dict[str, Any]]:
    """Return people in turn, and the answer of a provider that hears them right."""
    order = [who for _ in range(TURNS) for who in cast]
    sound = np.concatenate([readers[who].say(TURN_SECONDS) for who in order])
    lines = []
    for number, who in enumerate(order):
        start, label = round(number * TURN_SECONDS * 1000), "ABCDEF"[cast.index(who)]
        words = [
            {"text": f"word{number}x{n}", "start": start + n * 500 + 50, "end": start + n * 500 + 450,
             "confidence": 0.9, "speaker": label}
            for n in range(int(TURN_SECONDS * 2))
        ]  # fmt: skip
        text = " ".join(str(word["text"]) for word in words)
        lines.append({"speaker": label, "start": words[0]["start"], "end": words[-1]["end"], "confidence": 0.9,
                      "text": text, "words": words})  # fmt: skip
    return np.asarray(sound, np.float32), {"audio_duration": len(sound) / RATE_HZ, "utterances": lines}


def add(system: Cloud, folder: Path, title: str, made: tuple[Sound, dict[str, Any]]) -> UUID:
    """Add a recording, and wait until its words are there."""
    sound, answer = made
    path = folder / f"{title}.mp3"
    write_sound(path, sound)
    tell(system, "answers", {"default": answer})
    identifier = add_recording(system.services.settings, path).recording_id

    def is_ready() -> bool:
        found = transcripts.find(system.services.database, identifier)
        return found is not None and found.state is TranscriptState.READY

    wait_for(is_ready)
    return identifier


def heard(system: Cloud, identifier: UUID) -> list[RecordingVoice]:
    """Return a recording's voices once every one of them was listened to."""

    def look() -> list[RecordingVoice] | None:
        with system.services.database.transaction() as connection:
            found = voices.of_video(connection, identifier)
        return found if found and all(each.speaker_id for each in found) else None

    return wait_for(look)


def label_of(system: Cloud, clip: dict[str, Any]) -> str:
    """Return whose clip it is, as the transcript calls them."""
    with system.services.database.transaction() as connection:
        present = voices.of_video(connection, UUID(clip["recording"]))
    return next(voice.label for voice in present if clip["id"] in {str(each.id) for each in voice.clips})


def named(system: Cloud, identifier: UUID) -> dict[str, str | None]:
    """Return what each label of a recording is called in its lines."""
    lines = utterances.of(system.services.database, identifier)
    assert len({(line.speaker, line.speaker_name) for line in lines}) == len({line.speaker for line in lines})
    return {str(line.speaker): line.speaker_name for line in lines}


def test_two_minutes_of_labelling_name_everybody(listening: Cloud, readers: dict[str, Reader], tmp_path: Path) -> None:
    casts = [[PEOPLE[int(who)] for who in cast] for cast in CASTS]
    recordings = {}
    for number, cast in enumerate(casts):
        recordings[add(listening, tmp_path, f"talk {number}", dialogue(readers, cast))] = cast
    for identifier in recordings:
        heard(listening, identifier)
    truth = {(str(i), "ABCDEF"[n]): who for i, cast in recordings.items() for n, who in enumerate(cast)}

    asked, started = 0, time.monotonic()
    with httpx.Client(base_url=f"http://127.0.0.1:{listening.port}", timeout=30) as page:
        while waiting := page.get("/v1/voices", params={"limit": 1}).json()["voices"]:
            voice = waiting[0]
            clip = voice["clips"][0]  # somebody listens to a clip, and knows who that is
            assert page.get(clip["audio_url"]).content.startswith(b"fLaC")
            name = f"Reader {truth[clip['recording'], label_of(listening, clip)]}"
            if asked:
                page.post(f"/v1/voices/{voice['id']}/name", json={"name": name}).raise_for_status()
            else:
                assert listening.command("label", voice["id"], name).returncode == 0
            asked += 1
            assert asked <= 2 * len(PEOPLE), "each is asked about once, twice at most"
    print(f"{asked} answers in {time.monotonic() - started:.0f} s")
    for identifier, cast in recordings.items():
        wanted = {"ABCDEF"[n]: f"Reader {who}" for n, who in enumerate(cast)}
        assert named(listening, identifier) == wanted

    # An eleventh recording: one whom everybody knows by now, and somebody new.
    eleventh = add(listening, tmp_path, "talk eleven", dialogue(readers, [PEOPLE[4], STRANGER]))
    heard(listening, eleventh)
    assert wait_for(lambda: named(listening, eleventh).get("A")) == f"Reader {PEOPLE[4]}"
    assert named(listening, eleventh)["B"] is None
    (unknown,) = listening.json("label", "--limit", "5")
    assert unknown["clips"][0]["recording"] == str(eleventh)
    told = listening.command("transcript", str(eleventh)).stdout
    assert f"Reader {PEOPLE[4]}" in told
    found = listening.json("search", "word0x1", "--speaker", f"Reader {PEOPLE[4]}")
    assert any(hit["speaker_name"] == f"Reader {PEOPLE[4]}" for hit in found["hits"])

    # Whoever is forgotten is found nowhere, and is a stranger from then on.
    forgotten = listening.command("speakers", "forget", f"Reader {PEOPLE[4]}", "--yes", "--json")
    assert forgotten.returncode == 0, forgotten.stdout + forgotten.stderr
    traces = json.loads(forgotten.stdout)["traces"]
    assert traces == {"is_clean": True, "database": {}, "objects": [], "vectors": 0, "mentions": traces["mentions"]}
    assert listening.command("speakers", "show", f"Reader {PEOPLE[4]}").returncode == 1
    assert named(listening, eleventh) == {"A": None, "B": None}
    again = add(listening, tmp_path, "talk twelve", dialogue(readers, [PEOPLE[4], PEOPLE[0]]))
    heard(listening, again)
    assert wait_for(lambda: named(listening, again).get("B")) == f"Reader {PEOPLE[0]}"
    assert named(listening, again)["A"] is None
    part = {each["name"]: each for each in listening.json("doctor")}["speakers"]
    assert part["works"]
    assert "5 people" in part["detail"]


def test_enrolment_by_command(listening: Cloud, readers: dict[str, Reader], tmp_path: Path) -> None:
    good, short, both = (tmp_path / f"{name}.mp3" for name in ("good", "short", "both"))
    write_sound(good, readers[STRANGER].say(15.0))
    write_sound(short, readers[STRANGER].say(3.0))
    given = ("--name", "Stranger", "--consent-by", "Stranger", "--purpose", "a test")
    refused = listening.command("speakers", "enroll", short, *given)
    assert refused.returncode == 2
    assert "too little speech" in refused.stdout
    pieces = [readers[who].say(5.0) for who in (STRANGER, PEOPLE[5], STRANGER, PEOPLE[5])]
    write_sound(both, np.concatenate(pieces))
    two = listening.command("speakers", "enroll", both, *given, "--json")
    assert (two.returncode, json.loads(two.stdout)["reason"]) == (2, "several_voices")
    done = listening.command("speakers", "enroll", good, *given, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["state"] == "enrolled"
    shown = listening.json("speakers", "show", "stranger")
    assert shown["consents"][0]["purpose"] == "a test"
    assert shown["appearances"], "past recordings have the name"
    taken = listening.command("speakers", "enroll", good, *given)
    assert taken.returncode == 2
