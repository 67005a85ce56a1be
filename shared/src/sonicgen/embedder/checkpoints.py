"""Checkpoints that torch saved, read without torch: the tensors by their names, as arrays.

Such a file is a zip archive: `data.pkl`, a pickle of the tensors' shapes, and a file with the numbers of each storage.
The pickle may name nothing but tensors and the containers around them, so opening a file runs none of its code.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonicgen.errors import SettingsError

Tensors = Mapping[str, NDArray[Any]]

_KINDS: Mapping[str, type[np.generic]] = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "IntStorage": np.int32,
    "LongStorage": np.int64,
}


def read_checkpoint(path: Path) -> Tensors:
    """Return the tensors of a state dictionary, or of that under the key `state_dict`.

    Raises SettingsError when the file is none, or holds anything else that would have to be run.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(each for each in archive.namelist() if each.endswith("data.pkl"))
            with archive.open(name) as file:
                found = _Reader(file, archive, name.removesuffix("data.pkl")).load()
        tensors = found.get("state_dict", found)
        return {name: tensor for name, tensor in tensors.items() if isinstance(tensor, np.ndarray)}
    except (OSError, StopIteration, zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path} is no checkpoint that torch saved: {error!r}.") from error
    except pickle.UnpicklingError as error:
        raise SettingsError(f"{path} was not read: {error}.") from error


@dataclass(frozen=True, slots=True)
class _Storage:
    kind: type[np.generic]


class _Reader(pickle.Unpickler):
    def __init__(self, file: Any, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(file)
        self._archive, self._folder = archive, folder

    def find_class(self, module: str, name: str) -> Callable[..., Any] | _Storage:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _KINDS:
            return _Storage(_KINDS[name])
        raise pickle.UnpicklingError(f"it holds {module}.{name}, which is no tensor")

    def persistent_load(self, pid: tuple[str, _Storage, str, str, int]) -> NDArray[Any]:
        _, storage, key, _, count = pid
        return np.frombuffer(self._archive.read(f"{self._folder}data/{key}"), storage.kind, count)


def _tensor(
    storage: NDArray[Any], offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> NDArray[Any]:
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if min((offset, last, *size, *stride)) < 0 or last >= len(storage):
        raise pickle.UnpicklingError("a tensor reaches beyond its numbers")
    steps = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps).copy()
