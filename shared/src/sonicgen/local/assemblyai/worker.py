"""The process that recognises: one order a line on its input, one line a result on its output.

python -m sonicgen.local.assemblyai.worker RECOGNISER [WHISPER_MODEL]

An order is {"path", "result_path", "order"}; the answer is {} when the result is in its file, or {"error"} with a
sentence. It runs at the lowest sensible priority and ends when its input does, in the middle of a job too.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from sonicgen.errors import MediaError, SonicGenError
from sonicgen.local.recogniser import Recogniser, make_recogniser

NICENESS = 10


def main() -> None:
    """Read the command line and work until the input ends."""
    os.nice(NICENESS)
    # Libraries may print to the output, which carries our answers: they get the log instead.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    orders: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_read, args=(orders,), daemon=True).start()
    kind, model = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    recognisers: dict[str | None, Recogniser] = {}
    while True:
        job = json.loads(orders.get())
        answers.write(json.dumps(_work(kind, model, job, recognisers)) + "\n")
        answers.flush()


def _read(orders: SimpleQueue[str]) -> None:
    for line in sys.stdin:
        orders.put(line)
    os._exit(0)


def _work(
    kind: str, model: str | None, job: dict[str, Any], recognisers: dict[str | None, Recogniser]
) -> dict[str, str]:
    from sonicgen.local.assemblyai.transcribe import transcribe

    order = job["order"]
    # A recogniser that finds the language itself keeps what it found: it is made anew for every recording.
    language = None if order.get("language_detection") else (order.get("language_code") or "en")[:2]
    try:
        if language is None or language not in recognisers:
            recognisers.clear()
            recognisers[language] = make_recogniser(kind, model, language)
        result = transcribe(Path(job["path"]), recognisers[language], order)
    except MediaError as error:
        return {"error": f"Transcoding failed. File does not appear to contain audio. {error}"}
    except SonicGenError as error:
        return {"error": str(error)}
    if not result["words"] and order.get("language_detection"):
        return {"error": "language_detection cannot be performed on files with no spoken audio."}
    Path(job["result_path"]).write_text(json.dumps(result))
    return {}


if __name__ == "__main__":
    main()
