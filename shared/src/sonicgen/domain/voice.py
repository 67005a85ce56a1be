"""Which model a voice's vector is of: vectors of different models never meet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VoiceModel:
    """A speaker encoder, as it is written beside every vector it made.

    `version` changes whenever the same sound may give another vector: it is drawn from the weights' checksum.
    """

    name: str
    version: str
    dimension: int

    @property
    def key(self) -> str:
        """The one name under which this model's vectors are kept together, such as a vector index' namespace."""
        return f"{self.name}-{self.version}"
