"""The bridge: both ways between MQTT and Kafka, in one process."""

from __future__ import annotations

import asyncio

from prometheus_client import start_http_server

from connectors.mqtt.inbound import Inbound
from connectors.mqtt.metrics import BridgeMetrics
from connectors.mqtt.outbound import Outbound
from connectors.mqtt.settings import BridgeSettings


class Bridge:
    """Readings in, commands out, until told to stop."""

    def __init__(self, settings: BridgeSettings, metrics: BridgeMetrics | None = None) -> None:
        """Check the settings; nothing is connected yet.

        Raises:
            ValueError: no Kafka is named.
            InvalidCredentialsError: the MQTT credentials are of no use.
        """
        if not settings.kafka_bootstrap_servers:
            raise ValueError("no Kafka is named; set KAFKA_BOOTSTRAP_SERVERS")
        settings.mqtt.tls_context()
        self.settings = settings
        self.metrics = metrics or BridgeMetrics()
        self.inbound = Inbound(settings, self.metrics)
        self.outbound = Outbound(settings, self.metrics)

    async def run_async(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then let Kafka have what is in flight."""
        if self.settings.bridge_metrics_port:
            start_http_server(self.settings.bridge_metrics_port, registry=self.metrics.registry)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.inbound.run(stop))
            group.create_task(self.outbound.run(stop))

    async def ready(self) -> None:
        """Wait until both ways are connected."""
        await self.inbound.connected.wait()
        await self.outbound.connected.wait()
