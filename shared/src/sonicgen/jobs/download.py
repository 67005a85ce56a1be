"""Download one long video.

python -m sonicgen.jobs.download VIDEO_ID ROUND
"""

from __future__ import annotations

import sys
import time
from uuid import UUID

from sonicgen.errors import LeaseHeldError
from sonicgen.steps.services import services
from sonicgen.steps.video_download import download_as_job, prepare

# How many leases a start waits for a predecessor that may be dead.
_TRIES = 3


def main() -> None:
    """Do the work that the arguments name; ends with an error when Cloud Run should start it again."""
    video_id, round_ = UUID(sys.argv[1]), int(sys.argv[2])
    prepare()
    used = services()
    for attempt in range(_TRIES):
        try:
            download_as_job(used, video_id, round_)
            break
        except LeaseHeldError:
            if attempt + 1 == _TRIES:
                raise
            time.sleep(used.settings.lease_seconds)
    used.close()


if __name__ == "__main__":
    main()
