"""What operators and their machines ask: alive, ready, how it stands, how much there is to do."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from sonicgen.embedder import answers
from sonicgen.embedder.house import House
from sonicgen.embedder.models import State
from sonicgen.embedder.parameters import InHouse
from sonicgen.voices.encoder import PIECE_SECONDS

router = APIRouter(tags=["health"])


@router.get("/health/live")
async def live() -> dict[str, str]:
    """Answers as long as the process can; nothing else is looked at."""
    return {"status": "alive"}


@router.get("/health/ready", responses={503: {"model": answers.Health}})
async def ready(house: InHouse, response: Response) -> answers.Health:
    """200 once the models are loaded and warm, 503 before, after a failure to load and while ending."""
    response.status_code = 200 if house.is_ready else 503
    return health_of(house)


@router.get("/health", responses={503: {"model": answers.Health}})
async def health(house: InHouse, response: Response) -> answers.Health:
    """The same, under the old service's name."""
    response.status_code = 200 if house.is_ready else 503
    return health_of(house)


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(house: InHouse) -> PlainTextResponse:
    """Counters and the depth of the queue, in Prometheus' text format."""
    return PlainTextResponse(house.metrics.text(house.gauges()), media_type="text/plain; version=0.0.4")


def health_of(house: House) -> answers.Health:
    """Return how it stands."""
    models = house.models
    running = models.running if models.is_encoder_loaded else None
    runner = models.runner() if running else None
    gauges = house.gauges()
    return answers.Health(
        status=_status(house),
        diarization_model_loaded=models.is_diarizer_loaded,
        verification_model_loaded=models.is_encoder_loaded,
        reason=models.fallback_reason or models.reason or None,
        model=answers.Model.of(runner) if runner else None,
        backend=runner.backend if runner else None,
        model_device=runner.device if runner else None,
        diarizer=models.diarizer.name if models.is_diarizer_loaded else None,
        batch_windows=running.measured.batch_windows if running else None,
        times_real_time=round(running.measured.windows_per_second * PIECE_SECONDS, 1) if running else None,
        measured={each.name: round(each.windows_per_second * PIECE_SECONDS, 1) for each in models.measured},
        notes=list(models.notes),
        queue_depth=int(gauges["queue_depth"]),
        requests_under_way=house.guests,
    )


def _status(house: House) -> answers.Status:
    if house.is_draining:
        return "draining"
    if house.models.state is State.STARTING:
        return "starting"
    if house.models.state is State.FAILED:
        return "failed"
    return "degraded" if house.models.fallback_reason else "healthy"
