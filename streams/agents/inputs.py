"""The agents: one per input topic; each hands its chunks to the engine and nothing else."""

from __future__ import annotations

from typing import Any

import faust

from streams.runtime.engine import Engine
from streams.runtime.inbox import INPUTS


def register(app: faust.App, engine: Engine, prefix: str) -> None:
    """Register the agents of all inputs on the app.

    Names are explicit, so that no module path ever reaches Kafka; `acks=False` keeps
    Faust from committing offsets, since the position is the shard's own.
    """
    for source in INPUTS:
        topic = app.topic(
            f"{prefix}{source}",
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            acks=False,
            maxsize=64,
        )
        app.agent(topic, name=f"tidemill.{source}", concurrency=1)(_dispatcher(engine))


def _dispatcher(engine: Engine) -> Any:
    async def dispatch(chunks: Any) -> None:
        async for chunk in chunks:
            engine.submit(chunk)

    return dispatch
