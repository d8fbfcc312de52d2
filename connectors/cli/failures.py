"""Errors to exit codes: what a script can rely on.

0 done · 1 it failed, or something was found · 2 wrong usage · 3 Kafka or its topics are not
there · 4 the engine rejected the command · 5 not found · 6 no answer in time
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from confluent_kafka import KafkaException
from pydantic import ValidationError

from connectors.cli.output import fault
from connectors.client.errors import (
    CommandRejectedError,
    LockLostError,
    NoAnswerError,
    NotReadyError,
)
from connectors.demo.errors import DemoError
from connectors.demo.sensor_file import SensorFileError
from connectors.mqtt.broker import BrokerError
from connectors.workers.errors import ActivityDefinitionError, NoActivitiesError
from projections.errors import (
    BadTokenError,
    NotReachedError,
    ProjectionError,
    ViewsNotReadyError,
)
from streams.errors import ClusterError, EngineCrashedError, EngineLockedError
from streams.metrics import MetricsPortError
from streams.verifier.prover import ProverError
from topics.apply import TopicsRefusedError
from topics.bootstrap import NoKafkaError
from topics.embedded import KafkaStartError
from topics.java import KafkaMissingError

FAILED, USAGE, NOT_READY, REJECTED, NOT_FOUND, NO_ANSWER = 1, 2, 3, 4, 5, 6
STOPPED = 130


_USAGE_ERROR: type[Any] = typer.BadParameter.__mro__[1]
"""Typer's base of all usage errors: its name has moved between releases."""


class NotFoundError(Exception):
    """What was asked for does not exist."""


_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (CommandRejectedError, REJECTED),
    (NoAnswerError, NO_ANSWER),
    (LockLostError, FAILED),
    (NotReadyError, NOT_READY),
    (NoKafkaError, NOT_READY),
    (KafkaStartError, NOT_READY),
    (KafkaMissingError, NOT_READY),
    (BrokerError, NOT_READY),
    (KafkaException, NOT_READY),
    (NotFoundError, NOT_FOUND),
    (NotReachedError, NO_ANSWER),
    (ViewsNotReadyError, NOT_READY),
    (ProjectionError, FAILED),
    (BadTokenError, USAGE),
    (TopicsRefusedError, FAILED),
    (ClusterError, NOT_READY),
    (EngineCrashedError, FAILED),
    (EngineLockedError, FAILED),
    (MetricsPortError, FAILED),
    (ProverError, FAILED),
    (DemoError, FAILED),
    (SensorFileError, USAGE),
    (ActivityDefinitionError, USAGE),
    (NoActivitiesError, USAGE),
    (ValidationError, USAGE),
)


def guarded(command: Callable[[], object]) -> int:
    """Run the command line; return its exit code, with one sentence for a known error."""
    try:
        result = command()
    except typer.Exit as error:
        return error.exit_code
    except _USAGE_ERROR as error:
        error.show()
        return USAGE
    except (typer.Abort, KeyboardInterrupt):
        fault("stopped")
        return STOPPED
    except tuple(kind for kind, _ in _CODES) as error:
        fault(_text(error))
        return next(code for kind, code in _CODES if isinstance(error, kind))
    if result == STOPPED:
        fault("stopped")  # Typer has turned Ctrl-C into an exit code already.
    return result if isinstance(result, int) else 0


def _text(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        places = [".".join(str(part) for part in one["loc"]) for one in error.errors()]
        reasons = [one["msg"] for one in error.errors()]
        return "\n".join(
            f"setting {place or error.title}: {reason}"
            for place, reason in zip(places, reasons, strict=True)
        )
    if isinstance(error, KafkaException):
        return f"Kafka: {error.args[0].str()}: is it up, and is KAFKA_BOOTSTRAP_SERVERS right?"
    return str(error)
