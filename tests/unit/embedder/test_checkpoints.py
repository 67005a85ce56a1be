"""What torch saved is read without torch, and nothing in it is run."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sonicgen.embedder.checkpoints import read_checkpoint
from sonicgen.errors import SettingsError

NUMBERS = np.arange(12, dtype=np.float32)


def tensor(offset: int = 0, size: tuple[int, ...] = (3, 4), stride: tuple[int, ...] = (4, 1)) -> bytes:
    """Return a pickle of {"weight": a tensor of NUMBERS}, in the opcodes that torch writes."""

    def whole(number: int) -> bytes:
        return b"J" + number.to_bytes(4, "little", signed=True)

    def sequence(numbers: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(whole(number) for number in numbers) + b"t"

    storage = b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\x000X\3\0\0\0cpu" + whole(len(NUMBERS)) + b"tQ"
    built = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + whole(offset) + sequence(size) + sequence(stride)
    hooks = b"\x89ccollections\nOrderedDict\n)R"
    return b"\x80\2}X\6\0\0\0weight" + built + hooks + b"tRs."


def save(path: Path, pickled: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", pickled)
        archive.writestr("model/data/0", NUMBERS.tobytes())
    return path


def test_a_tensor_is_read(tmp_path: Path) -> None:
    read = read_checkpoint(save(tmp_path / "a.pt", tensor()))
    np.testing.assert_array_equal(read["weight"], NUMBERS.reshape(3, 4))
    turned = read_checkpoint(save(tmp_path / "b.pt", tensor(1, (4, 2), (1, 4))))
    np.testing.assert_array_equal(turned["weight"], NUMBERS.reshape(3, 4)[:2].T + 1)


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("run",))


def test_what_would_be_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save(tmp_path / "a.pt", pickle.dumps({"weight": Evil()}))
    with pytest.raises(SettingsError, match=r"builtins\.print, which is no tensor"):
        read_checkpoint(path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("offset", "size", "stride"), [(9, (3, 4), (4, 1)), (0, (2, 2), (100, 1)), (0, (3, 4), (-4, 1)), (-1, (1,), (1,))]
)
def test_a_tensor_beyond_its_numbers_is_refused(
    tmp_path: Path, offset: int, size: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    with pytest.raises(SettingsError, match="beyond its numbers"):
        read_checkpoint(save(tmp_path / "a.pt", tensor(offset, size, stride)))


def test_what_is_no_checkpoint_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("not an archive")
    zipfile.ZipFile(tmp_path / "empty.pt", "w").close()
    save(tmp_path / "list.pt", pickle.dumps([1, 2]))
    save(tmp_path / "cut.pt", tensor()[:60])
    for name in ("text.pt", "empty.pt", "list.pt", "cut.pt", "absent.pt"):
        with pytest.raises(SettingsError, match=name):
            read_checkpoint(tmp_path / name)
