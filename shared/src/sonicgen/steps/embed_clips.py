"""Have clips in the bucket turned into vectors by the embedder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonicgen.domain.embedding import Sound
from sonicgen.domain.speaker import Clip
from sonicgen.domain.voice import VoiceModel
from sonicgen.errors import UnavailableError
from sonicgen.steps.services import Services

# Clips in one call of the embedder: five minutes of speech, a few seconds on one core.
CLIPS_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Print:
    """One clip's vector, and how much speech it was made from."""

    clip: Clip
    vector: NDArray[np.float32]
    seconds: float


def embed_clips(services: Services, clips: Sequence[Clip], model: VoiceModel) -> Iterator[Print]:
    """Yield the clips that hold enough speech, with their vectors.

    Raises UnavailableError when the embedder does not answer, or another model does.
    """
    bucket = services.settings.media_bucket
    for start in range(0, len(clips), CLIPS_AT_ONCE):
        batch = clips[start : start + CLIPS_AT_ONCE]
        answer = services.embedder.embed([Sound(bucket, clip.object_name) for clip in batch])
        if answer.runner.model != model:
            raise UnavailableError("The embedder was exchanged meanwhile; the work begins anew with the new model.")
        for clip, sound in zip(batch, answer.sounds, strict=True):
            problem = sound.problem or (sound.vectors[0].problem if sound.vectors else None)
            if problem is not None and problem.is_transient:
                raise UnavailableError(f"The embedder could not read a clip: {problem.detail}")
            if sound.vectors and (values := sound.vectors[0].vector) is not None:
                yield Print(clip, np.array(values, np.float32), sound.vectors[0].speech_seconds)
