from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
import pytest

from sonicgen.domain.recording import Reason
from sonicgen.errors import MediaError
from sonicgen.sound.decode import BLOCK_SAMPLES, Decoder, decode_blocks
from sonicgen.sound.spectrum import SAMPLE_RATE_HZ
from tests.unit.sound.signals import Samples, encoded, music

SONG_44K = music(8.0, seed=6, rate=44_100)


def decoded(data: bytes) -> Samples:
    return np.concatenate(list(decode_blocks(io.BytesIO(data))))


def refusal(data: bytes) -> MediaError:
    with pytest.raises(MediaError) as caught:
        list(decode_blocks(io.BytesIO(data)))
    return caught.value


def picture(form: str, codec: str, frames: int, pixels: str) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        stream = container.add_stream(codec, rate=5)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for i in range(frames):
            image = np.full((48, 64, 3), 40 * i % 255, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixels)))
        container.mux(stream.encode(None))
    return file.getvalue()


def video_with_sound() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        video = container.add_stream("mpeg4", rate=5)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("aac", rate=44_100, layout="mono")
        for i in range(40):
            image = np.full((48, 64, 3), 6 * i, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        for start in range(0, len(SONG_44K) - 1024, 1024):
            frame = av.AudioFrame.from_ndarray(SONG_44K[None, start : start + 1024], format="fltp", layout="mono")
            frame.sample_rate = 44_100
            frame.pts = start
            container.mux(audio.encode(frame))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(
    ("form", "codec", "rate", "layout"),
    [
        ("wav", "pcm_s16le", 44_100, "mono"),
        ("wav", "pcm_f32le", 192_000, "mono"),
        ("wav", "pcm_s16le", 48_000, "7.1"),
        ("wav", "pcm_u8", 8_000, "mono"),
        ("flac", "flac", 44_100, "stereo"),
        ("mp3", "libmp3lame", 44_100, "stereo"),
        ("ogg", "libopus", 48_000, "mono"),
        ("ipod", "aac", 44_100, "stereo"),
        ("matroska", "libopus", 48_000, "stereo"),
    ],
)
def test_formats(form: str, codec: str, rate: int, layout: str) -> None:
    samples = music(8.0, seed=6, rate=rate)
    decoder = Decoder(io.BytesIO(encoded(samples, form, codec, rate, layout)))
    out = np.concatenate(list(decoder))
    assert out.dtype == np.float32
    assert len(out) / SAMPLE_RATE_HZ == pytest.approx(8.0, abs=0.15)
    assert not decoder.truncated
    assert decoder.duration_seconds == pytest.approx(8.0, abs=0.15)
    assert 0.01 < float(np.sqrt(np.mean(out**2))) < 0.5


def test_blocks_are_small_and_a_path_works_too(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    path.write_bytes(encoded(np.tile(SONG_44K, 4), "wav", "pcm_s16le", 44_100))
    blocks = list(Decoder(path))
    assert max(map(len, blocks)) <= BLOCK_SAMPLES
    assert sum(map(len, blocks)) / SAMPLE_RATE_HZ == pytest.approx(32.0, abs=0.01)
    assert np.array_equal(np.concatenate(list(Decoder(str(path)))), np.concatenate(blocks))


def test_a_video_with_sound() -> None:
    out = decoded(video_with_sound())
    assert len(out) / SAMPLE_RATE_HZ == pytest.approx(8.0, abs=0.2)


def test_a_truncated_mp3_gives_what_is_there() -> None:
    data = encoded(SONG_44K, "mp3", "libmp3lame", 44_100)
    decoder = Decoder(io.BytesIO(data[: len(data) // 2]))
    out = np.concatenate(list(decoder))
    assert decoder.truncated
    assert 3.0 < len(out) / SAMPLE_RATE_HZ < 5.0


def test_a_truncated_wav_gives_what_is_there() -> None:
    data = encoded(SONG_44K, "wav", "pcm_s16le", 44_100)
    decoder = Decoder(io.BytesIO(data[: len(data) // 2]))
    out = np.concatenate(list(decoder))
    assert decoder.truncated
    assert 3.9 < len(out) / SAMPLE_RATE_HZ < 4.1


def test_an_mp4_without_its_end_cannot_be_read() -> None:
    data = encoded(SONG_44K, "ipod", "aac", 44_100)
    assert refusal(data[: len(data) // 2]).reason == Reason.NOT_AUDIO


def test_a_damaged_middle_is_left_out() -> None:
    data = bytearray(encoded(SONG_44K, "flac", "flac", 44_100))
    quarter = len(data) // 4
    data[quarter : 3 * quarter] = np.random.default_rng(9).bytes(2 * quarter)
    decoder = Decoder(io.BytesIO(bytes(data)))
    out = np.concatenate(list(decoder))
    assert decoder.truncated
    assert 3.0 < len(out) / SAMPLE_RATE_HZ < 8.0


def test_an_empty_file() -> None:
    assert refusal(b"").reason == Reason.EMPTY_FILE


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"Only words, and many of them.\n" * 400, id="text"),
        pytest.param(b"<!doctype html><html><body><p>404</p></body></html>" * 50, id="html"),
        pytest.param(b"1\n00:00:01,000 --> 00:00:02,000\nWords\n\n" * 20, id="subtitles"),
        pytest.param(bytes(100_000), id="zeros"),
        pytest.param(np.random.default_rng(8).bytes(100_000), id="random bytes"),
        pytest.param(b"\xff", id="one byte"),
        pytest.param(picture("image2pipe", "png", 1, "rgb24"), id="png"),
        pytest.param(picture("image2pipe", "mjpeg", 1, "yuvj420p"), id="jpeg"),
    ],
)
def test_what_is_not_audio(data: bytes) -> None:
    error = refusal(data)
    assert error.reason == Reason.NOT_AUDIO
    assert str(error).endswith(".")


def test_a_video_without_sound() -> None:
    assert refusal(picture("matroska", "mpeg4", 10, "yuv420p")).reason == Reason.NO_AUDIO_STREAM


@pytest.mark.parametrize("kind", ["m3u8", "concat", "mpd", "sdp", "redirect"])
def test_a_list_of_files_opens_none_of_them(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "secret.wav"
    target.write_bytes(encoded(SONG_44K, "wav", "pcm_s16le", 44_100))
    text = {
        "m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:8\n#EXTINF:8,\n{target}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile '{target}'\n",
        "mpd": f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet><Representation>'
        f"<BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        "redirect": f"[playlist]\nFile1={target}\nNumberOfEntries=1\n",
    }[kind]
    path = tmp_path / f"list.{ {'m3u8': 'm3u8', 'mpd': 'mpd', 'sdp': 'sdp'}.get(kind, 'txt') }"
    path.write_text(text)
    for source in (path, io.BytesIO(text.encode())):
        with pytest.raises(MediaError) as caught:
            list(decode_blocks(source))
        assert caught.value.reason == Reason.NOT_AUDIO


class Flaky(io.BytesIO):
    """A file in a bucket whose connection breaks after some bytes."""

    def __init__(self, data: bytes, good_bytes: int) -> None:
        super().__init__(data)
        self._left = good_bytes

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ConnectionResetError("The connection broke.")
        return data


@pytest.mark.parametrize("good_bytes", [0, 70_000, 400_000])
def test_an_error_of_the_file_itself_comes_through(good_bytes: int) -> None:
    source: BinaryIO = Flaky(encoded(SONG_44K, "wav", "pcm_s16le", 44_100), good_bytes)
    with pytest.raises(ConnectionResetError, match="connection broke"):
        list(decode_blocks(source))


def test_a_change_of_format_in_mid_stream() -> None:
    one = encoded(SONG_44K, "mp3", "libmp3lame", 44_100)
    other = encoded(music(4.0, seed=7, rate=22_050), "mp3", "libmp3lame", 22_050)
    out = decoded(one + other)
    assert len(out) / SAMPLE_RATE_HZ == pytest.approx(12.0, abs=0.4)


def test_a_missing_path_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(decode_blocks(tmp_path / "nothing.wav"))


@pytest.mark.parametrize(("form", "codec"), [("wav", "pcm_s16le"), ("flac", "flac")])
def test_a_pipe_gives_what_the_file_gives_as_it_comes(form: str, codec: str) -> None:
    data = encoded(SONG_44K, form, codec, 44_100)
    reader, writer = os.pipe()
    is_read = threading.Event()

    def write() -> None:
        with os.fdopen(writer, "wb", buffering=0) as file:
            file.write(data[: len(data) // 2])
            is_read.wait(20)  # the second half comes only after a block of the first was seen
            file.write(data[len(data) // 2 :])

    thread = threading.Thread(target=write)
    thread.start()
    blocks = []
    with os.fdopen(reader, "rb") as file:
        for block in Decoder(file, block_samples=2_048):
            blocks.append(block)
            is_read.set()
    thread.join()
    assert {len(block) for block in blocks[:-1]} == {2_048}
    assert np.array_equal(np.concatenate(blocks), decoded(data))


def test_another_rate_gives_the_same_tone() -> None:
    tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * 44_100) / 44_100)).astype(np.float32)
    decoder = Decoder(io.BytesIO(encoded(tone, "wav", "pcm_s16le", 44_100)), rate_hz=16_000)
    samples = np.concatenate(list(decoder))
    assert abs(len(samples) - 32_000) <= 64
    assert not decoder.truncated
    assert np.abs(np.fft.rfft(samples[:16_000])).argmax() == 440
