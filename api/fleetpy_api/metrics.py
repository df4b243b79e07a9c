"""What `/metrics` tells Prometheus.

The original's names where the same thing is counted (`Documentation/metrics.md`: `fleet_registry_operation_…`), our own
(`fleet_api_…`, `fleet_cluster_…`) beside them; the engine's are the scheduler's to tell.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from fleetpy.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The counters of one API, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "fleet_api_request_count", "Requests answered.", ["method", "code"], registry=self._registry
        )
        self._durations = Histogram(
            "fleet_api_request_duration_second",
            "Seconds from a request's arrival to its answer's last byte.",
            ["method"],
            registry=self._registry,
        )
        self._operations = Counter(
            "fleet_registry_operation_count", "Operations on the registry.", ["type"], registry=self._registry
        )
        self._failures = Counter(
            "fleet_registry_operation_failed_count",
            "Operations on the registry that failed, lost races among them.",
            ["type"],
            registry=self._registry,
        )
        self._operation_durations = Histogram(
            "fleet_registry_operation_duration_second",
            "Seconds that operations on the registry take.",
            ["ops"],
            registry=self._registry,
        )

    def answered(self, method: str, status: int, seconds: float) -> None:
        """A request was answered (`status` 0: its client went away before)."""
        # A client may invent methods; each would be a time series of its own.
        known = method if method in ("GET", "PUT", "DELETE", "PATCH", "POST") else "other"
        self._requests.labels(known, str(status)).inc()
        self._durations.labels(known).observe(seconds)

    @contextlib.contextmanager
    def operation(self, kind: str) -> Iterator[None]:
        """An operation on the registry, for as long as the context lasts."""
        began = time.monotonic()
        try:
            yield
        except FleetError:
            self._failures.labels(kind).inc()
            raise
        finally:
            self._operations.labels(kind).inc()
            self._operation_durations.labels(kind).observe(time.monotonic() - began)

    def gauge(self, name: str, words: str, value: Callable[[], float]) -> None:
        """Tell a value that is asked for whenever the metrics are."""
        Gauge(name, words, registry=self._registry).set_function(value)

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self._registry)
