"""Whatever a file claims to be, it ends in a clear state, in bounded time and memory."""

from __future__ import annotations

import json
import os
import random
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sonicgen.domain.recording import Reason
from tests.fuzz.containers import CONTAINERS, LIES, damage, write_container

ROUNDS = int(os.environ.get("SONICGEN_FAULT_ROUNDS", "1"))
DAMAGED_OF_EACH = 12
# A damaged file of three seconds takes 10 ms on a machine that does nothing else; this one does.
MOST_SECONDS, MOST_MB = 20.0, 400.0


class Decoding:
    """The process that decodes; a new one in the place of one that died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, path: Path) -> dict[str, Any]:
        """Return what came of a file; what ended the process, or took too long, is an error as well."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{path}\n".encode())
        process.stdin.flush()
        readable, _, _ = select.select([process.stdout], [], [], MOST_SECONDS)
        line = process.stdout.readline() if readable else b""
        if not line:
            process.kill()
            self.close()
            return {"ended": "error: took too long" if not readable else "error: died", "seconds": 0, "mb": 0}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.close()
            self._process.stdout.close()
            self._process.wait(20)
            self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.decode_worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"
        return self._process


@pytest.fixture(scope="module")
def decoding() -> Iterator[Decoding]:
    made = Decoding()
    yield made
    made.close()


def _assert_clear(found: dict[str, Any], what: str) -> None:
    ended = found["ended"]
    assert ended in ("whole", "truncated") or ended.removeprefix("refused: ") in set(Reason), f"{what}: {ended}"
    assert found["mb"] < MOST_MB, f"{what}: {found['mb']:.0f} MB"


@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_damaged_container_ends_in_a_clear_state(decoding: Decoding, tmp_path: Path, kind: str) -> None:
    whole = write_container(tmp_path / f"whole.{kind}", kind)
    assert decoding.read(tmp_path / f"whole.{kind}")["ended"] in ("whole", "truncated")
    chance = random.Random(f"{kind} {ROUNDS}")  # noqa: S311
    troubles = []
    for number in range(DAMAGED_OF_EACH * ROUNDS):
        path = tmp_path / f"{number}.{kind}"
        path.write_bytes(damage(whole, chance))
        try:
            _assert_clear(decoding.read(path), f"{kind} {number}")
        except AssertionError as error:
            troubles.append(str(error).splitlines()[0])
        else:
            path.unlink()
    assert troubles == []


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies_ends_in_a_clear_state(decoding: Decoding, tmp_path: Path, lie: str) -> None:
    path = tmp_path / "lie"
    path.write_bytes(LIES[lie]())
    _assert_clear(decoding.read(path), lie)
