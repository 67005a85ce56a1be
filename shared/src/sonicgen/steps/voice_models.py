"""Which models' vectors may be compared, and what their cosines say."""

from __future__ import annotations

from sonicgen.domain.embedding import Runner
from sonicgen.domain.voice import VoiceModel
from sonicgen.errors import UnavailableError
from sonicgen.steps.services import Services
from sonicgen.store import voice_models
from sonicgen.voices.encoder import Calibration


def serving_calibration(services: Services, runner: Runner) -> Calibration:
    """Return what the cosines of the embedder's model say.

    The first model of all is put into service. Another one has to wait until everybody's vectors were made by it too,
    or people that are known would be taken for strangers: raises UnavailableError until then.
    """
    with services.database.transaction() as connection:
        serving = voice_models.list_models(connection)
        if not serving:
            voice_models.put(connection, runner.model, slope=runner.slope, offset=runner.offset)
            return Calibration(runner.slope, runner.offset)
    found = next((each for each in serving if each.model == runner.model), None)
    if found is None:
        raise UnavailableError(
            f"The embedder runs {runner.model.key}, whose vectors are not complete yet; maintenance makes a few each "
            "minute, `sonicgen voices re-embed` all at once."
        )
    return Calibration(found.slope, found.offset)


def models_in_use(services: Services) -> list[tuple[VoiceModel, Calibration]]:
    """Return the models in service with what their cosines say."""
    with services.database.transaction() as connection:
        serving = voice_models.list_models(connection)
    return [(each.model, Calibration(each.slope, each.offset)) for each in serving]
