"""A clip's fingerprint as it is sent in place of its sound: packed peaks and how strong each is, as text."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sonicgen.errors import InputError
from sonicgen.sound.fingerprint import Fingerprint
from sonicgen.sound.fingerprint import fingerprint as take_fingerprint
from sonicgen.sound.packing import pack_peaks, unpack_peaks
from sonicgen.sound.peaks import Peaks
from sonicgen.sound.spectrum import FRAMES_PER_SECOND
from sonicgen.sound.versions import ALGORITHMS

# Packed peaks of so much sound are taken: 240 kB.
LONGEST_SECONDS = 3_600.0
# Strengths are natural logarithms of power above the mean, 0.7 to about 8; which peaks are the stronger ones is all
# that a query needs of them.
_STRENGTH_STEPS = 30.0


def write_fingerprint(clip: Path) -> dict[str, object]:
    """Return what `POST /v1/find` takes in place of a clip; raise MediaError for what is no usable audio."""
    made = take_fingerprint(clip)
    strengths = np.clip(np.rint(made.peaks.strengths * _STRENGTH_STEPS), 0, 255).astype(np.uint8)
    return {
        "version": made.version,
        "seconds": round(made.seconds, 3),
        "peaks": base64.b64encode(pack_peaks(made.peaks, 0)).decode(),
        "strengths": base64.b64encode(strengths.tobytes()).decode(),
    }


def read_fingerprint(sent: object) -> Fingerprint:
    """Return what `write_fingerprint` wrote; raise InputError for anything else, and for another version's."""
    wrong = InputError("The fingerprint is none: send what `sonicgen fingerprint` prints.")
    if not isinstance(sent, Mapping):
        raise wrong
    try:
        version, seconds = int(sent["version"]), float(sent["seconds"])
        packed, strong = (base64.b64decode(str(sent[name]), validate=True) for name in ("peaks", "strengths"))
        if version not in ALGORITHMS:
            known = " and ".join(str(one) for one in sorted(ALGORITHMS))
            raise InputError(f"The fingerprint is of version {version}; this server compares version {known}.")
        if not 0 <= seconds <= LONGEST_SECONDS or len(packed) % 2:
            raise wrong
        peaks = unpack_peaks(packed, 0)
    except (KeyError, TypeError, OverflowError, ValueError, binascii.Error) as error:
        raise wrong from error
    if len(strong) != len(peaks) or (len(peaks) and not _fits(peaks, seconds)):
        raise wrong
    strengths = np.frombuffer(strong, np.uint8).astype(np.float32) / np.float32(_STRENGTH_STEPS)
    return Fingerprint(Peaks(peaks.frames, peaks.pitches, strengths), seconds, version)


def _fits(peaks: Peaks, seconds: float) -> bool:
    return bool(peaks.frames[-1] <= (seconds + 1.0) * FRAMES_PER_SECOND and (np.diff(peaks.frames) >= 0).all())
