"""Makes the speaker encoder `ecapa-small` that lies in the package (docs/models/ecapa-small.md).

    python -m tools.train_encoder --weights PATH/resemblyzer/pretrained.pt [--manifest …] [--folder …] [--steps …]

Needs torch and onnx beside SonicGen, and the weights in the package Resemblyzer 0.1.4 (`pip download --no-deps
resemblyzer==0.1.4` and unzip it; nothing of its code is run). One core, 40 minutes when it is free. A training that was
stopped goes on from its last state in the folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from tools.encoder_training.export import export
from tools.encoder_training.learn import learn, validate
from tools.encoder_training.pool import open_pool

STEPS = 3_000


def main() -> None:
    """Make the pool, train, write the encoder into the package."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--weights", type=Path, required=True, help="GE2E's weights in the package Resemblyzer")
    parser.add_argument("--manifest", type=Path, default=Path("../shared/data/voices/manifest.csv"))
    parser.add_argument("--folder", type=Path, default=Path("training"), help="where the pool and the states are kept")
    parser.add_argument("--steps", type=int, default=STEPS, help="after how many the rate of learning reaches its end")
    parser.add_argument("--stop", type=int, help="stop after so many, to go on with another number of steps")
    options = parser.parse_args()
    torch.set_num_threads(1)
    pool = open_pool(options.folder, options.manifest, options.weights)
    print(f"{len(pool.sounds)} voices, {len(pool.held_out)} readers held out", flush=True)
    training = learn(pool, options.steps, options.folder / "state.pt", options.stop or options.steps)
    print(validate(training.average, pool))
    export(training.average, pool)


if __name__ == "__main__":
    main()
