"""The trained network to the file in the package, with what its cosines mean."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from torch import nn

from sonicgen.embedder.encoders import onnx as onnx_encoders
from sonicgen.embedder.encoders.conversion import write_onnx
from tools.encoder_training.learn import SHAPE, held_out_rows
from tools.encoder_training.pool import Pool

FOLDER = Path(onnx_encoders.__file__).parent / "weights"
# Of windows of 1.5 s. 0.55 made the fewest errors of 0.49 to 0.64 on dialogues made of the readers held out.
LIKENESS = {"merge_above": 0.55, "split_below": 0.25}


def export(network: nn.Module, pool: Pool, folder: Path = FOLDER) -> None:
    """Write the network, and its description beside it."""
    folder.mkdir(exist_ok=True)
    write_onnx(network, folder / f"{onnx_encoders.SMALL}.onnx")
    slope, offset = calibrate(network, pool)
    description = {
        "name": onnx_encoders.SMALL,
        "dimension": SHAPE.dimension,
        "calibration": {"slope": round(slope, 2), "offset": round(offset, 2)},
        "likeness": LIKENESS,
    }
    (folder / f"{onnx_encoders.SMALL}.json").write_text(json.dumps(description, indent=2) + "\n")


def calibrate(network: nn.Module, pool: Pool) -> tuple[float, float]:
    """Return slope and offset of the log-odds that two pieces of 3 s are one voice, from readers held out.

    Half of the pairs are of two recordings as different as disturbances make them; same and different weigh alike.
    """
    clean, other, reader = held_out_rows(network, pool, 3.0)
    same = reader[:, None] == reader[None]
    apart = ~np.eye(len(reader), dtype=bool)
    scores = np.concatenate([(clean @ rows.T)[apart] for rows in (clean, other)])
    return logistic(scores, np.tile(same[apart], 2))


def logistic(scores: NDArray[np.floating], same: NDArray[np.bool_]) -> tuple[float, float]:
    """Return slope and offset of the logistic regression, both classes weighing the same."""

    def cost(line: NDArray[np.float64]) -> float:
        odds = line[0] * scores + line[1]
        return float(np.logaddexp(0, -odds[same]).mean() + np.logaddexp(0, odds[~same]).mean())

    slope, offset = scipy.optimize.minimize(cost, np.array([10.0, -4.0]), method="Nelder-Mead").x
    return float(slope), float(offset)
