from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from sonicgen.cloud.objects import describe_object, upload_file
from sonicgen.domain.match import Decision, Match
from sonicgen.store import decisions, jobs, matches, recordings, uploads
from tests.unit.console.conftest import Console
from tests.unit.steps.transcripts import line, tell


def test_paging_meets_every_recording_once_in_every_order(console: Console) -> None:
    for number in range(5):
        tell(console.services.database, [line("word", 1.0)], title=f"same title {number % 2}")
    everything = console.ask.get("/v1/recordings", params={"limit": 500}).json()["recordings"]
    wanted = {one["id"] for one in everything}
    for order in ("newest", "oldest", "title", "longest"):
        met: list[str] = []
        cursor = None
        while True:
            page = console.ask.get("/v1/recordings", params={"sort": order, "limit": 2, "cursor": cursor or ""}).json()
            met += [one["id"] for one in page["recordings"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert len(met) == len(set(met)), order
        assert set(met) == wanted, order
    newest = [one["created_at"] for one in everything]
    assert newest == sorted(newest, reverse=True)


def test_filters_and_their_odd_characters(console: Console) -> None:
    tell(console.services.database, [line("word", 1.0)], title="50 %_off\\sale.mp3")
    found = console.ask.get("/v1/recordings", params={"title": "%_off\\"}).json()["recordings"]
    assert [one["title"] for one in found] == ["50 %_off\\sale.mp3"]
    kept = console.ask.get("/v1/recordings", params={"status": "fingerprinted"}).json()["recordings"]
    assert {one["id"] for one in kept} == {str(piece.id) for piece in console.pieces}
    for wrong in ({"cursor": "x"}, {"status": "none"}, {"limit": 0}, {"cursor": "W10", "sort": "title"}):
        assert console.ask.get("/v1/recordings", params=wrong).status_code in (400, 422), wrong


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-9", 0, 9), ("bytes=100-", 100, None), ("bytes=-20", -20, None), ("bytes=5-99999999", 5, None)],
)
def test_sound_comes_in_ranges(console: Console, asked: str, first: int, last: int | None) -> None:
    address = f"/v1/recordings/{console.pieces[0].id}/audio"
    whole = console.ask.get(address)
    assert (whole.status_code, whole.headers["accept-ranges"]) == (200, "bytes")
    assert whole.headers["content-type"].startswith("audio/")
    part = console.ask.get(address, headers={"Range": asked})
    start = first if first >= 0 else len(whole.content) + first
    end = min(last if last is not None else len(whole.content) - 1, len(whole.content) - 1)
    assert part.status_code == 206
    assert part.headers["content-range"] == f"bytes {start}-{end}/{len(whole.content)}"
    assert part.content == whole.content[start : end + 1]


def test_a_range_beyond_the_end_and_a_changed_file(console: Console) -> None:
    address = f"/v1/recordings/{console.pieces[0].id}/audio"
    beyond = console.ask.get(address, headers={"Range": "bytes=99999999-"})
    assert beyond.status_code == 416
    assert beyond.headers["content-range"].startswith("bytes */")
    changed = console.ask.get(address, headers={"Range": "bytes=0-3", "If-Range": '"another"'})
    assert changed.status_code == 200
    odd = console.ask.get(address, headers={"Range": "bytes=0-1,4-5"})
    assert odd.status_code == 200


def test_bytes_from_strangers_never_open_as_a_page(console: Console, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<script>alert(1)</script>")
    stored = upload_file(console.services.settings.media_bucket, f"x/{uuid4()}.html", path, content_type="text/html")
    identifier = uuid4()
    recordings.claim(
        console.services.database, identifier, title="page.html", bucket=stored.bucket, object_name=stored.name,
        generation=stored.generation, size_bytes=stored.size_bytes, md5=None, content_type="text/html",
    )  # fmt: skip
    answer = console.ask.get(f"/v1/recordings/{identifier}/audio")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert console.ask.get(f"/v1/recordings/{identifier}/waveform").json()["code"] == "unusable_media"


def test_a_waveform_is_made_once_and_is_as_loud_as_the_sound(console: Console) -> None:
    address = f"/v1/recordings/{console.pieces[1].id}/waveform"
    first = console.ask.get(address)
    made = first.json()
    assert made["seconds"] == pytest.approx(20.0, abs=0.2)
    assert (len(made["levels"]), max(made["levels"])) == (2_000, 255)
    again = console.ask.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    with console.services.database.transaction() as connection:
        row = connection.execute("select count(*) as count from waveforms").fetchone()
    assert row == {"count": 1}


def test_an_added_file_is_stored_once_however_often_it_is_sent(console: Console) -> None:
    headers = {"Idempotency-Key": "add-it"}
    file = {"file": ("new piece.mp3", console.clip(2))}
    first, second = (console.ask.post("/v1/recordings", files=file, headers=headers) for _ in range(2))
    assert first.status_code == second.status_code == 202
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    other = console.ask.post("/v1/recordings", json={"url": "https://example.com/x.mp3"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert console.ask.post("/v1/recordings", json={}).status_code == 400


def test_a_large_clip_goes_past_the_console_in_parts(console: Console) -> None:
    data = console.clip(0, 0.0, 20.0)
    made = console.ask.post("/v1/uploads", json={"name": "../large clip.mp3", "size_bytes": len(data)}).json()
    half = 256 << 10
    assert len(data) > half
    part = httpx.put(made["url"], content=data[:half], headers={"Content-Range": f"bytes 0-{half - 1}/{len(data)}"})
    assert part.status_code == 308
    early = console.ask.post("/v1/find", json={"upload": made["id"]})
    assert (early.status_code, early.json()["code"]) == (404, "not_found")
    done = httpx.put(
        made["url"], content=data[half:], headers={"Content-Range": f"bytes {half}-{len(data) - 1}/{len(data)}"}
    )
    assert done.status_code == 200
    upload = uploads.get(console.services.database, made["id"], "local")
    assert describe_object(upload.bucket, upload.object_name).size_bytes == len(data)
    answer = console.ask.post("/v1/find", json={"upload": made["id"]}).json()
    assert answer["episode_id"] == str(console.pieces[0].id)
    assert answer["query"]["name"] == "large clip.mp3"
    assert console.ask.post("/v1/find", json={"upload": made["id"]}).status_code == 404  # asked about, and gone
    huge = console.ask.post("/v1/uploads", json={"name": "x.mp3", "size_bytes": 1 << 40})
    assert (huge.status_code, huge.json()["code"]) == (413, "too_large")


def doubtful(console: Console) -> str:
    """Put an uncertain match of one piece with the other on record, and return its id."""
    query, reference = console.pieces
    found = Match(reference.number or 0, 2.0, 6.0, 3.0, 7.0, 1.0, 1.0, 14, 0.6, -1.0, Decision.UNSURE)
    with console.services.database.transaction() as connection:
        matches.replace(connection, query.id, [(reference.id, found)], "test")
    (match,) = matches.of(console.services.database, query.id)
    return str(match.id)


def test_a_review_is_a_decision_that_can_be_taken_back(console: Console) -> None:
    address = f"/v1/matches/{doubtful(console)}"
    waiting = console.ask.get("/v1/matches", params={"decision": "unsure", "review": "none"}).json()
    assert [one["id"] for one in waiting["matches"]] == [address.rpartition("/")[2]]
    done = console.ask.put(f"{address}/review", json={"verdict": "rejected"})
    assert done.json()["match"]["review"] == "rejected"
    assert done.json()["decision"]["decided_by"] == "this machine"
    again = console.ask.put(f"{address}/review", json={"verdict": "accepted"})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert console.ask.get("/v1/matches", params={"decision": "unsure", "review": "none"}).json()["matches"] == []
    undone = console.ask.delete(f"{address}/review").json()
    assert (undone["match"]["review"], bool(undone["decision"]["undone_at"])) == (None, True)
    assert console.ask.delete(f"{address}/review").status_code == 404


def test_a_match_shows_its_evidence_and_both_pictures(console: Console) -> None:
    address = f"/v1/matches/{doubtful(console)}"
    evidence = console.ask.get(f"{address}/evidence").json()
    for side in ("query", "reference"):
        landmarks = evidence[f"{side}_landmarks"]
        assert len(landmarks["seconds"]) == len(landmarks["hz"]) == evidence[f"{side}_peaks"] > 20
        picture = console.ask.get(f"{address}/spectrogram", params={"side": side}).json()
        assert 100 < picture["columns"] <= 640
        assert len(picture["levels"]) > picture["columns"] * picture["rows"]


def test_copies_of_an_original_with_their_ranges(console: Console) -> None:
    doubtful(console)
    shown = console.ask.get(f"/v1/originals/{console.pieces[1].id}/copies").json()
    assert shown["copies"] == []
    (excerpt,) = shown["excerpts"]
    assert excerpt["id"] == str(console.pieces[0].id)
    assert excerpt["ranges"][0]["reference_start_seconds"] == 3.0


def test_jobs_are_seen_by_their_owners_alone(console: Console) -> None:
    from sonicgen.domain.role import Role

    mine, other = console.key(Role.VIEWER), console.key(Role.VIEWER)
    asked = console.ask.post("/v1/find", files={"file": console.clip(0)}, headers=mine)
    identifier = asked.headers["x-job-id"]
    listed = console.ask.get("/v1/jobs", headers=mine).json()["jobs"]
    assert [one["id"] for one in listed] == [identifier]
    assert console.ask.get("/v1/jobs", headers=other).json()["jobs"] == []
    stop = console.ask.delete(f"/v1/jobs/{identifier}", headers=other)
    assert (stop.status_code, stop.json()["code"]) == (403, "not_allowed")
    reject = {"video_id": str(console.pieces[0].id)}
    said = [console.ask.post(f"/v1/jobs/{identifier}/rejections", json=reject, headers=mine) for _ in range(2)]
    assert said[0].json()["id"] == said[1].json()["id"]  # once is enough
    wrong = console.ask.post(f"/v1/jobs/{identifier}/rejections", json={"video_id": str(uuid4())}, headers=mine)
    assert wrong.status_code == 400
    with console.services.database.transaction() as connection:
        connection.execute("update jobs set expires_at = now() where id = %s", (identifier,))
    assert console.ask.get(f"/v1/jobs/{identifier}", headers=mine).status_code == 404
    assert jobs.sweep(console.services.database) >= 1


def test_whose_copy_a_recording_is_and_a_persons_word_on_it(console: Console) -> None:
    original, copy = console.pieces[0], console.pieces[1]
    address = f"/v1/recordings/{copy.id}/origin"
    assert console.ask.get(address).json() == {
        "recording_id": str(copy.id), "original_video_id": None, "decided_by": None, "decided_at": None,
        "probability": None, "evidence": [],
    }  # fmt: skip
    refused = console.ask.put(address, json={"original_video_id": str(original.id)})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_input")
    assert "holds 0%" in refused.json()["detail"]
    assert console.ask.delete(address).status_code == 404
    decided = console.ask.put(address, json={"original_video_id": None})
    assert decided.status_code == 202
    assert decided.json()["decided_by"] == "person"
    assert console.ask.put(address, json={"original_video_id": "x"}).status_code == 422
    with console.services.database.transaction() as connection:
        evidence = [{"kind": "published", "weight": 3.0, "text": "It was published 61 days earlier."}]
        decisions.record(
            connection, "origin", [copy.id, original.id], decided_by="originals",
            thresholds={"probability": 0.953, "evidence": evidence},
        )  # fmt: skip
        connection.execute("update videos set original_video_id = %s where id = %s", (original.id, copy.id))
    try:
        told = console.ask.get(address).json()
        assert (told["original_video_id"], told["probability"], told["evidence"]) == (str(original.id), 0.953, evidence)
        page = console.ask.get(f"/recordings/{copy.id}").text
        assert "Why that one is the original (95 %)" in page
        assert "It was published 61 days earlier." in page
    finally:
        with console.services.database.transaction() as connection:
            connection.execute("update videos set original_video_id = null where id = %s", (copy.id,))
            connection.execute("delete from decisions where kind = 'origin'")


def test_a_second_of_one_edition_leads_to_the_other(console: Console) -> None:
    first, second = console.pieces[0], console.pieces[1]
    places = [(0.0, 8.0, 1.5), (10.0, 18.0, 9.5)]
    rows = [
        (second.id, first.id, Match(1, a, b, at, at + b - a, 1.0, 1.0, 200.0, 0.9999, -20.0, Decision.MATCH))
        for a, b, at in places
    ]
    with console.services.database.transaction() as connection:
        matches.add(connection, rows, "test")
    address = f"/v1/recordings/{first.id}/timemap"
    try:
        told = console.ask.get(address, params={"to": str(second.id), "second": 12.0}).json()
        assert (told["second"], told["to_second"], told["resumes_at"]) == (12.0, 12.5, None)
        assert told["pieces"][1] == {
            "start_seconds": 9.5, "end_seconds": 17.5, "to_start_seconds": 10.0, "to_end_seconds": 18.0, "speed": 1.0,
        }  # fmt: skip
        told = console.ask.get(f"/v1/recordings/{second.id}/timemap?to={first.id}&second=9.0").json()
        assert (told["to_second"], told["resumes_at"]) == (None, 10.0)
        assert told["gaps"] == [[8.0, 10.0], [18.0, pytest.approx(second.duration_seconds, abs=0.001)]]
        assert "second" not in console.ask.get(address, params={"to": str(second.id)}).json()
        wrong: list[tuple[str, int]] = [
            ("", 400), (f"?to={second.id}&second=1000000", 400), (f"?to={uuid4()}", 404),
            (f"?to={second.id}&second=-1", 422), (f"?to={second.id}&second=nan", 422),
        ]  # fmt: skip
        for asked, status in wrong:
            assert console.ask.get(address + asked).status_code == status, asked
    finally:
        with console.services.database.transaction() as connection:
            connection.execute("delete from matches where video_id = %s", (second.id,))
