"""Makes the conversation of the demonstration: two voices of espeak-ng, as a small opus file within the package.

    python tools/make_demo_speech.py

Needs espeak-ng (Debian: apt-get install espeak-ng). What a synthesiser says belongs to whoever makes it speak; the
texts are ours. The file is committed, so that nobody who runs the demonstration needs espeak-ng.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from sonicgen.local.demo_sounds import CONVERSATION_FILE, RATE_HZ, say, write_sound

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


def main() -> None:
    """Write the file."""
    pieces = []
    with tempfile.TemporaryDirectory() as folder:
        for speaker, text in TURNS:
            voice, pitch = VOICES[speaker]
            pieces.append(say(text, Path(folder), voice=voice, words_per_minute=WORDS_PER_MINUTE, pitch=pitch))
            pieces.append(np.zeros(round(PAUSE_SECONDS * RATE_HZ), np.float32))
    sound = np.concatenate(pieces[:-1])
    write_sound(CONVERSATION_FILE, 0.8 * sound / np.abs(sound).max(), bit_rate=BIT_RATE)
    print(f"{CONVERSATION_FILE}: {len(sound) / RATE_HZ:.1f} s, {CONVERSATION_FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
