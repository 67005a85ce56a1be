"""What the service counts, as Prometheus' text format reads it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

# Upper ends of the histogram of how long requests take, in seconds.
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_PREFIX = "sonicgen_embedder_"


class Metrics:
    """Counters and times; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._buckets: Counter[float] = Counter()
        self._seconds = 0.0
        self._windows = 0
        self._batches = 0
        self._busy_seconds = 0.0

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        with self._lock:
            self._requests[route, status] += 1
            self._seconds += seconds
            self._buckets.update(bucket for bucket in BUCKETS if seconds <= bucket)

    def count_batch(self, windows: int, seconds: float) -> None:
        """Count a batch that the encoder worked on."""
        with self._lock:
            self._batches += 1
            self._windows += windows
            self._busy_seconds += seconds

    def text(self, gauges: dict[str, float]) -> str:
        """Return everything, with what is true at this moment."""
        with self._lock:
            return "\n".join([*self._lines(gauges), ""])

    def _lines(self, gauges: dict[str, float]) -> Iterator[str]:
        for name, value in gauges.items():
            yield f"# TYPE {_PREFIX}{name} gauge"
            yield f"{_PREFIX}{name} {value:g}"
        yield f"# TYPE {_PREFIX}requests_total counter"
        for (route, status), count in sorted(self._requests.items()):
            yield f'{_PREFIX}requests_total{{route="{route}",status="{status}"}} {count}'
        yield f"# TYPE {_PREFIX}request_seconds histogram"
        for bucket in BUCKETS:
            yield f'{_PREFIX}request_seconds_bucket{{le="{bucket:g}"}} {self._buckets[bucket]}'
        total = sum(self._requests.values())
        yield f'{_PREFIX}request_seconds_bucket{{le="+Inf"}} {total}'
        yield f"{_PREFIX}request_seconds_sum {self._seconds:.6f}"
        yield f"{_PREFIX}request_seconds_count {total}"
        for name, count in (("windows", self._windows), ("batches", self._batches)):
            yield f"# TYPE {_PREFIX}{name}_total counter"
            yield f"{_PREFIX}{name}_total {count}"
        yield f"# TYPE {_PREFIX}encoder_seconds_total counter"
        yield f"{_PREFIX}encoder_seconds_total {self._busy_seconds:.6f}"
