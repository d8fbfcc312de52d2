"""Settings of a worker process; environment variables `TIDEMILL_…`."""

from __future__ import annotations

import os
import socket

from pydantic import Field

from topics.settings import KafkaSettings


def _name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


class WorkerSettings(KafkaSettings):
    """How this worker runs."""

    worker_id: str = Field(default_factory=_name, description="Name of this worker in results.")
    worker_concurrency: int = Field(
        default=64, ge=1, description="Activities of one queue that run at the same time."
    )
    worker_prefetch: int = Field(
        default=1_000, ge=1, description="Tasks read ahead per queue; then reading pauses."
    )
    worker_drain: float = Field(
        default=30.0, ge=0, description="Seconds that running activities have to end at a stop."
    )
    detach_after: float = Field(
        default=60.0,
        gt=0,
        description="Seconds after which an activity no longer holds back the queue's position.",
    )
    detached_heartbeat: float = Field(
        default=30.0,
        gt=0,
        description="Seconds between signs of life of a detached activity; missing them, the "
        "engine gives it to another worker.",
    )
    command_bytes_max: int = Field(
        default=512 * 1024,
        ge=8_192,
        description="Largest result, as the engines have it; a larger one fails its activity.",
    )
    worker_session_timeout: float = Field(
        default=10.0, gt=0, description="Seconds until a silent worker's tasks go to others."
    )
