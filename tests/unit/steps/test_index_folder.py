from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from sonicgen.domain.recording import MatchStatus, Reason, Recording
from sonicgen.errors import InputError, UnavailableError
from sonicgen.steps import index_folder as step
from sonicgen.steps.index_folder import Indexed, find_files, index_folder
from sonicgen.store import recordings

SERVICES: Any = SimpleNamespace(database=None, settings=None)


def final(identifier: UUID, status: MatchStatus = MatchStatus.FINGERPRINTED) -> Recording:
    return Recording(identifier, "a tape", "inbox", "a tape", 1, 1, match_status=status, reason=Reason.NEW)


class System:
    """Stands in for the bucket and the function: an upload is final after some looks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, looks: int = 2) -> None:
        self.uploading = self.most_uploading = 0
        self.uploaded: list[Path] = []
        self._looks: dict[UUID, int] = {}
        self._wanted = looks
        self._lock = threading.Lock()
        monkeypatch.setattr(step, "find_known", lambda *_: None)
        monkeypatch.setattr(step, "add_recording", self.add)
        monkeypatch.setattr(recordings, "find", self.find)
        monkeypatch.setattr(step, "LOOK_SECONDS", 0.005)

    def add(self, settings: object, path: Path, on_progress: Any) -> SimpleNamespace:
        with self._lock:
            self.uploading += 1
            self.most_uploading = max(self.most_uploading, self.uploading)
        time.sleep(0.01)
        on_progress(1, 2)
        with self._lock:
            self.uploaded.append(path)
        return SimpleNamespace(recording_id=uuid4())

    def find(self, database: object, identifier: UUID) -> Recording | None:
        with self._lock:
            self._looks[identifier] = self._looks.get(identifier, 0) + 1
            if self._looks[identifier] < self._wanted:
                return None
            self.uploading -= 1
        return final(identifier)


def paths(count: int) -> list[Path]:
    return [Path(f"tape {n}.mp3") for n in range(count)]


def test_every_file_comes_back_once_and_no_more_than_asked_for_are_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    system = System(monkeypatch)
    done = list(index_folder(SERVICES, paths(20), 3))
    assert sorted(one.path for one in done) == sorted(paths(20))
    assert {one.state for one in done} == {"fingerprinted"}
    assert 2 <= system.most_uploading <= 3


def test_closing_early_stops_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    system = System(monkeypatch)
    results = index_folder(SERVICES, paths(50), 2)
    next(results)
    results.close()
    assert len(system.uploaded) < 10
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("index-")]


def test_a_service_that_is_away_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    system = System(monkeypatch)

    def away(services: object, path: Path) -> None:
        if path.name == "tape 4.mp3":
            raise UnavailableError("The database is away.")

    monkeypatch.setattr(step, "find_known", away)
    with pytest.raises(UnavailableError, match="away"):
        list(index_folder(SERVICES, paths(50), 2))
    assert len(system.uploaded) < 10


def test_one_bad_file_is_reported_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    system = System(monkeypatch)

    def read(services: object, path: Path) -> None:
        if path.name == "tape 1.mp3":
            raise PermissionError(13, "Permission denied")
        if path.name == "tape 2.mp3":
            raise InputError("It is not to be had.")

    monkeypatch.setattr(step, "find_known", read)
    done = {one.path.name: one for one in index_folder(SERVICES, paths(4), 2)}
    assert len(system.uploaded) == 2
    assert done["tape 1.mp3"].why == "tape 1.mp3 cannot be read: Permission denied."
    assert done["tape 2.mp3"].why == "It is not to be had."
    assert [done[f"tape {n}.mp3"].is_failed for n in range(4)] == [False, True, True, False]


def test_what_nobody_works_on_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    System(monkeypatch, looks=10**9)
    monkeypatch.setattr(step, "STALLED_SECONDS", 0.05)
    (only,) = index_folder(SERVICES, paths(1), 1)
    assert only.is_failed
    assert "replay" in only.why


def test_what_is_known_is_not_uploaded_and_what_is_under_way_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    system = System(monkeypatch)
    known, pending = uuid4(), uuid4()
    status = {known: MatchStatus.MATCHED, pending: MatchStatus.PENDING}
    there = {"tape 0.mp3": known, "tape 1.mp3": pending}
    monkeypatch.setattr(step, "find_known", lambda _, path: final(there[path.name], status[there[path.name]]))
    done = {one.path.name: one for one in index_folder(SERVICES, paths(2), 2)}
    assert system.uploaded == []
    assert {name: one.state for name, one in done.items()} == {"tape 0.mp3": "known", "tape 1.mp3": "fingerprinted"}


def test_a_flagged_recording_stays_a_failure_however_long_it_is_known() -> None:
    flagged = Indexed(Path("a"), final(uuid4(), MatchStatus.FLAG), was_known=True)
    assert flagged.is_failed
    assert flagged.state == "flag"
    assert not Indexed(Path("a"), final(uuid4(), MatchStatus.TOO_SHORT)).is_failed


def test_files_are_found_by_their_names(tmp_path: Path) -> None:
    for name in ("b.MP3", "a.flac", "notes.txt", ".hidden.mp3", "deep/er/c.mkv", ".trash/d.mp3", "e"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "folder.mp3").mkdir()
    (tmp_path / "dangling.mp3").symlink_to(tmp_path / "nowhere")
    relative = [str(path.relative_to(tmp_path)) for path in find_files(tmp_path)]
    assert relative == ["a.flac", "b.MP3", str(Path("deep", "er", "c.mkv"))]
    assert len(find_files(tmp_path, everything=True)) == 5


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        find_files(tmp_path / "missing")
