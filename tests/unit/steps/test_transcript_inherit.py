"""A copy has its original's words at its own times, in whatever order the events come."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from sonicgen.domain.recording import Reason, Recording
from sonicgen.domain.transcript import Transcript, TranscriptReason, TranscriptState
from sonicgen.events.transcript_ready import TranscriptReady
from sonicgen.steps.forget_recording import forget_recording
from sonicgen.steps.services import Services
from sonicgen.steps.transcript_fetch import fetch
from sonicgen.steps.transcript_inherit import inherit_words, transcript_inherit
from sonicgen.steps.transcription_submit import transcribe
from sonicgen.store import costs, transcripts, utterances
from tests.cloud_fixture import Listener, Provider, line
from tests.unit.steps.conftest import Record, match


def talk(seconds: float, speakers: str = "AB") -> list[dict[str, object]]:
    """Return turns of five seconds, a word each second."""
    made = []
    for turn in range(int(seconds // 5)):
        places = range(turn * 5, turn * 5 + 5)
        made.append(line(speakers[turn % len(speakers)], [(f"w{n}", n + 0.2, n + 0.7) for n in places]))
    return made


def finish(services: Services, provider: Provider, recording: Recording, lines: list[dict[str, object]]) -> Transcript:
    found = transcripts.find(services.database, recording.id)
    assert found is not None
    assert found.provider_id
    provider.finish(found.provider_id, lines)
    done = fetch(services, found, found.provider_id)
    assert done is not None
    return done


def deliver(services: Services, events: Listener, recordings: list[Recording]) -> int:
    """Give `transcript_inherit` what was published, as the bus does, until nothing more comes."""
    ours, delivered = {str(recording.id) for recording in recordings}, 0
    while told := [event for event in events.take(0.3) if event["recording_id"] in ours]:
        for event in told:
            transcript_inherit(services, TranscriptReady.from_data(event, datetime.now(UTC)))
            delivered += 1
    return delivered


def state(services: Services, recording: Recording) -> tuple[TranscriptState, TranscriptReason | None]:
    found = transcripts.find(services.database, recording.id)
    assert found is not None
    return found.state, found.reason


def words(services: Services, recording: Recording) -> dict[str, tuple[float, str | None]]:
    lines = utterances.of(services.database, recording.id)
    return {word.text: (word.start_seconds, word.speaker) for each in lines for word in each.words}


@pytest.mark.parametrize("first", ["original", "copy"])
@pytest.mark.parametrize("speed", [1.0, 1.04])
def test_a_repost_of_the_middle_third(
    services: Services, provider: Provider, record: Record, ready_events: Listener, first: str, speed: float
) -> None:
    original = record(60.0)
    seconds = 20.0 / speed
    # What fingerprinting finds begins 0.4 s late and ends 0.5 s early.
    found = match(0.4, seconds - 0.5, 20.0 + 0.4 * speed, speed)
    copy = record(seconds, (original.id, found), original=original.id, reason=Reason.DUPLICATE)
    if first == "copy":
        transcribe(services, copy.id)
        assert state(services, copy) == (TranscriptState.WAITING, TranscriptReason.ORIGINAL_AWAITED)
    transcribe(services, original.id)
    finish(services, provider, original, talk(60))
    if first == "original":
        transcribe(services, copy.id)
    deliver(services, ready_events, [original, copy])
    assert provider.posts == 1
    assert state(services, copy) == (TranscriptState.INHERITED, TranscriptReason.COPIED)
    got = words(services, copy)
    assert set(got) == {f"w{n}" for n in range(20, 40)}, "every word, also in the seconds beyond the match's ends"
    for n in range(20, 40):
        start, speaker = got[f"w{n}"]
        assert start == pytest.approx((n + 0.2 - 20.0) / speed, abs=0.05)
        assert speaker == ("A" if (n // 5) % 2 == 0 else "B"), "labels stay when there is one source"
    assert {each.inherited_from for each in utterances.of(services.database, copy.id)} == {original.id}
    books = {
        each.title: each for each in costs.totals(services.database, "recording", date(2000, 1, 1), date(2999, 1, 1))
    }
    assert books[original.title].transcribed_seconds == pytest.approx(60)
    assert books[copy.title].transcribed_seconds == 0
    assert books[copy.title].saved_seconds == pytest.approx(seconds, abs=0.01)
    assert float(books[copy.title].saved) == pytest.approx(0.17 * seconds / 3600, abs=1e-5)


def test_two_originals_and_own_words_keep_their_speakers_apart(
    services: Services, provider: Provider, record: Record, ready_events: Listener
) -> None:
    one, two = record(30.0), record(30.0)
    mixed = record(40.0, (one.id, match(0.0, 10.0, 10.0)), (two.id, match(10.0, 20.0, 5.0)))
    for recording in (mixed, one, two):
        transcribe(services, recording.id)
    finish(services, provider, mixed, talk(20))
    finish(services, provider, one, talk(30))
    deliver(services, ready_events, [one, mixed])
    assert state(services, mixed)[0] is TranscriptState.WAITING
    assert len(words(services, mixed)) == 20, "what is there already can be read"
    finish(services, provider, two, talk(30))
    deliver(services, ready_events, [two, mixed])
    assert state(services, mixed) == (TranscriptState.READY, TranscriptReason.TRANSCRIBED)
    lines = utterances.of(services.database, mixed.id)
    assert [each.start_seconds for each in lines] == sorted(each.start_seconds for each in lines)
    assert {each.speaker for each in lines} == {"1-A", "1-B", "2-A", "2-B", "A", "B"}
    assert {each.inherited_from for each in lines} == {one.id, two.id, None}


def test_a_copy_of_a_copy(services: Services, provider: Provider, record: Record, ready_events: Listener) -> None:
    original = record(30.0)
    copy = record(20.0, (original.id, match(0.0, 20.0, 10.0)), original=original.id)
    third = record(10.0, (copy.id, match(0.0, 10.0, 5.0)), original=copy.id)
    for recording in (third, copy, original):
        transcribe(services, recording.id)
    finish(services, provider, original, talk(30))
    deliver(services, ready_events, [original, copy, third])
    assert state(services, third)[0] is TranscriptState.INHERITED
    assert words(services, third)["w15"][0] == pytest.approx(0.2)
    assert provider.posts == 1


def test_an_original_without_words(
    services: Services, provider: Provider, record: Record, ready_events: Listener
) -> None:
    failing, silent = record(30.0), record(30.0)
    of_failing = record(30.0, original=failing.id, reason=Reason.IDENTICAL_FILE)
    of_silent = record(30.0, original=silent.id, reason=Reason.IDENTICAL_FILE)

    for recording in (of_failing, of_silent, failing, silent):
        transcribe(services, recording.id)
    found = transcripts.find(services.database, failing.id)
    assert found is not None
    assert found.provider_id
    provider.jobs[found.provider_id] |= {"status": "error", "error": "broken"}
    fetch(services, found, found.provider_id)
    finish(services, provider, silent, [])
    deliver(services, ready_events, [failing, silent])
    assert state(services, of_failing) == (TranscriptState.FAILED, TranscriptReason.ORIGINAL_WITHOUT_WORDS)
    assert state(services, of_silent) == (TranscriptState.EMPTY, TranscriptReason.NOTHING_SAID)
    # Asked for again, the original succeeds; the copy gets its words after all.
    transcribe(services, failing.id)
    finish(services, provider, failing, talk(30))
    deliver(services, ready_events, [failing, of_failing])
    assert state(services, of_failing) == (TranscriptState.INHERITED, TranscriptReason.COPIED)


def test_words_stay_when_the_original_is_forgotten(
    services: Services, provider: Provider, record: Record, ready_events: Listener
) -> None:
    original = record(30.0)
    mixed = record(60.0, (original.id, match(0.0, 30.0, 0.0)))
    transcribe(services, original.id)
    transcribe(services, mixed.id)
    finish(services, provider, original, talk(30))
    deliver(services, ready_events, [original])
    forget_recording(services, original)
    finish(services, provider, mixed, talk(30))
    assert state(services, mixed) == (TranscriptState.READY, TranscriptReason.TRANSCRIBED)
    assert len(words(services, mixed)) == 30
    assert sum(1 for each in utterances.of(services.database, mixed.id) if each.inherited_from) == 6


def test_taking_over_twice_changes_nothing(
    services: Services, provider: Provider, record: Record, ready_events: Listener
) -> None:
    original = record(30.0)
    copy = record(30.0, original=original.id, reason=Reason.IDENTICAL_FILE)
    transcribe(services, original.id)
    transcribe(services, copy.id)
    finish(services, provider, original, talk(30))
    inherit_words(services, copy.id)
    before = [each.id for each in utterances.of(services.database, copy.id)]
    ready_events.take()
    inherit_words(services, copy.id)
    assert [each.id for each in utterances.of(services.database, copy.id)] == before
    found = transcripts.find(services.database, copy.id)
    assert found is not None
    assert found.revision == 1
