"""The bridge's Prometheus metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class BridgeMetrics:
    """One set of metrics on a registry of its own (two bridges in one process do not mix)."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Register all metrics."""
        self.registry = registry or CollectorRegistry()
        self.received = self._counter("received", "MQTT messages received")
        self.forwarded = self._counter("forwarded", "Messages that Kafka has acknowledged")
        self.redelivered = self._counter("redelivered", "Messages that came with the DUP flag")
        self.dead_lettered = self._counter("dead_lettered", "Messages kept as dead letters")
        self.commands = self._counter("commands", "Commands published to devices")
        self.reconnects = self._counter("reconnects", "Connections to MQTT lost or refused")
        self.pauses = self._counter("pauses", "Times that reading from MQTT was paused")
        self.in_flight = Gauge(
            "tidemill_bridge_in_flight",
            "Messages received that Kafka has not acknowledged",
            registry=self.registry,
        )
        self.connected = Gauge(
            "tidemill_bridge_connected", "1 while MQTT is connected", registry=self.registry
        )

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"tidemill_bridge_{name}", text, registry=self.registry)

    def values(self) -> dict[str, float]:
        """Return every value by its short name."""
        return {
            sample.name.removeprefix("tidemill_bridge_").removesuffix("_total"): sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if not sample.name.endswith("_created")
        }
