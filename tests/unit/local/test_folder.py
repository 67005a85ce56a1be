"""The data folder: one holder, clear refusals."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from sonicgen.errors import LocalError
from sonicgen.local.folder import DataFolder


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path / "deep" / "data")
    made.prepare()
    return made


def test_prepare_makes_everything_and_may_be_repeated(folder: DataFolder) -> None:
    folder.prepare()
    assert folder.inbox.is_dir()
    assert folder.logs.is_dir()


def test_only_one_holds_a_folder(folder: DataFolder) -> None:
    assert not folder.is_held()
    with folder.hold():
        assert folder.is_held()
        with (
            pytest.raises(LocalError, match=f"already runs on .* \\(process {os.getpid()}\\)"),
            DataFolder(folder.root).hold(),
        ):
            pass
    assert not folder.is_held()
    with folder.hold():
        pass


def test_addresses_are_there_only_while_it_runs(folder: DataFolder) -> None:
    with pytest.raises(LocalError, match="sonicgen up"):
        folder.read_addresses()
    with folder.hold():
        with pytest.raises(LocalError, match="still starting"):
            folder.read_addresses()
        folder.write_addresses({"A": "1"})
        assert folder.read_addresses() == {"A": "1"}
    with pytest.raises(LocalError, match="does not run"):
        folder.read_addresses()


def test_addresses_of_one_that_was_killed_are_not_believed(folder: DataFolder) -> None:
    folder.write_addresses({"A": "old"})
    with folder.hold(), pytest.raises(LocalError, match="still starting"):
        folder.read_addresses()


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalError, match="cannot be created"):
        DataFolder(tmp_path / "file" / "data").prepare()


def test_an_almost_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5 * 2**20))
    with pytest.raises(LocalError, match=r"has 5 MB left and 300 MB are needed"):
        DataFolder(tmp_path / "data").prepare()
