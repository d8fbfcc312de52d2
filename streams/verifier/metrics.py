"""The verifier's Prometheus metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class VerifierMetrics:
    """One set of metrics on a registry of its own."""

    def __init__(self) -> None:
        """Register all metrics."""
        self.registry = CollectorRegistry()
        self.verdicts = Counter(
            "tidemill_verifier_verdicts",
            "Definitions judged, by verdict",
            ["verdict"],
            registry=self.registry,
        )
        self.seconds = Counter(
            "tidemill_verifier_seconds", "Seconds spent on proofs", registry=self.registry
        )
        self.pending = Gauge(
            "tidemill_verifier_pending", "Versions that wait", registry=self.registry
        )
