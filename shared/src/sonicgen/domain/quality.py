"""How good a recording sounds, which tells of its history: whatever was copied has lost something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Quality:
    """What can be heard of a recording's history, whatever it holds.

    `bandwidth_hz`: the spectrum is empty above. `clipped_share`: of the samples that were looked at. `noise_db`: how
    far the quietest moments lie below the loud ones (0 or less). `is_lossless`: by the file's codec.
    """

    bandwidth_hz: float
    clipped_share: float
    noise_db: float
    sample_rate_hz: int
    codec: str
    is_lossless: bool

    def to_json(self) -> dict[str, Any]:
        """Return the form that is stored and documented."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return what `to_json` wrote; what later versions added is left out."""
        return cls(**{field.name: data[field.name] for field in fields(cls)})
