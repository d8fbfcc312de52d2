"""What the parts of the client that ask for something need of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import Future
from typing import Final, NamedTuple

import msgspec

from connectors.client.options import PLAIN, Options
from schemas.replies import Reply

ANSWER_SECONDS: Final = 30.0
"""How long an answer is waited for."""


class Answer(NamedTuple):
    """What a command led to."""

    id: str
    """The aggregate's id: chosen here where the caller gave none."""
    reply: Reply


class Sender(ABC):
    """Sends commands and waits for their replies."""

    @abstractmethod
    def send(
        self, aggregate_type: str, aggregate_id: str, body: msgspec.Struct, options: Options = PLAIN
    ) -> Future[Reply]:
        """Send a command; the future holds its reply, rejected or not."""

    @abstractmethod
    def call(
        self,
        aggregate_type: str,
        aggregate_id: str,
        body: msgspec.Struct,
        options: Options = PLAIN,
        *,
        timeout: float = ANSWER_SECONDS,
    ) -> Answer:
        """Send a command and wait; raises `CommandRejectedError` or `NoAnswerError`."""
