"""The old service's routes over HTTP: its fields, and its parameters wherever they stand."""

from __future__ import annotations

import io
import json
import pickle
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from sonicgen.voices.samples import SAMPLE_RATE_HZ
from tests.unit.embedder.conftest import Service
from tests.unit.embedder.sounds import dialogue, spoken, wav
from tests.unit.voices.signals import HIGH, LOW, silence

RAN = {"processing_time", "model", "backend", "model_device", "audio_duration", "warnings"}


def post(service: Service, path: str, files: Any, status: int = 200, **more: Any) -> dict[str, Any]:
    with service.client() as client:
        answer = client.post(path, files=files, **more)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def at(place: str, values: dict[str, str]) -> dict[str, Any]:
    """Return parameters where they are to stand: "data" is the form, "params" the query."""
    return {place: values}


def npy(values: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, values, **options)
    return out.getvalue()


def test_an_embedding_has_every_promised_field(service: Service) -> None:
    found = post(service, "/embedding", {"file": ("a.wav", wav(spoken()))})
    assert set(found) == RAN | {"embedding", "normalized", "speech_duration"}
    assert found["model"] == {"name": "cepstra", "version": "1", "dimension": 24, "slope": 10.0, "offset": -4.0}
    assert (found["backend"], found["model_device"]) == ("numpy-cpu", "cpu")
    assert len(found["embedding"]) == 24
    assert np.linalg.norm(found["embedding"]) == pytest.approx(1, abs=1e-5)
    assert found["audio_duration"] == pytest.approx(7, abs=0.05)
    assert 5 < found["speech_duration"] < 6.6
    assert 0 < found["processing_time"] < 10


@pytest.mark.parametrize("place", ["data", "params"])
def test_normalize_is_heard_in_the_form_and_in_the_query(service: Service, place: str) -> None:
    found = post(service, "/embedding", {"file": ("a.wav", wav(spoken()))}, **at(place, {"normalize": "false"}))
    assert found["normalized"] is False
    assert np.linalg.norm(found["embedding"]) < 0.9999  # the mean of several unit vectors


def test_the_form_counts_when_the_query_says_something_else(service: Service) -> None:
    more: dict[str, Any] = {"data": {"normalize": "false"}, "params": {"normalize": "true"}}
    assert post(service, "/embedding", {"file": ("a.wav", wav(spoken()))}, **more)["normalized"] is False


def test_a_diarization_has_every_promised_field(service: Service) -> None:
    found = post(service, "/diarize", {"file": ("a.wav", wav(dialogue()))})
    assert set(found) == RAN | {"diarization_results", "segments_count", "num_speakers", "diarizer"}
    assert found["segments_count"] == len(found["diarization_results"])
    # Made voices in a turn can sound like two at once, which adds a short segment of the other.
    whole = [each["speaker"] for each in found["diarization_results"] if each["end"] - each["start"] > 2]
    assert whole == ["SPEAKER_00", "SPEAKER_01"] * 2
    assert found["diarizer"] == "own-cepstra"
    assert found["audio_duration"] == pytest.approx(28, abs=0.05)


@pytest.mark.parametrize("place", ["data", "params"])
@pytest.mark.parametrize(
    ("name", "value", "speakers"), [("num_speakers", 1, 1), ("max_speakers", 1, 1), ("min_speakers", 3, 3)]
)
def test_what_is_known_of_the_speakers_is_heard_in_the_form_and_in_the_query(
    service: Service, place: str, name: str, value: int, speakers: int
) -> None:
    found = post(service, "/diarize", {"file": ("a.wav", wav(dialogue()))}, **at(place, {name: str(value)}))
    assert found["num_speakers"] == speakers


@pytest.mark.parametrize("place", ["data", "params"])
def test_min_duration_leaves_short_turns_out(service: Service, place: str) -> None:
    sound = np.concatenate([spoken(LOW, 4.0), spoken(HIGH, 8.0)])
    values = {"num_speakers": "2", "min_duration": "6"}
    found = post(service, "/diarize", {"file": ("a.wav", wav(sound))}, **at(place, values))
    assert [each["speaker"] for each in found["diarization_results"]] == ["SPEAKER_01"]


def test_one_voice_is_a_possible_answer(service: Service) -> None:
    found = post(service, "/diarize", {"file": ("a.wav", wav(spoken(LOW, 20.0)))})
    assert found["num_speakers"] == 1


def test_where_nobody_speaks_nobody_is_found(service: Service) -> None:
    found = post(service, "/diarize", {"file": ("a.wav", wav(silence(5.0)))})
    assert (found["diarization_results"], found["segments_count"], found["num_speakers"]) == ([], 0, 0)


@pytest.mark.parametrize(
    "values",
    [
        {"num_speakers": "0"},
        {"num_speakers": "two"},
        {"min_speakers": "4", "max_speakers": "2"},
        {"min_duration": "-1"},
    ],
)
def test_a_wrong_parameter_is_refused_with_the_documented_body(service: Service, values: dict[str, str]) -> None:
    found = post(service, "/diarize", {"file": ("a.wav", wav(dialogue()))}, 422, data=values)
    assert set(found) == {"detail", "code", "error_type", "timestamp"}
    assert (found["code"], found["error_type"]) == ("invalid_parameter", "ValidationError")
    assert all(name in found["detail"] for name in values)
    datetime.fromisoformat(found["timestamp"])


def test_one_voice_twice_and_two_voices(service: Service) -> None:
    first, again, other = (
        ("x.wav", wav(sound)) for sound in (spoken(LOW, 6.0, 1), spoken(LOW, 6.0, 2), spoken(HIGH, 6.0, 3))
    )
    same = post(service, "/compare", {"file1": first, "file2": again})
    different = post(service, "/compare", {"file1": first, "file2": other})
    assert set(same) == RAN | {"similarity_score", "same_speaker", "threshold", "threshold_source", "probability"}
    # The calibration's even odds: slope 10, offset -4.
    assert (same["threshold"], same["threshold_source"]) == (0.4, "calibration")
    assert same["similarity_score"] > different["similarity_score"]
    for found in (same, different):
        assert found["same_speaker"] is (found["similarity_score"] >= 0.4)
        assert (found["probability"] >= 0.5) is found["same_speaker"]


@pytest.mark.parametrize("place", ["data", "params"])
@pytest.mark.parametrize(("threshold", "same"), [("-1", True), ("1", False)])
def test_the_callers_threshold_decides(service: Service, place: str, threshold: str, same: bool) -> None:
    files = {"file1": ("x.wav", wav(spoken(LOW))), "file2": ("y.wav", wav(spoken(HIGH)))}
    found = post(service, "/compare", files, **at(place, {"threshold": threshold}))
    assert found["same_speaker"] is same
    assert (found["threshold"], found["threshold_source"]) == (float(threshold), "request")


@pytest.mark.parametrize("threshold", ["nan", "7", "high"])
def test_a_threshold_that_is_no_cosine_is_refused(service: Service, threshold: str) -> None:
    files = {"file1": ("x.wav", wav(spoken(LOW))), "file2": ("y.wav", wav(spoken(HIGH)))}
    assert post(service, "/compare", files, 422, data={"threshold": threshold})["code"] == "invalid_parameter"


def test_stored_embeddings_in_every_form(service: Service) -> None:
    sound = ("x.wav", wav(spoken()))
    answer = post(service, "/embedding", {"file": sound})
    vector = np.array(answer["embedding"], np.float32)
    for stored in (
        json.dumps(answer["embedding"]).encode(),
        json.dumps(answer).encode(),
        json.dumps([answer["embedding"], answer["embedding"]]).encode(),
        npy(3 * vector),
        npy(vector.astype(np.float64)[None]),
    ):
        found = post(service, "/compare_embedding", {"audio": sound, "embedding": ("e", stored)})
        assert found["similarity_score"] == pytest.approx(1, abs=1e-4)
        assert found["same_speaker"] is True


def test_stored_embeddings_that_are_refused(service: Service) -> None:
    sound = ("x.wav", wav(spoken()))
    vector = np.ones(24, np.float32)
    other = {"embedding": vector.tolist(), "model": {"name": "cepstra", "version": "0", "dimension": 24}}
    for stored, status, code in (
        (pickle.dumps(vector), 415, "pickle_refused"),
        (pickle.dumps(vector.tolist(), protocol=0), 415, "pickle_refused"),
        (npy(np.array([vector, None], dtype=object), allow_pickle=True), 415, "pickle_refused"),
        (json.dumps(other).encode(), 409, "other_model"),
        (npy(np.ones(192, np.float32)), 422, "wrong_dimension"),
        (npy(np.zeros(24, np.float32)), 422, "bad_embedding"),
        (npy(np.full(24, np.nan, np.float32)), 422, "bad_embedding"),
        (npy(vector)[:-9], 422, "bad_embedding"),
        (b'{"embedding": "text"}', 422, "bad_embedding"),
        (b"", 422, "bad_embedding"),
        (b"[" * 100_000, 422, "bad_embedding"),
        (b"[" + b" " * (9 << 20), 413, "too_large"),
    ):
        found = post(service, "/compare_embedding", {"audio": sound, "embedding": ("e", stored)}, status)
        assert found["code"] == code, found


def test_a_part_of_a_sound_is_compared(service: Service) -> None:
    answer = post(service, "/embedding", {"file": ("x.wav", wav(spoken(HIGH, 6.0, 5)))})
    files = {"audio": ("d.wav", wav(dialogue())), "embedding": ("e", json.dumps(answer).encode())}
    low = post(service, "/compare_embedding", files, data={"segment_end_time": "5"})
    high = post(service, "/compare_embedding", files, params={"segment_start_time": "5", "segment_end_time": "10"})
    assert high["similarity_score"] > low["similarity_score"] + 0.1
    for values in ({"segment_start_time": "30"}, {"segment_start_time": "9", "segment_end_time": "5"}):
        assert post(service, "/compare_embedding", files, 422, data=values)["code"] == "bad_range"


def test_several_files_have_each_their_result_or_problem(service: Service) -> None:
    files = [
        ("files", ("a.wav", wav(spoken(LOW)))),
        ("files", ("b.txt", b"no sound")),
        ("file", ("c.wav", wav(spoken(HIGH)))),
    ]
    found = post(service, "/embedding", files)
    assert (found["succeeded"], found["failed"]) == (2, 1)
    names = {each["filename"]: each for each in found["results"]}
    assert names["b.txt"]["result"] is None
    assert names["b.txt"]["error"]["code"] == "not_audio"
    alone = post(service, "/embedding", {"file": ("a.wav", wav(spoken(LOW)))})
    assert names["a.wav"]["result"]["embedding"] == pytest.approx(alone["embedding"], abs=1e-6)
    assert names["a.wav"]["result"]["embedding"] != names["c.wav"]["result"]["embedding"]


def test_several_recordings_are_diarized_in_one_call(service: Service) -> None:
    files = [("file", ("a.wav", wav(dialogue()))), ("file", ("b.wav", wav(spoken(LOW, 8.0))))]
    found = post(service, "/diarize", files)
    assert [each["result"]["num_speakers"] for each in found["results"]] == [2, 1]
    assert found["audio_duration"] == pytest.approx(37, abs=0.1)


def test_the_description_names_every_route_and_both_places_of_a_parameter(service: Service) -> None:
    with service.client() as client:
        described = client.get("/openapi.json").json()
    routes = {"/health", "/health/live", "/health/ready", "/metrics", "/diarize", "/embedding", "/compare"}
    routes |= {"/compare_embedding", "/embed", "/identify", "/diarize/object"}
    assert routes <= set(described["paths"])
    diarize = described["paths"]["/diarize"]["post"]
    assert "num_speakers" in {each["name"] for each in diarize["parameters"]}
    form = diarize["requestBody"]["content"]["multipart/form-data"]["schema"]["$ref"].rpartition("/")[2]
    assert {"file", "files", "num_speakers", "min_duration"} <= set(
        described["components"]["schemas"][form]["properties"]
    )
    assert "/Problem" in diarize["responses"]["422"]["content"]["application/json"]["schema"]["$ref"]


def test_sample_rates_and_channels_are_no_matter(service: Service) -> None:
    sound = spoken(LOW, 8.0)
    plain = np.array(post(service, "/embedding", {"file": ("a.wav", wav(sound))})["embedding"])
    eight = post(service, "/embedding", {"file": ("a.wav", wav(sound, channels=8))})
    telephone = post(service, "/embedding", {"file": ("a.wav", wav(sound[::2], rate_hz=SAMPLE_RATE_HZ // 2))})
    assert np.array(eight["embedding"]) @ plain > 0.999
    assert telephone["audio_duration"] == pytest.approx(9, abs=0.05)
    assert np.array(telephone["embedding"]) @ plain > 0.3
