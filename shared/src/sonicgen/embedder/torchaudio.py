"""PyPI's torchaudio is built for CUDA and does not import beside a torch for CPUs: a way round."""

from __future__ import annotations

import sys
import types
from typing import Any


def without_native_torchaudio() -> None:
    """Let torchaudio, when it is imported next, believe that its native part is not there; nothing here uses it."""
    if "torchaudio" in sys.modules:
        return
    absent: Any = types.ModuleType("torchaudio._extension")
    absent._IS_TORCHAUDIO_EXT_AVAILABLE = absent._IS_ALIGN_AVAILABLE = False
    absent.fail_if_no_align = lambda function: function
    sys.modules.setdefault(absent.__name__, absent)
