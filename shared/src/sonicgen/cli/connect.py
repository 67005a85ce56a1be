"""Where a command finds its services: the cloud that the environment names, or the embedded one that runs here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sonicgen.local.folder import DataFolder
from sonicgen.settings import Settings, read_settings

if TYPE_CHECKING:
    from sonicgen.steps.services import Services


def connected_settings() -> Settings:
    """Return settings that lead to running services.

    With DATABASE_URL set they are taken as they are; otherwise the embedded cloud on the data folder gives the
    addresses. Raises LocalError when it does not run.
    """
    settings = read_settings()
    if settings.database_url is not None:
        return settings
    os.environ.update(DataFolder(settings.data_dir).read_addresses())
    return read_settings()


@contextmanager
def connected() -> Iterator[Services]:
    """Give the services inside the block."""
    settings = connected_settings()
    from sonicgen.steps.services import Services  # the Google clients read the environment that was just set

    services = Services(settings)
    try:
        yield services
    finally:
        services.close()
