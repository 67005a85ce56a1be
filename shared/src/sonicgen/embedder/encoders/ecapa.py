"""SpeechBrain's ECAPA-TDNN: loaded by SpeechBrain once, proven equal, then run by ONNX Runtime.

SpeechBrain itself hears 28 seconds in one second of one core; float32 by ONNX Runtime 53, int8 140 (docs/voices.md).
torch and SpeechBrain are needed for the conversion only: what came out lies in the cache under the weights' version.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonicgen.domain.voice import VoiceModel
from sonicgen.embedder.encoders.card import Card, read_card, version_of
from sonicgen.embedder.encoders.fbank import fbank
from sonicgen.embedder.encoders.onnx import OnnxEncoder
from sonicgen.embedder.torchaudio import without_native_torchaudio
from sonicgen.errors import SettingsError
from sonicgen.voices.clusters import Likeness
from sonicgen.voices.encoder import PIECE_SECONDS, Calibration
from sonicgen.voices.samples import SAMPLE_RATE_HZ

NAME = "ecapa"
HUB_NAME = "speechbrain/spkrec-ecapa-voxceleb"
CHECKPOINT = "embedding_model.ckpt"
CARD = "sonicgen.json"  # beside weights of one's own: name, dimension, calibration, likeness
# Not measured here, for want of the weights: even odds are at SpeechBrain's own threshold, 0.25; the slope is that of
# `ecapa-small`. A folder with a sonicgen.json overrules both.
CALIBRATION = Calibration(slope=16.0, offset=-4.0)
LIKENESS = Likeness(merge_above=0.5, split_below=0.25)
LEAST_COSINE = 0.9999  # of our network with SpeechBrain's, on every piece of the probe
LEAST_INT8_COSINE = 0.99  # of int8 with float32: less, and the weights do not bear it

Arithmetic = Literal["float32", "int8"]


class Converted(NamedTuple):
    """The files that were made of one version of the weights."""

    float32: Path
    int8: Path


def can_convert() -> bool:
    """Return whether what loads and converts the weights is installed."""
    return all(_is_installed(name) for name in ("torch", "speechbrain", "onnx"))


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # something else stands under its name
        return False


def open_ecapa(source: str, cache: Path, arithmetic: Arithmetic = "int8", threads: int = 1) -> OnnxEncoder:
    """Return the encoder of a folder, or of a name on the Hugging Face hub, converting it the first time (a minute).

    Raises SettingsError when its weights cannot be had or something to convert them with is missing.
    """
    weights = find_weights(source, cache)
    version = version_of(weights)
    folder = cache / f"{NAME}-{version}"
    converted = Converted(folder / "float32.onnx", folder / "int8.onnx")
    if not all(path.exists() for path in converted):
        from sonicgen.embedder.encoders.conversion import convert

        convert(load_by_speechbrain(weights.parent), weights, converted)
    return OnnxEncoder(getattr(converted, arithmetic), card_of(weights), arithmetic=arithmetic, threads=threads)


def card_of(weights: Path) -> Card:
    """Return the card of a checkpoint: the one beside it, or what is known of SpeechBrain's own."""
    if (weights.parent / CARD).exists():
        return read_card(weights, weights.parent / CARD)
    return Card(VoiceModel(NAME, version_of(weights), 192), CALIBRATION, LIKENESS)


def load_by_speechbrain(source: Path) -> Any:
    """Return SpeechBrain's `EncoderClassifier` of a folder; nothing is fetched."""
    inference = _speechbrain()
    return inference.EncoderClassifier.from_hparams(
        source=str(source), savedir=str(source), overrides={"pretrained_path": str(source)}
    )


def probe(seconds: float = PIECE_SECONDS, pieces: int = 16) -> NDArray[np.float32]:
    """Return pieces (pieces, samples) of a conversation that lies in the package, to compare and to calibrate with."""
    from sonicgen.sound.decode import Decoder

    path = Path(__file__).parents[2] / "local" / "conversation.opus"
    sound = np.concatenate(list(Decoder(path, rate_hz=SAMPLE_RATE_HZ)))
    samples = int(seconds * SAMPLE_RATE_HZ)
    starts = np.linspace(0, len(sound) - samples, pieces).astype(int)
    return np.stack([sound[start : start + samples] for start in starts]).astype(np.float32)


def probe_features() -> NDArray[np.float32]:
    """Return the features of the probe."""
    return fbank(probe())


def find_weights(source: str, cache: Path) -> Path:
    """Return where the checkpoint lies, fetching it from the hub when the source is not a folder."""
    folder = Path(source).expanduser()
    if not folder.is_dir():
        if source.startswith((".", "/", "~")):
            raise SettingsError(f"SONICGEN_ECAPA_WEIGHTS names {source}, which is no folder.")
        folder = cache / "hub" / source.replace("/", "--")
        if not (folder / CHECKPOINT).exists():
            _fetch(source, folder)
    if not (folder / CHECKPOINT).exists():
        raise SettingsError(f"{folder} holds no {CHECKPOINT}: it is not a speaker encoder of SpeechBrain.")
    return folder / CHECKPOINT


def _fetch(name: str, folder: Path) -> None:
    inference = _speechbrain()
    try:
        inference.EncoderClassifier.from_hparams(source=name, savedir=str(folder))
    except Exception as error:  # of the hub, its client, the network, or SpeechBrain: each has a tree of its own
        raise SettingsError(
            f"{name} cannot be fetched ({type(error).__name__}): put its files into a folder and name that in "
            "SONICGEN_ECAPA_WEIGHTS, or set SONICGEN_ENCODER=ecapa-small."
        ) from error


def _speechbrain() -> Any:
    if not can_convert():
        raise SettingsError("The encoder ecapa needs SpeechBrain and torch: pip install 'sonicgen[voices]'.")
    without_native_torchaudio()
    import speechbrain.inference.speaker as inference

    return inference
