"""The process in which bytes from strangers are decoded: `python -m sonicgen.steps.clip_worker`.

It has no settings and no secrets, and limits of memory, time and files. It reads one request a line
(JSON) and answers with a line of JSON, which says how many bytes of plain numbers follow it. Whoever started it ends it
when it takes too long; what a damaged file can break in a decoder breaks here.
"""

from __future__ import annotations

import json
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

# How many stretches a waveform has: more than a screen has columns.
WAVEFORM_STRETCHES = 2_000
# A picture of a stretch: as many columns and rows as it is drawn with, frequencies from the first to the last.
SPECTROGRAM_COLUMNS, SPECTROGRAM_ROWS, SPECTROGRAM_HZ = 640, 110, (100.0, 5512.0)
# Whitened levels (natural logarithm of power above the mean) that are drawn darkest; peaks lie between 1 and 4.
LOUDEST_LEVEL = 4.0
# Progress is told so often, in seconds of sound: a clip of a minute takes 0.1 s.
PROGRESS_SECONDS = 60.0


def main() -> None:
    """Answer requests until standard input ends."""
    from sonicgen.errors import MediaError
    from sonicgen.sound.fingerprint import warm_up

    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    memory_bytes = int(sys.argv[1])
    warm_up()
    _limit_for_good(memory_bytes)
    _tell(answers, {"ready": True})
    for line in requests:
        request = json.loads(line)
        _limit_time(float(request["seconds"]))
        try:
            if request["mode"] == "spectrogram":
                answer, data = _spectrogram(Path(request["path"]), float(request["from"]), float(request["to"]))
            elif request["mode"] == "waveform":
                answer, data = _waveform(Path(request["path"]))
            else:
                answer, data = _fingerprint(request, answers)
        except MediaError as error:
            answer, data = {"media": str(error.reason), "message": str(error)}, b""
        except MemoryError:
            answer, data = {"memory": True}, b""
        except OSError as error:
            answer, data = {"media": "not_audio", "message": f"The file cannot be read: {error.strerror}."}, b""
        _tell(answers, answer, data)


def _fingerprint(request: dict[str, Any], answers: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Return the peaks of each version, the current one first: int32 frames, then float32 pitches and strengths."""
    from sonicgen.sound.decode import Decoder
    from sonicgen.sound.fingerprint import Fingerprinter

    maker = Fingerprinter(request["versions"])
    decoder = Decoder(Path(request["path"]))
    told = 0.0
    is_cut = False
    for block in decoder:
        maker.feed(block)
        if maker.seconds >= told + PROGRESS_SECONDS:
            told = maker.seconds
            _tell(answers, {"done_seconds": told, "of_seconds": decoder.duration_seconds})
        if maker.seconds >= request["maximum_seconds"]:
            is_cut = True
            break
    made = maker.finish(truncated=decoder.truncated)
    versions = (made, *made.older)
    data = b"".join(
        column.astype(kind).tobytes()
        for one in versions
        for column, kind in ((one.peaks.frames, "<i4"), (one.peaks.pitches, "<f4"), (one.peaks.strengths, "<f4"))
    )
    peaks = [(one.version, len(one.peaks)) for one in versions]
    return {"peaks": peaks, "seconds": made.seconds, "truncated": made.truncated, "is_cut": is_cut}, data


def _waveform(path: Path) -> tuple[dict[str, Any], bytes]:
    """Return the largest amplitude of each of equal stretches, as bytes: square root, so that quiet speech shows."""
    from sonicgen.sound.decode import Decoder
    from sonicgen.sound.spectrum import SAMPLE_RATE_HZ

    step = SAMPLE_RATE_HZ // 100
    parts: list[np.ndarray[Any, Any]] = []
    rest = np.empty(0, np.float32)
    for block in Decoder(path):
        rest = np.concatenate((rest, np.abs(block)))
        whole = len(rest) // step * step
        parts.append(rest[:whole].reshape(-1, step).max(axis=1))
        rest = rest[whole:]
    if len(rest):
        parts.append(rest.max(keepdims=True))
    fine = np.concatenate(parts) if parts else np.zeros(1, np.float32)
    count = min(WAVEFORM_STRETCHES, len(fine))
    edges = np.linspace(0, len(fine), count, endpoint=False).astype(np.int64)
    peaks = np.maximum.reduceat(fine, edges)
    loudest = max(float(peaks.max()), 1e-4)
    levels = np.rint(np.sqrt(peaks / loudest) * 255).astype(np.uint8)
    return {"seconds": len(fine) * step / SAMPLE_RATE_HZ}, levels.tobytes()


def _spectrogram(path: Path, start: float, end: float) -> tuple[dict[str, Any], bytes]:
    """Return a stretch as SonicGen hears it: a byte for each of columns × rows, rows on a logarithmic scale."""
    from sonicgen.sound.decode import Decoder
    from sonicgen.sound.spectrum import FFT_SIZE, LOWEST_BIN, SAMPLE_RATE_HZ, WhitenedSpectrum

    first, last = round(start * SAMPLE_RATE_HZ), round(end * SAMPLE_RATE_HZ)
    spectrum = WhitenedSpectrum()
    parts: list[np.ndarray[Any, Any]] = []
    position = 0
    for block in Decoder(path):
        parts.extend(spectrum.feed(block[max(0, first - position) : max(0, last - position)]))
        position += len(block)
        if position >= last:
            break
    parts.extend(spectrum.finish())
    whole = np.concatenate(parts) if parts else np.zeros((1, 1), np.float32)
    columns = min(SPECTROGRAM_COLUMNS, len(whole))
    moments = np.linspace(0, len(whole) - 1, columns).astype(np.int64)
    hertz = np.geomspace(SPECTROGRAM_HZ[0], SPECTROGRAM_HZ[1], SPECTROGRAM_ROWS)
    bins = np.clip(np.rint(hertz * FFT_SIZE / SAMPLE_RATE_HZ).astype(np.int64) - LOWEST_BIN, 0, whole.shape[1] - 1)
    shown = whole[moments][:, bins]
    levels = np.rint(np.clip(shown / LOUDEST_LEVEL, 0, 1) * 255).astype(np.uint8)
    return {"columns": columns, "rows": SPECTROGRAM_ROWS}, levels.tobytes()


def _limit_for_good(memory_bytes: int) -> None:
    """Bound memory beyond what the libraries took, forbid writing files and core dumps, and start no process."""
    used_pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = used_pages * resource.getpagesize() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def _limit_time(seconds: float) -> None:
    """Have the system end this process when one request takes more of the processor than its time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    with suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _tell(answers: BinaryIO, answer: dict[str, Any], data: bytes = b"") -> None:
    answers.write(json.dumps({**answer, "bytes": len(data)}).encode() + b"\n" + data)
    answers.flush()


if __name__ == "__main__":
    main()
