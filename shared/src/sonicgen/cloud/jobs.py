"""Cloud Run Jobs: work that takes longer than a function may.

With SONICGEN_JOBS_ENDPOINT set (host:port), the same client speaks REST to the embedded cloud.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sonicgen.errors import SettingsError, UnavailableError
from sonicgen.settings import settings

CALL_SECONDS = 20.0


def run_job(name: str, arguments: Sequence[str], tasks: int = 1) -> None:
    """Start a job with these arguments in place of its own, in so many tasks at once, and do not wait for it.

    Raises SettingsError when there is no such job, UnavailableError when it cannot be started now.
    """
    from google.api_core import exceptions
    from google.auth.exceptions import GoogleAuthError

    chosen = settings()
    path = f"projects/{chosen.project_id}/locations/{chosen.location}/jobs/{name}"
    overrides = {"container_overrides": [{"args": list(arguments)}], "task_count": tasks}
    request = {"name": path, "overrides": overrides}
    try:
        _client(chosen.jobs_endpoint).run_job(request=request, timeout=CALL_SECONDS)
    except exceptions.NotFound as error:
        raise SettingsError(f"There is no job {name} in {chosen.location}; create it (terraform apply).") from error
    except (exceptions.Forbidden, exceptions.Unauthorized) as error:
        raise UnavailableError(f"This account may not run {name}; give it run.jobs.runWithOverrides.") from error
    except GoogleAuthError as error:
        raise SettingsError(f"Google Cloud refuses the credentials ({error}); run sonicgen doctor.") from error
    except (exceptions.GoogleAPIError, OSError) as error:
        raise UnavailableError(f"The job {name} could not be started; try again.") from error


@lru_cache(maxsize=2)
def _client(endpoint: str | None) -> Any:
    # Imported here, as it takes half a second that only long downloads pay.
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.run_v2 import JobsClient
    from google.cloud.run_v2.services.jobs.transports.rest import JobsRestTransport

    if endpoint is None:
        return JobsClient()
    return JobsClient(transport=JobsRestTransport(host=endpoint, url_scheme="http", credentials=AnonymousCredentials()))
