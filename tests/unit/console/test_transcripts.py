from __future__ import annotations

from sonicgen.store.transcripts import find as find_transcript
from tests.unit.console.conftest import Console
from tests.unit.steps.transcripts import line, tell


def test_transcripts_and_search(console: Console) -> None:
    database, get = console.services.database, console.ask.get
    talk = tell(database, [line("we met Ada", 1.0), line("snow and snow", 4.0, "B")], title="talk.mp3")
    address = f"/v1/recordings/{talk.id}/transcript"
    assert get(address).json()["utterances"][1]["text"] == "snow and snow"
    vtt = get(address, params={"format": "vtt"})
    assert vtt.headers["content-type"] == "text/vtt; charset=utf-8"
    assert "<v Speaker B>snow and snow" in vtt.text
    wrong = get(address, params={"format": "doc"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_input")
    assert get(address.replace(str(talk.id)[:8], "00000000")).status_code == 404

    found = get("/v1/search", params={"q": "snow", "speaker": "B", "after": "2020-01-01"}).json()
    assert [(hit["title"], hit["seconds"]) for hit in found["hits"]] == [("talk.mp3", 4.0)]
    assert found["next"] is None
    assert get("/v1/search", params={"q": "nowhere"}).json()["hits"] == []
    for parameters in ({"q": "-snow"}, {"q": "snow", "after": "x"}, {"q": "snow", "cursor": "x"}):
        answer = get("/v1/search", params=parameters)
        assert (answer.status_code, answer.json()["error"]) == (400, answer.json()["detail"]), parameters
    assert get("/v1/search", params={"q": "snow", "channel": "UC"}).status_code == 404


def test_an_edit_names_what_was_looked_at(console: Console) -> None:
    talk = tell(console.services.database, [line("one two", 1.0), line("three four", 4.0, "B")], title="edited.mp3")
    address = f"/v1/transcripts/{talk.id}/lines"
    etag = console.ask.get(address).headers["etag"]
    without = console.ask.patch(f"{address}/0", json={"text": "uno"})
    assert (without.status_code, without.json()["code"]) == (428, "precondition_required")
    first = console.ask.patch(f"{address}/0", json={"text": "uno due"}, headers={"If-Match": etag})
    assert (first.status_code, first.json()["text"]) == (200, "uno due")
    late = console.ask.patch(f"{address}/1", json={"text": "tre"}, headers={"If-Match": etag})
    assert (late.status_code, late.json()["code"]) == (412, "changed_meanwhile")
    second = console.ask.patch(f"{address}/1", json={"speaker": "Grace"}, headers={"If-Match": first.headers["etag"]})
    assert second.json()["speaker_name"] == "Grace"
    undone = console.ask.delete(f"{address}/0/edit", headers={"If-Match": second.headers["etag"]})
    assert undone.json()["text"] == "one two"
    edits = console.ask.get(f"/v1/transcripts/{talk.id}/edits").json()["edits"]
    assert [(edit["kind"], edit["edited_by"], bool(edit["undone_at"])) for edit in edits] == [
        ("text", "this machine", True),
        ("speaker", "this machine", False),
    ]
    for body, etag in (({}, "*"), ({"text": "a", "speaker": "b"}, "*"), ({"text": "a"}, '"x"')):
        assert console.ask.patch(f"{address}/0", json=body, headers={"If-Match": etag}).status_code in (400, 412)
    assert console.ask.patch(f"{address}/99", json={"text": "a"}, headers={"If-Match": "*"}).status_code == 404


def test_lines_come_in_pages(console: Console) -> None:
    lines = [line(f"line {number}", number * 2.0) for number in range(7)]
    talk = tell(console.services.database, lines, title="long.mp3")
    met: list[str] = []
    after: int | None = -1
    while after is not None:
        page = console.ask.get(f"/v1/transcripts/{talk.id}/lines", params={"after": after, "limit": 3}).json()
        met += [one["text"] for one in page["lines"]]
        after = page["next"]
    assert met == [one.text for one in lines]
    assert find_transcript(console.services.database, talk.id) is not None
