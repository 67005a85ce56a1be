"""Preconditions on generation, metageneration and etag, as query parameters and headers give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Protocol, Self

from sonicgen.local.storage.problems import Problem, invalid


class Versioned(Protocol):
    """What has generations: an object."""

    @property
    def generation(self) -> int: ...

    @property
    def metageneration(self) -> int: ...

    @property
    def etag(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Conditions:
    """What must hold for a request to be done; an empty one always holds.

    Specification: https://cloud.google.com/storage/docs/request-preconditions
    """

    generation_match: int | None = None
    generation_not_match: int | None = None
    metageneration_match: int | None = None
    metageneration_not_match: int | None = None
    etags_match: tuple[str, ...] = ()
    etags_not_match: tuple[str, ...] = ()

    @classmethod
    def read(cls, query: Mapping[str, str], headers: Mapping[str, str] | None = None, prefix: str = "if") -> Self:
        """Return the conditions of a request; `prefix` is "ifSource" for those on a copy's source."""
        headers = headers or {}
        return cls(
            read_integer(query, f"{prefix}GenerationMatch"),
            read_integer(query, f"{prefix}GenerationNotMatch"),
            read_integer(query, f"{prefix}MetagenerationMatch"),
            _first(
                read_integer(query, f"{prefix}MetagenerationNotMatch"),
                read_integer(query, f"{prefix}MetaGenerationNotMatch"),  # as the Python client spells it for uploads
            ),
            _read_etags(headers.get("if-match")),
            _read_etags(headers.get("if-none-match")),
        )

    @classmethod
    def load(cls, kept: dict[str, int | None]) -> Self:
        """Return the conditions that `dump` gave."""
        return cls(**kept)  # type: ignore[arg-type]

    def dump(self) -> dict[str, object]:
        """Return the conditions as JSON can keep them."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}

    def check(self, current: Versioned | None, *, reading: bool = False) -> None:
        """Raise Problem unless all hold for what is there now (None: nothing, whose generation counts as 0).

        A "match" that fails is 412. A "not match" that fails is 304 for a reader, who then has what he wants, and 412
        for a writer.
        """
        generation = current.generation if current else 0
        metageneration = current.metageneration if current else 0
        etag = current.etag if current else ""
        if (
            self.generation_match not in (None, generation)
            or self.metageneration_match not in (None, metageneration)
            or (self.etags_match and etag not in self.etags_match)
        ):
            raise precondition_failed()
        if (
            self.generation_not_match == generation
            or (current and self.metageneration_not_match == metageneration)
            or (etag and etag in self.etags_not_match)
        ):
            raise Problem(304, "notModified", "Not Modified") if reading else precondition_failed()


def precondition_failed() -> Problem:
    """Return the problem of a condition that does not hold."""
    message = "At least one of the pre-conditions you specified did not hold."
    return Problem(412, "conditionNotMet", message)


def read_integer(query: Mapping[str, str], name: str) -> int | None:
    """Return a number from a query; raise Problem when it is none."""
    text = query.get(name)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError as error:
        raise invalid(f"Invalid value for {name}: '{text}' is not a whole number.") from error


def _first(*numbers: int | None) -> int | None:
    return next((number for number in numbers if number is not None), None)


def _read_etags(header: str | None) -> tuple[str, ...]:
    return tuple(piece.strip().strip('"') for piece in header.split(",")) if header else ()
