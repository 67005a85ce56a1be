"""What lies beside a model's weights: its name, and how its vectors are to be read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from sonicgen.domain.voice import VoiceModel
from sonicgen.errors import SettingsError
from sonicgen.voices.clusters import Likeness
from sonicgen.voices.encoder import Calibration

VERSION_LETTERS = 12


@dataclass(frozen=True, slots=True)
class Card:
    """A model's identity and what was measured of its vectors."""

    model: VoiceModel
    calibration: Calibration
    likeness: Likeness


class CardEncoder:
    """What an encoder says of itself when a card describes its model; how it computes is a subclass's own."""

    def __init__(self, card: Card) -> None:
        self._card = card

    @property
    def model(self) -> VoiceModel:
        """Which model this is."""
        return self._card.model

    @property
    def calibration(self) -> Calibration:
        """What its cosines say."""
        return self._card.calibration

    @property
    def likeness(self) -> Likeness:
        """What its windows of one voice are like."""
        return self._card.likeness


def read_card(weights: Path, description: Path) -> Card:
    """Return the card of a model; its version is drawn from the weights.

    Raises SettingsError when the description does not fit.
    """
    try:
        told = json.loads(description.read_text())
        return Card(
            VoiceModel(told["name"], version_of(weights), told["dimension"]),
            Calibration(**told["calibration"]),
            Likeness(**told["likeness"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{description} does not describe a speaker encoder: {error!r}.") from error


def version_of(weights: Path) -> str:
    """Return the version of a model: the beginning of its weights' SHA-256."""
    try:
        with weights.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:VERSION_LETTERS]
    except OSError as error:
        raise SettingsError(f"The weights {weights} cannot be read: {error.strerror}.") from error
