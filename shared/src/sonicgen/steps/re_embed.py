"""Move everybody's vectors to the embedder's present model, while voices go on being compared with the old ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from sonicgen.domain.gallery import Voiceprint
from sonicgen.domain.voice import VoiceModel
from sonicgen.steps.embed_clips import CLIPS_AT_ONCE, embed_clips
from sonicgen.steps.services import Services
from sonicgen.store import speakers, voice_models, voices

_FIRST = UUID(int=0)
# In one run of maintenance: a quarter of an hour of speech.
_SWEPT_CLIPS = 128


@dataclass(frozen=True, slots=True)
class ReEmbedded:
    """What a move came to; `is_complete` says that the model is in service now."""

    model: VoiceModel
    clips: int
    without_speech: int
    is_complete: bool
    retired: tuple[VoiceModel, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the documented form."""
        return {
            "model": self.model.key,
            "clips": self.clips,
            "without_speech": self.without_speech,
            "is_complete": self.is_complete,
            "retired": [model.key for model in self.retired],
        }


def re_embed(
    services: Services,
    *,
    retire: bool = False,
    limit: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> ReEmbedded:
    """Make the vectors that the embedder's model lacks, put it into service when none is lacking.

    May be stopped and run again at any time: what is made is not made again. With `retire` the other models' vectors
    are removed afterwards. Raises UnavailableError when the embedder does not answer.
    """
    runner = services.embedder.runner()
    model, after, made, deaf = runner.model, _FIRST, 0, 0
    while limit is None or made + deaf < limit:
        clips = voices.clips_without_model(services.database, model, after, CLIPS_AT_ONCE)
        if not clips:
            with services.database.transaction() as connection:
                voice_models.put(connection, model, slope=runner.slope, offset=runner.offset)
            retired = _retire_others(services, model) if retire else ()
            return ReEmbedded(model, made, deaf, True, retired)
        prints = {each.clip.id: each for each in embed_clips(services, clips, model)}
        with services.database.transaction() as connection:
            speakers.lock(connection)
            owners = voices.owners_of(connection, list(prints))
            kept = [each for key, each in prints.items() if key in owners]
            told = [
                Voiceprint(
                    each.clip.object_name,
                    each.seconds,
                    owners[each.clip.id].speaker_id,
                    owners[each.clip.id].is_known,
                    owners[each.clip.id].in_profile,
                    owners[each.clip.id].video_id,
                    owners[each.clip.id].label,
                )
                for each in kept
            ]
            if kept:
                rows = np.array([each.vector for each in kept], np.float32)
                ids = services.gallery.add(model, rows, told, within=connection)
                pairs = [(each.clip.id, identifier) for each, identifier in zip(kept, ids, strict=True)]
                voices.add_voiceprints(connection, pairs)
        services.gallery.flush()
        made, deaf, after = made + len(kept), deaf + len(clips) - len(kept), clips[-1].id
        if on_progress:
            on_progress(made)
    return ReEmbedded(model, made, deaf, False)


def keep_models_moving(services: Services) -> int:
    """Go on with a move to the embedder's model, if there is one; return how many clips were done."""
    if not services.settings.hears_voices:
        return 0
    model = services.embedder.runner().model
    with services.database.transaction() as connection:
        serving = [each.model for each in voice_models.list_models(connection)]
    if not serving or model in serving:
        return 0
    return re_embed(services, limit=_SWEPT_CLIPS).clips


def _retire_others(services: Services, model: VoiceModel) -> tuple[VoiceModel, ...]:
    others = tuple(each for each in services.gallery.models() if each != model)
    for other in others:
        with services.database.transaction() as connection:
            voice_models.retire(connection, other)
            ids = [stored.id for stored, _ in services.gallery.scan(other)]
            voices.drop_voiceprints(connection, ids)
        services.gallery.delete(model=other)
    return others
