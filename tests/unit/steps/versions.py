"""A second version of the fingerprint: half as many peaks, so that most keys are other ones and some are the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from sonicgen.sound import versions
from sonicgen.sound.versions import Algorithm

SECOND = Algorithm(2, peaks_kept=12)


@contextmanager
def second_version() -> Iterator[None]:
    """Have the second version be the current one inside the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(cast(dict[int, Algorithm], versions.ALGORITHMS), 2, SECOND)
        yield
