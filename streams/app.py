"""The composition root of an engine process."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import faust
import structlog
from confluent_kafka.admin import AdminClient
from faust.types import TP

from streams.agents.inputs import register
from streams.agents.transport import ChunkTransport
from streams.collector import spare_the_collector
from streams.domain.aggregates import AGGREGATES
from streams.domain.protocol import Limits
from streams.errors import ClusterError, EngineCrashedError, EngineLockedError
from streams.forms import read_definition, read_for_decision
from streams.members import count
from streams.metrics import serve_metrics
from streams.runtime.cluster import Identity, Queues, identify
from streams.runtime.definition_tail import DefinitionBook
from streams.runtime.engine import Engine, Place
from streams.runtime.environment import Environment
from streams.runtime.inbox import INPUTS
from streams.runtime.kafka_definitions import KafkaDefinitionTail
from streams.runtime.kafka_log import KafkaLog
from streams.runtime.retention import Retention
from streams.runtime.runner import Pacing, Runner
from streams.runtime.shard import Shard, ShardOptions
from streams.runtime.store import Memory, Store
from streams.runtime.view import CommittedStates
from streams.settings import EngineSettings
from topics.names import Names

log = structlog.get_logger(__name__)
_RELIEVE_SECONDS = 0.02
_COMMIT_SECONDS = 2.0
_WATCH_SECONDS = 0.2
_LEAVE_SECONDS = 5.0


class FaustApp(faust.App):
    """Faust's app, with the chunk transport and the engine that it feeds."""

    engine: Engine
    topic_prefix: str

    def _new_transport(self) -> Any:
        return ChunkTransport(self.conf.broker_consumer, self)


def wall() -> int:
    """Return the wall clock, milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Parts:
    """Everything an engine process is made of."""

    def __init__(self, settings: EngineSettings, clock: Callable[[], int] = wall) -> None:
        """Connect to the cluster and compose; raises `ClusterError` with what to do."""
        self.settings = settings
        self.clock = clock
        bootstrap = settings.kafka_bootstrap_servers
        self.admin = admin = AdminClient({"bootstrap.servers": bootstrap})
        self.identity: Identity = identify(admin, Names(settings.topic_prefix))
        _check_accepted(settings.accept_loss, self.identity.partitions)
        self.queues = Queues(admin, Names(settings.topic_prefix))
        self.names = Names(settings.topic_prefix, self.queues.partitions)
        self.queues.refresh(force=True)
        self.book = DefinitionBook(_read_source, self.queues.exists)
        self.tail = KafkaDefinitionTail(bootstrap, self.names, self.identity.partitions, self.book)
        self.memory = Memory(settings.cache_bytes, settings.write_buffer_bytes)
        self.executor = ThreadPoolExecutor(self.identity.partitions + 2, "transactions")
        self.engine = Engine(self.runner, settings.queue_records_max)
        self.states = CommittedStates(self.engine, AGGREGATES, self.identity.partitions)
        self.faust = faust_app(settings, self.engine)

    def environment(self, partition: int) -> Environment:
        """Return the fixed surroundings of one partition's shard."""
        return Environment(
            partition,
            self.identity.partitions,
            self.names,
            AGGREGATES,
            self.book,
            limits(self.settings),
            read_for_decision,
        )

    def log(self, partition: int) -> KafkaLog:
        """Return the log of one partition; only `init` makes this process its owner."""
        settings, identity = self.settings, self.identity
        return KafkaLog(
            settings.kafka_bootstrap_servers,
            self.names,
            partition,
            (identity.cluster, identity.state_topic),
            self.executor,
            group=settings.group,
            transaction_timeout=settings.transaction_timeout,
        )

    def end(self, place: Place) -> int | None:
        """Return where an input ends, as far as the consumer has heard."""
        consumer: Any = self.engine.feed
        with contextlib.suppress(Exception):  # Nothing is assigned yet, or no longer.
            end: int | None = consumer.highwater(TP(f"{self.names.prefix}{place[0]}", place[1]))
            return end
        return None

    def runner(self, partition: int) -> Runner:
        """Compose the shard of one partition and what drives it."""
        settings = self.settings
        store = Store(store_path(settings) / str(partition), self.memory)
        options = ShardOptions(
            settings.batch_records_max,
            500,
            int(settings.dedupe_window * 1000),
            int(settings.tombstone_retention * 1000),
            max(1_000, settings.cache_aggregates // self.identity.partitions),
            partition in settings.accept_loss,
        )
        environment = self.environment(partition)
        shard = Shard(environment, self.log(partition), store, options, self.clock, self.tail)
        pacing = Pacing(settings.pacing_ms, settings.pacing_records)
        return Runner(shard, pacing, self.engine.reseek)


def _check_accepted(accepted: list[int], partitions: int) -> None:
    """Refuse a partition that does not exist: its operator meant another one."""
    unknown = [partition for partition in accepted if not 0 <= partition < partitions]
    if unknown:
        raise ClusterError(
            f"there is no partition {unknown[0]} whose loss could be accepted: the topics have "
            f"{partitions}, numbered from 0"
        )


def _read_source(source: str) -> Any:
    result = read_definition(source)
    return [str(problem) for problem in result] if isinstance(result, list) else result


def limits(settings: EngineSettings) -> Limits:
    """Return the limits that decisions hold."""
    return Limits(
        settings.variable_bytes_max,
        settings.state_bytes_max,
        settings.command_bytes_max,
        settings.events_per_command_max,
        settings.steps_per_command_max,
        messages=settings.channel_messages_max,
        subscriptions=settings.channel_subscriptions_max,
        message_ids=settings.channel_message_ids_max,
        message_window=int(settings.dedupe_window * 1000),
        failure_strategy=settings.default_failure_strategy,
        notification_queue=settings.notification_queue,
    )


def store_path(settings: EngineSettings) -> Path:
    """Return the folder of this engine's stores."""
    name = f"{settings.topic_prefix}{settings.group}".replace("/", "_")
    return settings.data_dir / "stores" / name


def member_id(settings: EngineSettings) -> str:
    """Return the stable name in the group: host and store, so that two engines differ."""
    place = zlib.crc32(str(store_path(settings).resolve()).encode())
    return f"{settings.engine_id}-{place:08x}"


def faust_app(settings: EngineSettings, engine: Engine) -> FaustApp:
    """Compose the Faust app: membership, assignment and the agents."""
    servers = settings.kafka_bootstrap_servers.replace(",", ";")
    app = FaustApp(
        f"{settings.topic_prefix}{settings.group}",
        broker=f"kafka://{servers}",
        store="memory://",
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        reply_create_topic=False,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=member_id(settings),
        broker_heartbeat_interval=settings.heartbeat_interval,
        broker_session_timeout=settings.heartbeat_interval * settings.failure_detection_threshold,
        broker_rebalance_timeout=settings.communication_timeout,
        broker_request_timeout=settings.communication_timeout + 10,
        broker_max_poll_interval=3_600.0,
        broker_commit_every=None,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        datadir=str(settings.data_dir / "faust"),
    )
    app.engine = engine
    app.topic_prefix = settings.topic_prefix
    register(app, engine, settings.topic_prefix)
    _connect(app, engine)
    return app


def _connect(app: FaustApp, engine: Engine) -> None:
    """Tell the engine when ownership is about to move, and when it has."""

    async def revoked(_app: Any, /, *_arguments: Any, **_options: Any) -> None:
        await engine.quiesce()

    async def assigned(_app: Any, /, *_arguments: Any, **_options: Any) -> None:
        consumer: Any = app.consumer
        engine.feed = consumer
        mine = {f"{app.topic_prefix}{source}" for source in INPUTS}
        partitions = {tp.partition for tp in consumer.assignment() if tp.topic in mine}
        await engine.own(partitions)

    signals: Any = app  # Faust's type of `connect` takes no plain coroutine function.
    signals.on_partitions_revoked.connect(revoked, weak=False)
    signals.on_rebalance_complete.connect(assigned, weak=False)


def lock_stores(settings: EngineSettings) -> IO[str]:
    """Make sure that no other process uses these stores; hold the result while running."""
    path = store_path(settings)
    path.mkdir(parents=True, exist_ok=True)
    handle = (path / "lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise EngineLockedError(
            f"another engine uses {path}: give this one a data directory of its own "
            "(TIDEMILL_DATA_DIR), or stop the other"
        ) from error
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


async def run_engine(
    settings: EngineSettings, stop: asyncio.Event | None = None, clock: Callable[[], int] = wall
) -> None:
    """Run one engine until it is told to stop (SIGTERM, SIGINT, or the event)."""
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(ValueError, RuntimeError):
            loop.add_signal_handler(number, stop.set)
    sys.setswitchinterval(0.001)
    spare_the_collector()
    with lock_stores(settings), contextlib.ExitStack() as stack:
        parts = Parts(settings, clock)
        if settings.metrics_port:
            stack.callback(serve_metrics(parts.engine, parts.end, settings.metrics_port))
        await parts.tail.start()
        parts.faust.finalize()
        await parts.faust.start()
        log.info("engine started", member=member_id(settings))
        chores = [asyncio.create_task(_chores(parts)), asyncio.create_task(_retain(parts))]
        try:
            await _until(stop, parts.faust)
        finally:
            for chore in chores:
                chore.cancel()
            await parts.engine.quiesce()
            await parts.engine.close()
            if stop.is_set():
                await _leave(parts)
            await parts.faust.stop()
            parts.tail.stop()
            log.info("engine stopped")


async def _until(stop: asyncio.Event, faust: FaustApp) -> None:
    """Wait until the engine is told to stop; `EngineCrashedError` where Faust ends by itself."""
    while not faust.crashed:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _WATCH_SECONDS)
            return
    raise EngineCrashedError(
        f"the engine has crashed and must be started again: {faust.crash_reason}"
    )


async def _leave(parts: Parts) -> None:
    """Give the partitions to the other engines at once; where there are none, keep the place.

    A static member that only ends keeps its place for a session. That serves an engine that
    is alone and starts again: it needs no rebalance, for which brokers wait 3 s by default
    where a group was empty.
    """
    consumer: Any = parts.faust.consumer
    group = f"{parts.settings.topic_prefix}{parts.settings.group}"
    try:
        async with asyncio.timeout(_LEAVE_SECONDS):
            if await asyncio.to_thread(count, parts.admin, group) > 1:
                await consumer.leave()
    except Exception:
        log.exception("cannot leave the group: its partitions wait for the end of the session")


async def _chores(parts: Parts) -> None:
    """Release full partitions, and tell Kafka the positions for the sake of lag tools."""
    engine = parts.engine
    committed_at = time.monotonic()
    while True:
        await asyncio.sleep(_RELIEVE_SECONDS)
        engine.relieve()
        if time.monotonic() - committed_at < _COMMIT_SECONDS or not engine.ready:
            continue
        committed_at = time.monotonic()
        consumer: Any = parts.faust.consumer
        with contextlib.suppress(Exception):  # Informational only: the position is in the log.
            await consumer.tell(engine.positions())


async def _retain(parts: Parts) -> None:
    """Delete what was applied of the inputs that Kafka keeps for ever."""
    settings = parts.settings
    retention = Retention(parts.admin, settings.topic_prefix, settings.retention_margin)
    while settings.retention_interval:
        await asyncio.sleep(settings.retention_interval)
        try:
            await asyncio.to_thread(retention.delete, parts.engine.positions())
        except Exception:
            log.exception("cannot delete what was applied")
