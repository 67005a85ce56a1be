"""Under which name a file lies in the bucket."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sonicgen.errors import InputError
from sonicgen.settings import read_settings
from sonicgen.steps.add_recording import MAXIMUM_NAME_BYTES, add_recording, object_name


def write(path: Path, data: bytes = b"same") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def test_equal_files_meet_and_different_ones_never(tmp_path: Path) -> None:
    one, same = write(tmp_path / "a" / "talk.mp3"), write(tmp_path / "b" / "talk.mp3")
    other = write(tmp_path / "c" / "talk.mp3", b"other")
    assert object_name(one) == object_name(same)
    assert object_name(one) != object_name(other)
    assert object_name(one).endswith("/talk.mp3")


def test_a_name_that_is_too_long_keeps_its_ending(tmp_path: Path) -> None:
    path = write(tmp_path / ("é" * 120 + ".mp3"))
    assert object_name(path).endswith("é.mp3")
    assert len(object_name(path).encode()) < MAXIMUM_NAME_BYTES + 17


def test_a_name_that_is_not_unicode_is_taken(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp3"))
    write(path)
    assert object_name(path).endswith("/caf?.mp3")


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        add_recording(read_settings(), tmp_path / "gone.mp3")
