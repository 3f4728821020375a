"""What a server counts, in the text format of Prometheus."""

from __future__ import annotations

import os
import threading
from collections import Counter
from typing import final

__all__ = ["Measurements"]

_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@final
class Measurements:
    """Requests by path and status, and how long they took. It knows no contents and no clients."""

    def __init__(self) -> None:
        """Start at zero."""
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._buckets: Counter[tuple[str, float]] = Counter()
        self._seconds: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()

    def add(self, path: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        with self._lock:
            self._requests[path, status] += 1
            self._counts[path] += 1
            self._seconds[path] += seconds  # type: ignore[assignment]
            for bound in _BOUNDS_S:
                self._buckets[path, bound] += seconds <= bound

    def text(self, gauges: dict[str, dict[str, float]]) -> str:
        """Everything, for `/metrics`.

        Args:
            gauges: By name, values by model.
        """
        process = f'process="{os.getpid()}"'
        lines = ["# TYPE longspan_requests_total counter"]
        with self._lock:
            for (path, status), count in sorted(self._requests.items()):
                lines.append(f'longspan_requests_total{{path="{path}",status="{status}",{process}}} {count}')
            lines.append("# TYPE longspan_request_seconds histogram")
            for path, count in sorted(self._counts.items()):
                for bound in _BOUNDS_S:
                    found = self._buckets[path, bound]
                    lines.append(f'longspan_request_seconds_bucket{{path="{path}",le="{bound:g}",{process}}} {found}')
                lines.append(f'longspan_request_seconds_bucket{{path="{path}",le="+Inf",{process}}} {count}')
                lines.append(f'longspan_request_seconds_sum{{path="{path}",{process}}} {self._seconds[path]:.6f}')
                lines.append(f'longspan_request_seconds_count{{path="{path}",{process}}} {count}')
        for name, values in gauges.items():
            lines.append(f"# TYPE longspan_{name} gauge")
            lines += [f'longspan_{name}{{model="{model}",{process}}} {value:g}' for model, value in values.items()]
        return "\n".join(lines) + "\n"
