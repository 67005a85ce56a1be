"""Send an event for everything in the inbox that no recording is known of.

python -m sonicgen.jobs.backfill [PREFIX]
"""

from __future__ import annotations

import logging
import sys

from sonicgen.log import log, setup_logging
from sonicgen.settings import settings
from sonicgen.steps.backfill import backfill
from sonicgen.steps.services import services

logger = logging.getLogger(__name__)


def main() -> None:
    """Do the work; started again it goes on, since what was read meanwhile is known."""
    setup_logging(settings().log_level)
    used = services()
    sent = backfill(used, used.settings.inbox_bucket, sys.argv[1] if len(sys.argv) > 1 else "")
    log(logger, f"Events sent for objects without a recording: {sent}", count=sent)
    used.close()


if __name__ == "__main__":
    main()
