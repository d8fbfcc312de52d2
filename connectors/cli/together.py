"""`tidemill up`: everything of this machine, as child processes that are watched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

from connectors.cli.output import fault, note, say
from topics.apply import admin_of, apply
from topics.catalogue import Catalogue
from topics.settings import KafkaSettings

_STOP_SECONDS = 45


def everything(settings: KafkaSettings, modules: list[str], stop: threading.Event) -> None:
    """Apply the topics, start the processes and wait; the first that fails ends all."""
    servers = settings.kafka_bootstrap_servers
    done = apply(admin_of(servers), Catalogue.of(settings))
    note(f"{len(done.created)} topics created, {len(done.existing)} were there")
    commands = [["engine"], ["project"], *(["worker", module] for module in modules)]
    children = [_start(words, servers) for words in commands]
    say(
        f"Tidemill runs on Kafka {servers}. In another terminal:\n"
        f"  export KAFKA_BOOTSTRAP_SERVERS={servers}\n"
        "  tidemill definition publish examples/hello.yaml\n"
        "  tidemill instance start hello --wait\n"
        "Ctrl-C stops everything."
    )
    try:
        while not stop.wait(0.2):
            ended = [child for child in children if child.poll() is not None]
            if ended:
                fault(f"{ended[0].args!r} ended with code {ended[0].returncode}; stopping")
                break
    finally:
        _stop(children)


def _start(words: list[str], servers: str) -> subprocess.Popen[bytes]:
    """Start one of our commands; in its own session, so that Ctrl-C reaches it through us."""
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "connectors.cli", *words],
        env=os.environ | {"KAFKA_BOOTSTRAP_SERVERS": servers},
        start_new_session=True,
    )


def _stop(children: list[subprocess.Popen[bytes]]) -> None:
    for child in reversed(children):
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
    for child in children:
        try:
            child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            fault(f"{child.args!r} does not stop: killed (nothing committed is lost)")
            child.kill()
            child.wait()
