"""`python -m streams`: run one engine with the environment's settings."""

from __future__ import annotations

from streams.app import run_engine
from streams.loop import run
from streams.settings import EngineSettings

if __name__ == "__main__":
    run(run_engine(EngineSettings()))
