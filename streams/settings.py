"""Settings of an engine process; environment variables `TIDEMILL_…`."""

from __future__ import annotations

import socket
from typing import Literal, Self

from pydantic import Field, model_validator

from topics.settings import KafkaSettings

_SESSION_SECONDS_MIN = 6.0


class EngineSettings(KafkaSettings):
    """How this engine runs; what it shares with others stands in `KafkaSettings`."""

    engine_id: str = Field(
        default_factory=socket.gethostname,
        description="Stable name of this process in the group: a restart takes its place at once.",
    )
    group: str = Field(
        default="tidemill",
        description="Consumer group of all engines; it elects who leads each partition.",
    )
    heartbeat_interval: float = Field(default=0.5, gt=0, description="Seconds between heartbeats.")
    failure_detection_threshold: int = Field(
        default=20, ge=2, description="Heartbeats missed until a member counts as dead."
    )
    communication_timeout: float = Field(
        default=30.0, gt=0, description="Seconds until a request to Kafka counts as failed."
    )
    transaction_timeout: float = Field(
        default=12.0, gt=1, description="Seconds until the broker aborts a silent transaction."
    )
    batch_records_max: int = Field(default=1_500, ge=1, description="Records of one transaction.")
    pacing_ms: float = Field(
        default=20.0, ge=0, description="Longest pause after a batch, to gather more for the next."
    )
    pacing_records: int = Field(
        default=256, ge=1, description="A shard with this much queued does not pause."
    )
    queue_records_max: int = Field(
        default=20_000, ge=1, description="Records queued per partition until fetching pauses."
    )
    cache_aggregates: int = Field(
        default=40_000, ge=1, description="Aggregates kept decoded, over all partitions."
    )
    cache_bytes: int = Field(default=64 << 20, description="Block cache of all stores together.")
    write_buffer_bytes: int = Field(default=64 << 20, description="Memtables of all stores.")
    dedupe_window: float = Field(
        default=86_400.0,
        ge=60,
        description="Seconds for which what is finished and a message's id are remembered.",
    )
    tombstone_retention: float = Field(
        default=7 * 86_400.0, description="Seconds that workflow.state keeps tombstones."
    )
    retention_interval: float = Field(
        default=60.0, ge=0, description="Seconds between deletions of applied results; 0: never."
    )
    retention_margin: int = Field(
        default=1_000, ge=0, description="Applied results and internal commands kept a partition."
    )
    command_bytes_max: int = Field(default=512 * 1024, description="Largest command or event.")
    variable_bytes_max: int = Field(default=256 * 1024, description="Largest variable.")
    state_bytes_max: int = Field(default=1024 * 1024, description="Largest instance state.")
    events_per_command_max: int = Field(default=2_000, description="Then an internal Continue.")
    steps_per_command_max: int = Field(default=1_000, description="Node steps per command.")
    channel_messages_max: int = Field(
        default=1_000, ge=1, description="Messages that wait in one channel."
    )
    channel_subscriptions_max: int = Field(
        default=5_000, ge=1, description="Open subscriptions of one channel."
    )
    channel_message_ids_max: int = Field(
        default=1_000, ge=1, description="Message ids that one channel remembers."
    )
    default_failure_strategy: Literal["fail_workflow", "manual_intervention"] = Field(
        default="fail_workflow",
        description="What follows a failed activity where its definition does not say.",
    )
    notification_queue: str = Field(
        default="default", description="Activity queue of the mails that tell of an incident."
    )
    accept_loss: list[int] = Field(
        default_factory=list, description="Partitions that may go on after lost input."
    )
    metrics_port: int = Field(default=0, description="Port of /metrics; 0: none.")

    @model_validator(mode="after")
    def _session(self) -> Self:
        """Refuse what Kafka's brokers refuse without saying which setting is meant."""
        session = self.heartbeat_interval * self.failure_detection_threshold
        if session < _SESSION_SECONDS_MIN:
            raise ValueError(
                f"heartbeat_interval x failure_detection_threshold is {session:g} s: Kafka takes "
                f"no session below {_SESSION_SECONDS_MIN:g} s"
            )
        return self
