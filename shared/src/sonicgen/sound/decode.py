"""Any audio or video file to mono samples, in blocks, without ever holding the whole of it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, cast

import av
import av.container
import av.error
import av.filter
import numpy as np
from numpy.typing import NDArray

from sonicgen.domain.quality import Quality
from sonicgen.domain.recording import Reason
from sonicgen.errors import MediaError
from sonicgen.sound.quality import QualityMeter
from sonicgen.sound.rate import SAMPLE_RATE_HZ

BLOCK_SAMPLES = 65_536  # 5.9 s a block: fastest of what was tried (1,360 × real time against 1,000 to 1,240 for less)
PIPE_BUFFER_BYTES = 1 << 12
# Of a stream no more is read before the first sound than tells what it is: by default it would be 5 MB.
_PIPE_OPTIONS = {"probesize": "32768", "analyzeduration": "500000"}
BUFFER_BYTES = 1 << 18  # one read: a file in a bucket answers large reads best
# Formats that are lists of other files or a network session; only the bytes that were given may be read.
_LIST_FORMATS = frozenset({"hls", "concat", "dash", "sdp", "rtsp", "webvtt", "srt", "ass", "tty"})
# What a header may claim. Telephones have 8,000 Hz; a file of 2 MB that says 1 Hz would be made 11,025 times larger.
_RATES_HZ = range(1_000, 1_000_001)
# Decoding 48 h takes two minutes (1,360 × real time); a function has nine, and the index has room for 108 h of frames.
LONGEST_SECONDS = 48 * 3600
# A file is called truncated when it says it is longer than what came out of it by more than this.
_MISSING_SECONDS, _MISSING_SHARE = 1.0, 0.02
# Formats without a length: ffmpeg guesses it from the bit rate, which says nothing of damage.
_GUESSED_LENGTH = frozenset({"mp3", "aac", "ac3", "eac3", "dts", "amr", "mpeg", "mpegts", "mpegvideo", "loas"})


class _Source:
    """Nothing but the bytes: no name that ffmpeg could derive other files from, and errors of reading are kept."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: Exception | None = None

    def peek(self, size: int) -> bytes:
        """Return what comes first."""
        self.seek(0)
        head = self.read(size)
        self.seek(0)
        return head

    def read(self, size: int = -1) -> bytes:
        try:
            return self._file.read(size)
        except Exception as error:
            self.error = error
            raise

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return self._file.seek(offset, whence)
        except Exception as error:
            self.error = error
            raise

    def tell(self) -> int:
        return self._file.tell()


class _Pipe:
    """A file that can only be read on: standard input, a socket. The head that was looked at is read again first."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._head = b""
        self.error: Exception | None = None

    def peek(self, size: int) -> bytes:
        """Return what comes first, without losing it; less than `size` when no more is there yet."""
        self._head = self._head or self.read(size)
        return self._head

    def read(self, size: int = -1) -> bytes:
        if self._head:
            part, self._head = self._head[:size], self._head[size:]
            return part
        try:
            # What is there now: a stream must not wait until a whole buffer is full.
            read = getattr(self._file, "read1", self._file.read)
            return cast(bytes, read(size))
        except Exception as error:
            self.error = error
            raise


def _refuse_other_files(url: str, _flags: int, _options: dict[str, str]) -> Any:
    raise PermissionError(f"A media file may not open {url}.")


class Decoder:
    """Iterates over a file's first audio stream as blocks of mono float32 samples at `rate_hz` (11,025).

    `source` is a path or a binary file object; one that is not seekable is read as a stream. Blocks have
    `block_samples`, but for the last. Channels are mixed down; what cannot be decoded is left out.
    After the iteration `truncated` says whether the file was damaged or ended early, and `quality` how good it sounds
    (None when it is nothing but silence). `duration_seconds` is what the file says of its own length, known once the
    first block is there. Raises MediaError (reason EMPTY_FILE,
    NOT_AUDIO, NO_AUDIO_STREAM); an error of the file object itself comes through as it is.
    """

    def __init__(
        self, source: str | Path | BinaryIO, rate_hz: int = SAMPLE_RATE_HZ, block_samples: int = BLOCK_SAMPLES
    ) -> None:
        self._given = source
        self._rate_hz = rate_hz
        self._block_samples = block_samples
        self.truncated = False
        self.duration_seconds: float | None = None
        self.samples = 0
        self.quality: Quality | None = None

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        if isinstance(self._given, str | Path):
            with Path(self._given).open("rb") as file:
                yield from self._decode(_Source(file))
        else:
            yield from self._decode(_Source(self._given) if self._given.seekable() else _Pipe(self._given))

    def _decode(self, source: _Source | _Pipe) -> Iterator[NDArray[np.float32]]:
        head = source.peek(1 << 16)
        if not head:
            raise MediaError(Reason.EMPTY_FILE, "The file has no bytes.")
        with _open(source) as container:
            stream = _first_audio_stream(container)
            self._read_length(container, stream, head)
            meter = QualityMeter()
            frames = self._frames(container, stream, source, meter)
            for frame in _resampled(frames, self._rate_hz, self._block_samples, self._note_damage):
                block = frame.to_ndarray()[0]
                self.samples += len(block)
                meter.hear(block)
                yield block
                if self.samples >= LONGEST_SECONDS * self._rate_hz:
                    self.truncated = True
                    break
            self.quality = meter.finish()
        if not self.samples:
            raise MediaError(Reason.NOT_AUDIO, "The file looks like audio, but no sound could be decoded from it.")
        seconds = self.samples / self._rate_hz
        if self.duration_seconds is not None:
            missing = self.duration_seconds - seconds
            self.truncated |= missing > max(_MISSING_SECONDS, _MISSING_SHARE * self.duration_seconds)

    def _note_damage(self) -> None:
        self.truncated = True

    def _read_length(self, container: av.container.InputContainer, stream: av.AudioStream, head: bytes) -> None:
        formats = set(container.format.name.split(","))
        if formats & _GUESSED_LENGTH and not _has_length_header(head):
            return
        if stream.duration is not None and stream.time_base is not None:
            self.duration_seconds = float(stream.duration * stream.time_base)
        elif container.duration is not None and not any(s.type == "video" for s in container.streams):
            self.duration_seconds = container.duration / av.time_base

    def _frames(
        self,
        container: av.container.InputContainer,
        stream: av.AudioStream,
        source: _Source | _Pipe,
        meter: QualityMeter,
    ) -> Iterator[av.AudioFrame]:
        codec = stream.codec_context.name
        packets = container.demux(stream)
        while (packet := self._next_packet(packets, source)) is not None:
            self.truncated |= packet.is_corrupt
            meter.weigh(packet.size)
            try:
                frames = packet.decode()
            except (av.error.FFmpegError, ValueError):  # one bad packet; the next may be good
                self.truncated |= packet.size > 0  # draining a Vorbis decoder at the very end may fail for no reason
                continue
            for frame in frames:
                if isinstance(frame, av.AudioFrame) and frame.samples:
                    if frame.sample_rate not in _RATES_HZ:
                        self.truncated = True
                        return
                    self.truncated |= frame.is_corrupt
                    meter.look(frame, codec)
                    yield frame

    def _next_packet(
        self, packets: Iterator[av.Packet[av.AudioStream]], source: _Source | _Pipe
    ) -> av.Packet[av.AudioStream] | None:
        """Return the next packet, None at the end or where the file cannot be read on."""
        packet = None
        try:
            packet = next(packets, None)
        except (av.error.FFmpegError, ValueError, OSError):
            self.truncated = True
        if source.error is not None:
            raise source.error
        return packet


def _open(source: _Source | _Pipe) -> av.container.InputContainer:
    try:
        container = av.open(
            source,
            buffer_size=BUFFER_BYTES if isinstance(source, _Source) else PIPE_BUFFER_BYTES,
            metadata_errors="replace",
            io_open=_refuse_other_files,
            container_options={"protocol_whitelist": "none"} | ({} if isinstance(source, _Source) else _PIPE_OPTIONS),
        )
    except Exception as error:
        if source.error is not None:
            raise source.error from None
        if not isinstance(error, av.error.FFmpegError | ValueError | OSError):
            raise
        message = "The file is not audio or video in any format that ffmpeg reads."
        raise MediaError(Reason.NOT_AUDIO, message) from error
    assert isinstance(container, av.container.InputContainer)  # noqa: S101  (av.open without a mode reads)
    return container


def _first_audio_stream(container: av.container.InputContainer) -> av.AudioStream:
    formats = set(container.format.name.split(","))
    if formats & _LIST_FORMATS:
        raise MediaError(Reason.NOT_AUDIO, "The file is a playlist or text, which holds no sound itself.")
    if container.streams.audio:
        stream = container.streams.audio[0]
        stated_hz = stream.codec_context.sample_rate
        if stated_hz and stated_hz not in _RATES_HZ:
            raise MediaError(
                Reason.NOT_AUDIO, f"The file says it has {stated_hz} samples a second, which no sound has."
            )
        stream.codec_context.thread_type = "NONE"  # threads would hold many frames, and audio is not the bottleneck
        return stream
    is_picture = any(name.endswith("_pipe") or name in {"image2", "gif", "apng", "ico"} for name in formats)
    if container.streams.video and not is_picture:
        raise MediaError(Reason.NO_AUDIO_STREAM, "The file is a video without sound.")
    raise MediaError(Reason.NOT_AUDIO, "The file is not audio or video; it holds a picture, text or data.")


class _Mixer:
    """Mixes frames of one format down to mono float32 at one rate, and hands them out in blocks.

    Frames are pushed and only looked for when a block should be there: asking after each of the 138,000 frames of an
    hour of mp3 took 1.4 s more (5.2 s of CPU to 3.7, where ffmpeg's own command takes 3.5).
    """

    def __init__(self, frame: av.AudioFrame, rate_hz: int, block_samples: int) -> None:
        graph = av.filter.Graph()
        rate = frame.sample_rate
        self._source = graph.add_abuffer(
            sample_rate=rate,
            format=frame.format.name,
            layout=frame.layout.name,
            channels=frame.layout.nb_channels,
            time_base=Fraction(1, rate),
        )
        form = graph.add("aformat", f"sample_fmts=flt:channel_layouts=mono:sample_rates={rate_hz}")
        self._sink = graph.add("abuffersink")
        self._source.link_to(form)
        form.link_to(self._sink)
        graph.configure()
        graph.set_audio_frame_size(block_samples)
        self._graph = graph
        self._block_samples = block_samples * rate // rate_hz
        self._pushed = 0

    def push(self, frame: av.AudioFrame) -> Iterator[av.AudioFrame]:
        """Take a frame; yield the blocks that are ready."""
        frame.pts = None  # gaps and jumps in time stamps must not stall or stretch the sound
        self._source.push(frame)
        self._pushed += frame.samples
        if self._pushed >= self._block_samples:
            self._pushed -= self._block_samples
            yield from self._pull()

    def finish(self) -> Iterator[av.AudioFrame]:
        """Yield what is left."""
        self._source.push(None)
        yield from self._pull()

    def _pull(self) -> Iterator[av.AudioFrame]:
        while True:
            try:
                block = self._sink.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            assert isinstance(block, av.AudioFrame)  # noqa: S101  (an abuffersink has nothing else)
            yield block


def _resampled(
    frames: Iterator[av.AudioFrame], rate_hz: int, block_samples: int, note_damage: Callable[[], None]
) -> Iterator[av.AudioFrame]:
    """Yield the frames as mono float32 at one rate; a change of format in mid-stream starts a new mixer.

    Where a header claims what cannot be mixed (no memory for its channels, a layout that is none) the sound ends.
    """
    mixer: _Mixer | None = None
    current = None
    for frame in frames:
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        try:
            if mixer is None or form != current:
                if mixer is not None:
                    yield from mixer.finish()
                mixer, current = _Mixer(frame, rate_hz, block_samples), form
            yield from mixer.push(frame)
        except (av.error.FFmpegError, ValueError):
            return note_damage()
    if mixer is not None:
        yield from mixer.finish()
    return None


def _has_length_header(head: bytes) -> bool:
    """Return whether an mp3 begins with the frame that says how long it is (Xing, Info or VBRI header)."""
    start = 0
    if head[:3] == b"ID3" and len(head) >= 10:  # the size is four bytes of seven bits
        start = 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])
    first = head[start : start + 256]
    return any(tag in first for tag in (b"Xing", b"Info", b"VBRI"))


def decode_blocks(source: str | Path | BinaryIO) -> Iterator[NDArray[np.float32]]:
    """Yield a file's first audio stream as blocks of mono float32 samples at 11,025 Hz (see `Decoder`)."""
    yield from Decoder(source)
