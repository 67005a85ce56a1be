"""Once a minute (Cloud Scheduler; the supervisor on one machine): the sweeps."""

from __future__ import annotations

import functions_framework
from cloudevents.http import CloudEvent

from sonicgen.log import setup_logging
from sonicgen.settings import settings
from sonicgen.steps.maintenance import maintain
from sonicgen.steps.services import services

setup_logging(settings().log_level)


@functions_framework.cloud_event
def main(_: CloudEvent) -> None:
    """Run every sweep; one that fails is logged and comes with the next minute."""
    maintain(services())
