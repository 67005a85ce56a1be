"""The watched folder: whole files only, each once, again when it changes or when its upload failed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sonicgen.errors import UnavailableError
from sonicgen.local import inbox as inbox_module
from sonicgen.local.folder import DataFolder
from sonicgen.local.inbox import Inbox, watch
from sonicgen.settings import read_settings


class Bucket:
    """Remembers what was uploaded; fails as often as told."""

    def __init__(self) -> None:
        self.paths: list[Path] = []
        self.failures = 0

    def upload(self, path: Path) -> None:
        if self.failures:
            self.failures -= 1
            raise UnavailableError("The bucket is away.")
        self.paths.append(path)


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def inbox(tmp_path: Path, bucket: Bucket) -> Iterator[Inbox]:
    (tmp_path / "inbox").mkdir()
    made = Inbox(tmp_path / "inbox", tmp_path / "memory.sqlite", bucket.upload)
    yield made
    made.close()


def test_a_file_is_uploaded_when_it_has_come_to_rest(inbox: Inbox, bucket: Bucket, tmp_path: Path) -> None:
    path = tmp_path / "inbox" / "talk.mp3"
    path.write_bytes(b"half")
    assert inbox.look() == 0
    path.write_bytes(b"half and more")
    assert inbox.look() == 0, "it has grown since the last look"
    assert inbox.look() == 1
    assert inbox.look() == 0
    assert bucket.paths == [path]


def test_a_changed_file_is_uploaded_again(inbox: Inbox, bucket: Bucket, tmp_path: Path) -> None:
    path = tmp_path / "inbox" / "talk.mp3"
    path.write_bytes(b"one")
    inbox.look()
    inbox.look()
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    inbox.look()
    inbox.look()
    assert len(bucket.paths) == 2


def test_a_failed_upload_is_tried_again(inbox: Inbox, bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "inbox" / "talk.mp3").write_bytes(b"one")
    bucket.failures = 2
    counts = [inbox.look() for _ in range(5)]
    assert counts == [0, 0, 0, 1, 0]


def test_unfinished_and_hidden_files_are_left_alone(inbox: Inbox, bucket: Bucket, tmp_path: Path) -> None:
    for name in (".hidden.mp3", "talk.mp3.part", "show.crdownload", ".folder/inside.mp3", "sub/inside.mp3"):
        path = tmp_path / "inbox" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    inbox.look()
    inbox.look()
    assert [path.name for path in bucket.paths] == ["inside.mp3"]
    assert bucket.paths[0].parent.name == "sub"


def test_a_new_start_remembers_and_a_lost_memory_only_repeats(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "naïve “name” 🎵.mp3").write_bytes(b"one")
    for memory, uploads in (("memory.sqlite", 1), ("memory.sqlite", 1), ("another.sqlite", 2)):
        inbox = Inbox(tmp_path / "inbox", tmp_path / memory, bucket.upload)
        inbox.look()
        inbox.look()
        inbox.close()
        assert len(bucket.paths) == uploads


def test_a_name_that_is_not_unicode_is_taken(inbox: Inbox, bucket: Bucket, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path / "inbox") + b"/caf\xe9.mp3"
    with open(path, "wb") as file:  # noqa: PTH123 (the point is a name that Path cannot print)
        file.write(b"x")
    inbox.look()
    assert inbox.look() == 1


def test_what_comes_while_others_are_uploaded_does_not_wait_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = DataFolder(tmp_path)
    folder.prepare()
    uploaded: list[str] = []

    def upload(_: object, path: Path) -> None:
        if path.name == "first.mp3":
            (folder.inbox / "second.mp3").write_bytes(b"two")
            time.sleep(1.0)  # twenty times this was waited once
        uploaded.append(path.name)

    monkeypatch.setattr(inbox_module, "add_recording", upload)
    (folder.inbox / "first.mp3").write_bytes(b"one")
    stopping = threading.Event()
    watcher = threading.Thread(target=watch, args=(folder, read_settings(), stopping))
    watcher.start()
    try:
        deadline = time.monotonic() + 10
        while len(uploaded) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        stopping.set()
        watcher.join()
    assert uploaded == ["first.mp3", "second.mp3"]
