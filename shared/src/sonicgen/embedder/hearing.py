"""A file to mono samples at 16 kHz: within limits of length and time, and nothing stays on disk."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from sonicgen.embedder.problems import Code, RequestError
from sonicgen.embedder.tickets import Ticket
from sonicgen.sound.decode import Decoder
from sonicgen.voices.samples import SAMPLE_RATE_HZ, Samples

# A block is what is decoded between two looks at the clock and the caller: 4 s of sound.
_BLOCK_SAMPLES = 65_536


@dataclass(frozen=True, slots=True)
class Limits:
    """How much sound one file may hold, and how long its decoding may take."""

    audio_seconds: float
    decode_seconds: float


@dataclass(frozen=True, slots=True)
class Heard:
    """A file's sound, mapped from a file without a name, which is gone as soon as nobody looks at it.

    It is float32: loud stereo is mixed down to as much as 1.4, eight channels to 4, which int16 would clip.
    `is_truncated` says that the file was damaged or ended before the length that it states.
    """

    samples: Samples
    is_truncated: bool

    @property
    def duration_seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / SAMPLE_RATE_HZ


def hear(file: BinaryIO, limits: Limits, ticket: Ticket, *, until_seconds: float | None = None) -> Heard:
    """Return a file's sound, up to a moment when one is given.

    Raises MediaError for what is no sound, RequestError for what is too long or takes too long, CallerLeftError.
    """
    deadline = time.monotonic() + limits.decode_seconds
    decoder = Decoder(cast(BinaryIO, _Guarded(file, ticket, deadline)), SAMPLE_RATE_HZ, _BLOCK_SAMPLES)
    most = int(limits.audio_seconds * SAMPLE_RATE_HZ)
    wanted = most + 1 if until_seconds is None else int(until_seconds * SAMPLE_RATE_HZ)
    with tempfile.TemporaryFile() as store, closing(cast(Generator[NDArray[np.float32]], iter(decoder))) as blocks:
        count = 0
        for block in blocks:
            _check_deadline(deadline)
            ticket.check()
            count += len(block)
            stated = decoder.duration_seconds or 0.0
            if count > most or (until_seconds is None and stated > limits.audio_seconds + 1):
                raise _too_long(limits)
            store.write(np.asarray(block, np.float32).tobytes())
            if count >= wanted:
                break
        store.flush()
        samples: Samples = np.memmap(store, np.float32, "r") if count else np.empty(0, np.float32)
    return Heard(samples, decoder.truncated)


def _too_long(limits: Limits) -> RequestError:
    return RequestError(
        Code.TOO_LONG,
        f"The sound is longer than {limits.audio_seconds / 3600:g} h, which is the limit here; send it in parts.",
    )


def _check_deadline(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise RequestError(
            Code.SLOW_DECODING, "The file takes too long to decode; send it in another format, such as FLAC or Opus."
        )


class _Guarded(io.BufferedIOBase):
    """A file that raises once its time is over or its caller has left, however long a decoder would go on reading."""

    def __init__(self, file: BinaryIO, ticket: Ticket, deadline: float) -> None:
        self._file = file
        self._ticket = ticket
        self._deadline = deadline

    def read(self, size: int | None = -1, /) -> bytes:
        self._ticket.check()
        _check_deadline(self._deadline)
        return self._file.read(-1 if size is None else size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
