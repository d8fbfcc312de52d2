"""`python -m streams`: run one engine with the environment's settings."""

from __future__ import annotations

import asyncio

from streams.app import run_engine
from streams.settings import EngineSettings

if __name__ == "__main__":
    asyncio.run(run_engine(EngineSettings()))
