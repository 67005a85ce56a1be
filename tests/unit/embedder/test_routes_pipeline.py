"""The pipeline's routes, asked by its own client: objects of the bucket, spans, people of the gallery."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import uuid4

import numpy as np
import pytest

from sonicgen.cloud import objects
from sonicgen.cloud.objects import upload_file
from sonicgen.domain.embedding import HeardVector, Hints, Sound, Span, Voice
from sonicgen.domain.gallery import Voiceprint
from sonicgen.errors import InputError, NotFoundError
from sonicgen.services.embedder import HttpEmbedder
from sonicgen.steps.services import Services
from tests.unit.embedder.conftest import Service, Start
from tests.unit.embedder.conftest import services as services_of
from tests.unit.embedder.sounds import Sound as Samples
from tests.unit.embedder.sounds import dialogue, spoken, wav
from tests.unit.voices.signals import HIGH, LOW, silence

Put = Callable[[Samples], Sound]


BUCKET = "embedder-clips"


@pytest.fixture(scope="module")
def service(emulators: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """An embedder that reaches the embedded buckets, and no database."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in emulators.items():
            patch.setenv(name, value)
        patch.delenv("DATABASE_URL", raising=False)
        objects.ensure_bucket(BUCKET)
        with services_of(tmp_path_factory.mktemp("scratch")) as begin:
            yield begin()


@pytest.fixture(scope="module")
def put(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Put:
    """Put sounds into the bucket."""
    folder = tmp_path_factory.mktemp("clips")

    def make(sound: Samples) -> Sound:
        path = folder / f"{uuid4()}.wav"
        path.write_bytes(wav(sound))
        stored = upload_file(BUCKET, f"clips/{path.name}", path)
        return Sound(stored.bucket, stored.name, stored.generation)

    return make


@pytest.fixture(scope="module")
def embedder(service: Service) -> Iterator[HttpEmbedder]:
    """The pipeline's client of it."""
    client = HttpEmbedder(service.url)
    yield client
    client.close()


def cosine(first: tuple[float, ...] | None, second: tuple[float, ...] | None) -> float:
    assert first is not None
    assert second is not None
    return float(np.dot(first, second))


def test_who_runs_is_told(embedder: HttpEmbedder) -> None:
    runner = embedder.runner()
    assert (runner.model.key, runner.model.dimension) == ("cepstra-1", 24)
    assert (runner.backend, runner.device, runner.slope, runner.offset) == ("numpy-cpu", "cpu", 10.0, -4.0)


def test_whole_objects_become_vectors_in_order(embedder: HttpEmbedder, put: Put) -> None:
    low, again, high = put(spoken(LOW, 6.0, 1)), put(spoken(LOW, 6.0, 2)), put(spoken(HIGH, 6.0, 3))
    found = embedder.embed([low, again, high])
    assert [each.sound for each in found.sounds] == [low, again, high]
    first, second, third = (each.vectors[0].vector for each in found.sounds)
    assert np.linalg.norm(first or ()) == pytest.approx(1, abs=1e-5)
    assert cosine(first, second) > cosine(first, third) + 0.1
    assert found.sounds[0].vectors[0].span == Span(0.0, 7.0)
    assert 5 < found.sounds[0].vectors[0].speech_seconds < 6.6


def test_an_object_is_decoded_once_however_many_spans(
    embedder: HttpEmbedder, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real = objects.open_object

    def counted(bucket: str, name: str, generation: int | None = None) -> objects.ObjectReader:
        opened.append(name)
        return real(bucket, name, generation)

    monkeypatch.setattr("sonicgen.embedder.work.open_object", counted)
    stored = put(dialogue())
    spans = (Span(0.5, 6.5), Span(7.5, 13.5), Span(14.5, 20.5), Span(1.0, 5.0))
    found = embedder.embed([Sound(stored.bucket, stored.name, stored.generation, spans)]).sounds[0]
    assert opened == [stored.name]
    assert tuple(each.span for each in found.vectors) == spans
    low, high, low_again, part = (each.vector for each in found.vectors)
    assert cosine(low, low_again) > cosine(low, high) + 0.1
    assert cosine(low, part) > cosine(low, high) + 0.1
    assert found.duration_seconds == pytest.approx(28, abs=0.05)


def test_what_cannot_be_used_has_its_problem_in_its_place(embedder: HttpEmbedder, put: Put) -> None:
    good, quiet = put(spoken(LOW)), put(np.concatenate([spoken(LOW), silence(20.0)]))
    missing = Sound(good.bucket, "clips/none.wav")
    spans = (Span(1.0, 5.0), Span(18.0, 22.0), Span(2.0, 2.1), Span(40.0, 50.0))
    found = embedder.embed([missing, good, Sound(quiet.bucket, quiet.name, None, spans)]).sounds
    assert found[0].problem is not None
    assert (found[0].problem.code, found[0].problem.is_transient, found[0].vectors) == ("not_found", False, ())
    assert found[1].vectors[0].vector is not None
    codes = [each.problem.code if each.problem else None for each in found[2].vectors]
    assert codes == [None, "no_speech", "too_short", "bad_range"]


def test_nothing_asked_is_nothing_answered(embedder: HttpEmbedder) -> None:
    assert embedder.embed([]).sounds == ()


def test_a_span_that_ends_before_it_starts_is_refused(embedder: HttpEmbedder, put: Put) -> None:
    stored = put(spoken(LOW))
    backwards = Sound(stored.bucket, stored.name, None, (Span(5.0, 1.0),))
    problem = embedder.embed([backwards]).sounds[0].vectors[0].problem
    assert problem is not None
    assert problem.code == "bad_range"
    with pytest.raises(InputError, match="spans"):
        embedder.embed([Sound(stored.bucket, stored.name, None, (Span(-1.0, 1.0),))])


def test_an_object_is_diarized(embedder: HttpEmbedder, put: Put) -> None:
    found = embedder.diarize(put(dialogue()))
    # Made voices in a turn can sound like two at once, which adds a short turn of the other.
    whole = [turn.speaker for turn in found.turns if turn.end_seconds - turn.start_seconds > 2]
    assert whole == ["SPEAKER_00", "SPEAKER_01"] * 2
    assert found.diarizer == "own-cepstra"
    assert found.duration_seconds == pytest.approx(28, abs=0.05)
    assert {turn.speaker for turn in embedder.diarize(put(dialogue()), Hints(num_speakers=1)).turns} == {"SPEAKER_00"}
    with pytest.raises(NotFoundError):
        embedder.diarize(Sound(put(spoken()).bucket, "none.wav"))


def test_voices_of_a_recording_are_identified(start: Start, services: Services, put: Put) -> None:
    embedder = HttpEmbedder(start(database_url=services.settings.database_url).url)
    known = embedder.embed([put(spoken(LOW, 8.0, seed)) for seed in (11, 12)])
    ann = uuid4()
    rows = np.array([each.vectors[0].vector for each in known.sounds], np.float32)
    prints = [Voiceprint(f"clip {n}", 8.0, ann, is_known=True) for n in range(2)]
    services.gallery.add(known.runner.model, rows, prints)

    stranger = embedder.embed([put(spoken(HIGH, 8.0, 5))]).sounds[0].vectors[0]
    assert stranger.vector is not None
    voices = [
        Voice("A", sounds=(put(spoken(LOW, 8.0, 13)), put(spoken(LOW, 4.0, 14)))),
        Voice("B", vectors=(HeardVector(stranger.vector, stranger.speech_seconds),)),
        Voice("C", sounds=(put(silence(4.0)),)),
    ]
    found = embedder.identify(voices, {"probability": 0.5, "margin": 0.0, "seconds": 1.0})
    first, second, third = found.voices
    assert (first.label, first.outcome, first.speaker_id) == ("A", "identified", ann)
    assert first.speech_seconds > 10
    assert (second.speaker_id, second.best_id) == (None, ann)
    assert second.probability < first.probability
    assert (third.outcome, third.problem.code if third.problem else None) == ("no_speech", "no_speech")
    assert (found.people, found.index, found.thresholds["probability"]) == (1, "pgvector", 0.5)
    embedder.close()


def test_a_vector_of_another_model_is_refused(embedder: HttpEmbedder) -> None:
    with pytest.raises(InputError, match="24"):
        embedder.identify([Voice("A", vectors=(HeardVector((0.1,) * 192, 3.0),))])


def test_identification_without_a_database_says_what_is_missing(service: Service) -> None:
    with service.client() as client:
        vectors = [{"vector": [1.0] * 24, "speech_seconds": 3.0}]
        answer = client.post("/identify", json={"voices": [{"label": "A", "vectors": vectors}]})
    assert (answer.status_code, answer.json()["code"]) == (503, "not_configured")
    assert "DATABASE_URL" in answer.json()["detail"]
