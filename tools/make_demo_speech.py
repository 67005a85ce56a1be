"""Makes the speech of the demonstration, two voices of espeak-ng, as small opus files within the package.

A conversation of the two, and one of them alone in another recording.

    python tools/make_demo_speech.py

Needs espeak-ng (Debian: apt-get install espeak-ng). What a synthesiser says belongs to whoever makes it speak; the
texts are ours. The files are committed, so that nobody who runs the demonstration needs espeak-ng.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from sonicgen.local.demo_sounds import CONVERSATION_FILE, LETTER_FILE, RATE_HZ, say, write_sound

# Of espeak-ng's voices those that the recogniser understands best while a diarization still tells them apart.
VOICES = {"host": ("en-us+f2", 50), "guest": ("en-us", 35)}
WORDS_PER_MINUTE = 140
PAUSE_SECONDS = 0.6
BIT_RATE = 16_000
TURNS = (
    ("host", "Good evening and welcome to the program. Tonight we talk about the old lighthouse on the island."),
    (
        "guest",
        "Thank you. I lived in that house for eleven years, and wrote down every night what the sea had brought.",
    ),
    ("host", "What did you find on the beach in the morning?"),
    ("guest", "Mostly wood and rope. One winter it was a box of oranges, and nobody ever came to ask for them."),
    ("host", "That is a good place to stop. Thank you very much for the story, and good night."),
)


LETTER = (
    ("guest", "Dear friends, the lamp is new and the stairs have a rail at last."),
    ("guest", "In the summer a family of seals came to live on the rocks below the garden."),
    ("guest", "Come and see them before the storms begin, and bring some bread and butter."),
)


def main() -> None:
    """Write the files."""
    for path, turns in ((CONVERSATION_FILE, TURNS), (LETTER_FILE, LETTER)):
        write(path, turns)


def write(path: Path, turns: tuple[tuple[str, str], ...]) -> None:
    """Write one file."""
    pieces = []
    with tempfile.TemporaryDirectory() as folder:
        for speaker, text in turns:
            voice, pitch = VOICES[speaker]
            pieces.append(say(text, Path(folder), voice=voice, words_per_minute=WORDS_PER_MINUTE, pitch=pitch))
            pieces.append(np.zeros(round(PAUSE_SECONDS * RATE_HZ), np.float32))
    sound = np.concatenate(pieces[:-1])
    write_sound(path, 0.8 * sound / np.abs(sound).max(), bit_rate=BIT_RATE)
    print(f"{path}: {len(sound) / RATE_HZ:.1f} s, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
