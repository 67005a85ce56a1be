"""How good a recording sounds, which tells of its history: whatever was copied has lost something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Quality:
    """What can be heard of a recording's history, whatever it holds.

    `bandwidth_hz`: the spectrum is empty above. `clipped_share`: of the samples that were looked at. `noise_db`: how
    far the quietest moments lie below the loud ones (0 or less). `is_lossless`: by the file's codec. `floor_db`: how
    far the quiet parts of the spectrum lie below its mean while something sounds (0 or less), `bit_rate` of the sound
    in bits a second; None in what was heard by releases that did not measure them.
    """

    bandwidth_hz: float
    clipped_share: float
    noise_db: float
    sample_rate_hz: int
    codec: str
    is_lossless: bool
    floor_db: float | None = None
    bit_rate: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the form that is stored and documented."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return what `to_json` wrote, in this release, an earlier one or a later one."""
        return cls(**{field.name: data[field.name] for field in fields(cls) if field.name in data})
