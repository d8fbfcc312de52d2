"""The `tidemill` command: every noun in a file of its own, loaded where it is asked for.

All of them together load the engine, the views' database and the demo: seconds, which a worker
or a look at an instance need not wait for. Help and whatever is no command load everything.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import typer

from connectors.cli.failures import guarded

ROOMS: Final[dict[str, tuple[str, ...]]] = {
    "up": ("processes",),
    "worker": ("processes",),
    "bridge": ("processes",),
    "engine": ("engine",),
    "verifier": ("verifier",),
    # The views add commands to the nouns that they are of.
    "definition": ("definition", "projection"),
    "activity-type": ("activity_type",),
    "instance": ("instance", "by_hand", "projection"),
    "message": ("message",),
    "signal": ("message",),
    "channel": ("channel",),
    "lock": ("lock",),
    "approval": ("approval",),
    "events": ("events",),
    "topics": ("topics",),
    "project": ("projection",),
    "projection": ("projection",),
    "cluster": ("cluster",),
    "verify": ("cluster",),
    "doctor": ("cluster",),
    "stalled": ("stalled",),
    "replay": ("replay",),
    "demo": ("demo",),
    "bench": ("bench",),
}
"""By the first word of a command line: the modules of this package that it needs, in the order in
which help shows them."""


def app_of(words: Sequence[str] = ()) -> typer.Typer:
    """Return the command line's app, with no more than what the first word needs."""
    app = typer.Typer(
        name="tidemill",
        help="A workflow engine on Apache Kafka. Begin with `tidemill up` or `tidemill demo`.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=(
            "Kafka is KAFKA_BOOTSTRAP_SERVERS, else the embedded one that `tidemill up` starts. "
            "Exit codes: 0 done, 1 failed, 2 usage, 3 Kafka not ready, 4 rejected, 5 not found, "
            "6 no answer."
        ),
    )
    # Without it Typer makes an app of one command that command itself.
    app.callback()(_nothing)
    wanted = ROOMS.get(words[0] if words else "")
    every = dict.fromkeys(name for rooms in ROOMS.values() for name in rooms)
    for name in wanted or every:
        room = import_module(f"connectors.cli.{name}")
        if hasattr(room, "register"):
            room.register(app)
        else:
            app.add_typer(room.app)
    return app


def _nothing() -> None:
    """Do nothing before a command."""


def run() -> None:
    """Run the command line and exit with its code."""
    words = sys.argv[1:]
    sys.exit(guarded(lambda: app_of(words)(standalone_mode=False)))
