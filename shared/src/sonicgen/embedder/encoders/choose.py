"""Which encoder this process uses."""

from __future__ import annotations

import logging
from pathlib import Path

from sonicgen.embedder.encoders import campplus, ecapa
from sonicgen.embedder.encoders.ge2e import Ge2eEncoder
from sonicgen.embedder.encoders.onnx import ecapa_small
from sonicgen.errors import SettingsError
from sonicgen.log import log
from sonicgen.settings import Settings
from sonicgen.voices.encoder import Encoder

logger = logging.getLogger(__name__)


def load_encoder(settings: Settings, *, threads: int = 1, arithmetic: ecapa.Arithmetic = "int8") -> Encoder:
    """Return the encoder that the settings name, or with "auto" the best whose weights can be had.

    "auto" is `ecapa` when SONICGEN_ECAPA_WEIGHTS names its weights, or SpeechBrain is installed and the hub answers;
    else `campplus` when its weights are here, `ecapa-small` otherwise. Raises SettingsError when what is named cannot
    be had: another model's vectors would be strangers to all that are kept. `arithmetic` is that of `ecapa`; the
    others have one only.
    """
    if settings.encoder == "ge2e":
        return Ge2eEncoder(Path(settings.ge2e_weights).expanduser() if settings.ge2e_weights else None)
    if settings.encoder == "ecapa-small":
        return ecapa_small(threads)
    if settings.encoder == "campplus":
        named = settings.campplus_weights
        return campplus.open_campplus(Path(named).expanduser() if named else None, threads)
    cache = models_folder(settings)
    if settings.encoder == "ecapa" or settings.ecapa_weights:
        return ecapa.open_ecapa(settings.ecapa_weights or ecapa.HUB_NAME, cache, arithmetic, threads)
    if not ecapa.can_convert():
        return _without_ecapa(settings, threads)
    try:
        return ecapa.open_ecapa(ecapa.HUB_NAME, cache, arithmetic, threads)
    except SettingsError as error:
        encoder = _without_ecapa(settings, threads)
        instead = f"ecapa cannot be had; {encoder.model.name} runs instead"
        log(logger, instead, level=logging.WARNING, reason=str(error))
        return encoder


def _without_ecapa(settings: Settings, threads: int) -> Encoder:
    if settings.campplus_weights or campplus.find_weights():
        return load_encoder(settings.model_copy(update={"encoder": "campplus"}), threads=threads)
    return ecapa_small(threads)


def load_on_gpu(settings: Settings) -> Encoder:
    """Return `ecapa` on this machine's GPU; raise SettingsError when either cannot be had."""
    if not ecapa.can_convert():
        raise SettingsError("The GPU is used by torch: pip install 'sonicgen[voices]'.")
    from sonicgen.embedder.encoders.cuda import open_cuda  # needs torch

    return open_cuda(ecapa.find_weights(settings.ecapa_weights or ecapa.HUB_NAME, models_folder(settings)))


def models_folder(settings: Settings) -> Path:
    """Return where fetched and converted weights are kept."""
    return settings.data_dir / "models"
