"""Settings that everything on this cluster shares; environment variables `TIDEMILL_…`."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class KafkaSettings(BaseSettings):
    """Where Kafka is and how Tidemill's topics are called."""

    model_config = SettingsConfigDict(env_prefix="TIDEMILL_", extra="ignore", populate_by_name=True)

    kafka_bootstrap_servers: str = Field(
        default="",
        validation_alias=AliasChoices("KAFKA_BOOTSTRAP_SERVERS", "kafka_bootstrap_servers"),
        description="Kafka's addresses; empty: the embedded Kafka of this machine.",
    )
    topic_prefix: str = Field(default="", description="Put before every topic's name.")
    partitions: int = Field(
        default=4, ge=1, description="Partitions of every keyed topic; fixed at creation."
    )
    replication_factor: int = Field(default=1, ge=1, description="Replicas of every topic.")
    activity_partitions: int = Field(default=8, ge=1, description="Partitions of a new queue.")
    data_dir: Path = Field(
        default=Path.home() / ".local" / "share" / "tidemill",
        description="Embedded Kafka, stores and the default database live here.",
    )
