"""`python -m connectors.cli`: the `tidemill` command."""

from __future__ import annotations

from connectors.cli.main import run

if __name__ == "__main__":
    run()
