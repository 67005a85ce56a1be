"""Embeddings that a caller kept: as JSON or as .npy, never as anything that can carry code."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonicgen.domain.voice import VoiceModel
from sonicgen.embedder.problems import Code, RequestError

# A thousand vectors of 192 numbers are 4 MB as JSON.
MOST_BYTES = 8 << 20
_NPY = b"\x93NUMPY"


def read_embedding(data: bytes, model: VoiceModel) -> NDArray[np.float32]:
    """Return the unit vector in a file: one vector, or the mean of several at length one.

    JSON is a list of numbers, a list of such lists, or what /embedding answered, which names its model. Raises
    RequestError for anything else, for another model's vector and another dimension.
    """
    if len(data) > MOST_BYTES:
        raise RequestError(Code.TOO_LARGE, f"A stored embedding may have {MOST_BYTES:,} bytes; this is larger.")
    if data.startswith(_NPY):
        values = _read_npy(data)
    elif _is_pickle(data):
        raise RequestError(
            Code.PICKLE_REFUSED,
            "The embedding is a pickle, which can run code when it is read; save it as JSON or with numpy.save.",
        )
    else:
        values = _read_json(data, model)
    return _mean(values, model)


def _is_pickle(data: bytes) -> bool:
    # Protocol 2 and later begin with its number; the older ones are text that ends with a stop and opens a mark.
    return data[:1] == b"\x80" or (data.endswith(b".") and data[:1] in b"(c]}IFVSLl")


def _read_npy(data: bytes) -> NDArray[Any]:
    try:
        values: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    except ValueError as error:
        if "allow_pickle" in str(error) or "Object arrays" in str(error):
            raise RequestError(
                Code.PICKLE_REFUSED, "The .npy file holds pickled objects; save an array of float32 with numpy.save."
            ) from error
        raise RequestError(Code.BAD_EMBEDDING, "The .npy file is damaged; save the embedding again.") from error
    except (EOFError, OSError) as error:
        raise RequestError(Code.BAD_EMBEDDING, "The .npy file is damaged; save the embedding again.") from error
    return values


def _read_json(data: bytes, model: VoiceModel) -> Any:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RequestError(
            Code.BAD_EMBEDDING,
            "The embedding is neither JSON nor .npy; send a list of numbers or a file of numpy.save.",
        ) from error
    if not isinstance(found, dict):
        return found
    named = found.get("model")
    if isinstance(named, dict) and (named.get("name"), named.get("version")) != (model.name, model.version):
        raise RequestError(
            Code.OTHER_MODEL,
            f"The embedding was made by {named.get('name')} {named.get('version')}, and {model.name} {model.version} "
            "runs here; vectors of different models cannot be compared, so make it anew.",
        )
    return found.get("embedding")


def _mean(values: Any, model: VoiceModel) -> NDArray[np.float32]:
    try:
        rows = np.atleast_2d(np.asarray(values, np.float64))
    except (TypeError, ValueError) as error:
        raise RequestError(Code.BAD_EMBEDDING, "The embedding is no list of numbers.") from error
    if rows.ndim != 2 or not rows.size or not np.isfinite(rows).all():
        raise RequestError(Code.BAD_EMBEDDING, "The embedding must be finite numbers: one vector or a list of vectors.")
    if rows.shape[1] != model.dimension:
        raise RequestError(
            Code.WRONG_DIMENSION,
            f"The embedding has {rows.shape[1]} numbers, and {model.name} has {model.dimension}; "
            "vectors of different models cannot be compared.",
        )
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not lengths.all():
        raise RequestError(Code.BAD_EMBEDDING, "The embedding is all zeros.")
    return unit_mean(rows / lengths)


def unit_mean(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the mean of vectors at length one."""
    mean = rows.mean(axis=0, dtype=np.float64)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)
