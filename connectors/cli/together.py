"""`tidemill up`: everything of this machine, as child processes that are watched."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from connectors.children import Child, Children, environment_of
from connectors.cli.failures import FAILED
from connectors.cli.output import fault, note, say
from connectors.mqtt.broker import BrokerOptions, MqttBroker
from topics.apply import admin_of, apply
from topics.catalogue import Catalogue
from topics.settings import KafkaSettings

ACTIVITIES = "connectors.activities"
_WATCH_SECONDS = 0.2


def everything(
    settings: KafkaSettings, modules: Sequence[str], stop: threading.Event, mqtt: str, *, own: bool
) -> int:
    """Apply the topics, start the processes and wait; the first that ends by itself ends all.

    Args:
        settings: Where Kafka is.
        modules: One worker is started for each.
        stop: Set where all shall end.
        mqtt: URL of the MQTT broker to bridge to; empty: none.
        own: Start an MQTT broker here, with its data in the data directory.
    """
    servers = settings.kafka_bootstrap_servers
    done = apply(admin_of(servers), Catalogue.of(settings))
    note(f"{len(done.created)} topics created, {len(done.existing)} were there")
    with ExitStack() as stack:
        if own:
            mqtt = stack.enter_context(_broker(settings)).url
        more = {"TIDEMILL_MQTT_URL": mqtt} if mqtt else {}
        environment = environment_of(KAFKA_BOOTSTRAP_SERVERS=servers, **more)
        children = stack.enter_context(Children(environment))
        for name, *words in _commands(modules, bridge=bool(mqtt)):
            children.start(name, *words)
        say(_greeting(servers, mqtt))
        ended = _watch(children, stop)
    for name in children.killed:
        fault(f"the {name} did not stop and was killed (nothing committed is lost)")
    return FAILED if ended else 0


def _commands(modules: Sequence[str], *, bridge: bool) -> Iterator[tuple[str, ...]]:
    """Yield a name and the words of each command."""
    yield "engine", "engine"
    yield "verifier", "verifier"
    yield "projector", "project"
    if bridge:
        yield "bridge", "bridge"
    for module in modules:
        yield f"worker {module}", "worker", module


@contextmanager
def _broker(settings: KafkaSettings) -> Iterator[MqttBroker]:
    """Run an MQTT broker whose port, sessions and messages are kept between runs."""
    folder = settings.data_dir / "mqtt"
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "port"
    port = int(kept.read_text(encoding="ascii")) if kept.exists() else 0
    broker = MqttBroker(BrokerOptions(folder, port=port, die_with_parent=True))
    broker.start()
    try:
        kept.write_text(str(broker.port), encoding="ascii")
        yield broker
    finally:
        broker.stop()


def _greeting(servers: str, mqtt: str) -> str:
    lines = [
        f"Tidemill runs on Kafka {servers}. In another terminal:",
        f"  export KAFKA_BOOTSTRAP_SERVERS={servers}",
        "  tidemill definition publish examples/hello.yaml",
        "  tidemill instance start hello --wait",
        f"Devices speak to {mqtt}." if mqtt else "No MQTT: `--mqtt` starts a broker.",
        "Ctrl-C stops everything.",
    ]
    return "\n".join(lines)


def _watch(children: Children, stop: threading.Event) -> Child | None:
    """Wait for the end; return the process that ended without being asked, if one did."""
    while not stop.wait(_WATCH_SECONDS):
        ended = children.ended()
        if ended is not None:
            fault(f"the {ended.name} ended with code {ended.process.returncode}; stopping all")
            return ended
    return None
