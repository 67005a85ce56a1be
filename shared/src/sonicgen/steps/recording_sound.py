"""A recording's own bytes, for a player, and its waveform."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sonicgen.cloud.objects import ObjectReader, open_object
from sonicgen.domain.recording import Recording
from sonicgen.errors import NotFoundError
from sonicgen.services.scratch import scratch_folder
from sonicgen.steps.clip_workers import ClipWorkers, Spectrogram
from sonicgen.steps.explain_match import DEEPEST_SECONDS
from sonicgen.steps.services import Services
from sonicgen.store import waveforms
from sonicgen.store.waveforms import StoredWaveform

_BLOCK_BYTES = 256 << 10
# Decoding is about 1,000 times as fast as the sound is long: a day of it.
_WAVEFORM_SECONDS = 120.0
_PICTURE_SECONDS = 60.0
# What a player gets that nobody knows the type of: never anything that a browser would show as a page.
_UNKNOWN = "application/octet-stream"
_MORE_TYPES = {".opus": "audio/ogg", ".m4a": "audio/mp4", ".flac": "audio/flac", ".mkv": "video/x-matroska"}


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording's bytes, ready to be read from anywhere."""

    reader: ObjectReader
    size_bytes: int
    media_type: str
    etag: str

    def read(self, first: int, last: int) -> Iterator[bytes]:
        """Yield the bytes from `first` to `last`, both included, and close."""
        with closing(self.reader) as reader:
            reader.seek(first)
            left = last - first + 1
            while left > 0 and (block := reader.read(min(left, _BLOCK_BYTES))):
                left -= len(block)
                yield block


def open_sound(recording: Recording) -> Sound:
    """Return a recording's bytes; raise NotFoundError when they lie nowhere (yet, or any more)."""
    if not recording.is_stored:
        raise NotFoundError(f"“{recording.title}” has no sound here yet: it waits for its download.")
    reader = open_object(recording.bucket, recording.object_name, recording.generation)
    return Sound(reader, reader.stored.size_bytes, media_type_of(recording), f'"{recording.generation}"')


def media_type_of(recording: Recording) -> str:
    """Return what a player is told of a recording: audio or video of some type, or nothing that a browser opens."""
    suffix = f".{recording.object_name.rpartition('.')[2].lower()}"
    known = (recording.content_type, _MORE_TYPES.get(suffix), mimetypes.guess_type(f"x{suffix}")[0])
    return next((kind for kind in known if kind and kind.startswith(("audio/", "video/"))), _UNKNOWN)


def waveform_of(services: Services, workers: ClipWorkers, recording: Recording) -> StoredWaveform:
    """Return how loud a recording is over its length; made at the first time, which takes a second for 20 minutes.

    Raises NotFoundError without bytes, MediaError when they are no sound.
    """
    kept = waveforms.find(services.database, recording.id, recording.generation)
    if kept is not None:
        return kept
    with _fetched(services, recording) as path:
        made = workers.waveform(path, seconds=_WAVEFORM_SECONDS)
    waveform = StoredWaveform(made.seconds, made.levels)
    waveforms.put(services.database, recording.id, recording.generation, waveform)
    return waveform


def spectrogram_of(
    services: Services, workers: ClipWorkers, recording: Recording, start: float, end: float
) -> Spectrogram:
    """Return a picture of a stretch, a minute at most.

    Raises NotFoundError without bytes and for what lies too deep in its file, MediaError when they are no sound.
    """
    if start > DEEPEST_SECONDS:
        raise NotFoundError("It lies too deep in its file to be drawn; its landmarks are enough.")
    with _fetched(services, recording) as path:
        return workers.spectrogram(path, start, min(end, start + _PICTURE_SECONDS), seconds=_WAVEFORM_SECONDS)


@contextmanager
def _fetched(services: Services, recording: Recording) -> Iterator[Path]:
    """Give a recording's bytes as a file inside the block."""
    sound = open_sound(recording)
    with scratch_folder(services.settings.download_dir) as folder:
        path = folder / "sound"
        with path.open("wb") as file:
            for block in sound.read(0, sound.size_bytes - 1):
                file.write(block)
        yield path
