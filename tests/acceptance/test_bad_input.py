"""Whatever is dropped in ends in a documented state with a reason, and nothing else is lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from sonicgen.cloud.bus import publish_message
from sonicgen.cloud.objects import delete_object
from sonicgen.domain.recording import MatchStatus, Reason, Recording
from sonicgen.events.objects import ObjectFinalized
from sonicgen.local.demo_sounds import write_sound
from sonicgen.steps.add_recording import add_recording
from sonicgen.steps.video_download import MEDIA_OBJECTS
from sonicgen.store import recordings
from tests.acceptance.conftest import Cloud, sound, wait_for

# Stands for the truth about the sounds below: pitch, rhythm and noise of `sound(seed)` never repeat between seeds.


def _write_wide(path: Path) -> None:
    """Write 8 channels at 192 kHz."""
    mono = np.repeat(sound(11), 5)[None, :]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=192_000, layout="7.1")
        samples = (np.repeat(mono, 8, axis=0).T.reshape(1, -1) * 20_000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="7.1")
        frame.sample_rate = 192_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _write_mute_video(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for n in range(20):
            picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), n * 10, np.uint8), format="rgb24")
            picture.pts, picture.time_base = n, Fraction(1, 10)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _write_truncated(path: Path) -> None:
    whole = path.with_name(f"whole {path.name}")
    write_sound(whole, sound(12, 20))
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    whole.unlink()


INPUTS: dict[str, tuple[Callable[[Path], object], MatchStatus, set[Reason]]] = {
    "text.mp3": (lambda p: p.write_text("This is not sound.\n" * 50), MatchStatus.FLAG, {Reason.NOT_AUDIO}),
    "playlist.m3u8": (
        lambda p: p.write_text("#EXTM3U\n#EXTINF:9,\n/etc/hostname\n#EXT-X-ENDLIST\n"),
        MatchStatus.FLAG,
        {Reason.NOT_AUDIO},
    ),
    "zero bytes.wav": (lambda p: p.touch(), MatchStatus.FLAG, {Reason.EMPTY_FILE}),
    "silence.wav": (
        lambda p: write_sound(p, np.zeros(44_100 * 10, np.float32)),
        MatchStatus.TOO_SHORT,
        {Reason.SILENT},
    ),
    "half a second.wav": (lambda p: write_sound(p, sound(13)[:22_050]), MatchStatus.TOO_SHORT, {Reason.TOO_SHORT}),
    "wide.wav": (_write_wide, MatchStatus.FINGERPRINTED, {Reason.NEW}),
    "mute.mp4": (_write_mute_video, MatchStatus.FLAG, {Reason.NO_AUDIO_STREAM}),
    "truncated.mp3": (_write_truncated, MatchStatus.FINGERPRINTED, {Reason.NEW, Reason.TRUNCATED}),
    "truncated.m4a": (_write_truncated, MatchStatus.FLAG, {Reason.NOT_AUDIO}),
    "it's “quoted” & 100 % 🎵 #1?.mp3": (
        lambda p: write_sound(p, sound(14)),
        MatchStatus.FINGERPRINTED,
        {Reason.NEW},
    ),
}


@pytest.mark.parametrize("name", INPUTS)
def test_every_input_ends_in_its_state(system: Cloud, tmp_path: Path, name: str) -> None:
    write, status, reasons = INPUTS[name]
    write(tmp_path / name)
    add_recording(system.services.settings, tmp_path / name)
    recording = system.final(name)
    assert recording.match_status is status
    assert recording.reason in reasons
    assert recording.explain()


def test_same_file_under_two_names_is_linked(system: Cloud, music: Callable[..., Path]) -> None:
    first = music(20, "first.mp3")
    add_recording(system.services.settings, first)
    original = system.final("first.mp3")
    second = Path(shutil.copy(first, first.with_name("second.mp3")))
    add_recording(system.services.settings, second)
    copy = system.final("second.mp3")
    assert (copy.match_status, copy.reason) == (MatchStatus.MATCHED, Reason.IDENTICAL_FILE)
    assert copy.original_video_id == original.id


def test_same_file_under_the_same_name_is_one_recording(system: Cloud, music: Callable[..., Path]) -> None:
    path = music(21)
    first = add_recording(system.services.settings, path)
    second = add_recording(system.services.settings, path)
    assert (first.created, second.created) == (True, False)
    assert first.recording_id == second.recording_id
    system.final(path.name)
    assert [r.title for r in system.all()].count(path.name) == 1


@pytest.mark.parametrize("endings", [("mp3", "mp3"), ("mp3", "opus")], ids=["identical", "re-encoded"])
def test_two_copies_at_once_end_as_one_pair(system: Cloud, tmp_path: Path, endings: tuple[str, str]) -> None:
    seed = 30 + endings.count("mp3")
    paths = [tmp_path / f"at once {seed} {n}.{ending}" for n, ending in enumerate(endings)]
    for path in paths:
        write_sound(path, sound(seed))
    for path in paths:
        add_recording(system.services.settings, path)
    first = [system.final(path.name) for path in paths]
    # Whichever came second may have taken the first one's place.
    finals = [recordings.get(system.services.database, recording.id) for recording in first]
    originals = [r for r in finals if r.match_status is MatchStatus.FINGERPRINTED]
    copies = [r for r in finals if r.match_status is MatchStatus.MATCHED]
    assert len(originals) == len(copies) == 1
    assert copies[0].original_video_id == originals[0].id


def test_an_object_that_is_gone_is_said_to_be_gone(system: Cloud) -> None:
    upload = ObjectFinalized(
        bucket=system.services.settings.inbox_bucket,
        name="was/never/here.mp3",
        generation=1_700_000_000_000_000,
        size_bytes=1_000,
        md5=None,
        content_type="audio/mpeg",
        event_id="",
    )
    publish_message(MEDIA_OBJECTS, *upload.to_notification())
    recording = system.final("here.mp3")
    assert (recording.match_status, recording.reason) == (MatchStatus.FLAG, Reason.OBJECT_GONE)


def test_a_name_with_slashes_is_only_a_name(system: Cloud, tmp_path: Path) -> None:
    path = tmp_path / "x.mp3"
    write_sound(path, sound(41))
    from sonicgen.cloud.objects import upload_file

    bucket = system.services.settings.inbox_bucket
    upload_file(bucket, "../../a/../b //c/climbing.mp3", path)
    recording = system.final("climbing.mp3")
    assert recording.object_name == "../../a/../b //c/climbing.mp3"
    assert recording.match_status is MatchStatus.FINGERPRINTED


def test_the_inbox_folder_is_the_buckets_door(system: Cloud, tmp_path: Path) -> None:
    path = tmp_path / "door.mp3"
    write_sound(path, sound(42))
    (system.folder.inbox / "sub folder").mkdir()
    shutil.copy(path, system.folder.inbox / "sub folder" / "through the door.mp3")
    (system.folder.inbox / ".hidden.mp3").write_bytes(path.read_bytes())
    (system.folder.inbox / "unfinished.mp3.part").write_bytes(path.read_bytes()[:1_000])
    recording = system.final("through the door.mp3")
    assert recording.match_status is MatchStatus.FINGERPRINTED
    assert not [r for r in system.all() if "hidden" in r.title or "unfinished" in r.title]


def test_forgetting_an_original_judges_its_copies_anew(system: Cloud, music: Callable[..., Path]) -> None:
    first = music(50, "to be forgotten.mp3")
    add_recording(system.services.settings, first)
    original = system.final(first.name)
    second = Path(shutil.copy(first, first.with_name("left behind.mp3")))
    add_recording(system.services.settings, second)
    system.final(second.name)
    done = system.command("forget", str(original.id), "--yes")
    assert done.returncode == 0, done.stderr
    copy = wait_for(lambda: _final_as(system, second.name, MatchStatus.FINGERPRINTED))
    assert copy.original_video_id is None
    assert recordings.find(system.services.database, original.id) is None
    assert system.command("show", str(original.id)).returncode == 1
    delete_object(original.bucket, original.object_name, generation=original.generation, missing_ok=True)


def _final_as(system: Cloud, title: str, status: MatchStatus) -> Recording | None:
    return next((r for r in system.all() if r.title == title and r.match_status is status), None)
