"""Incremental fetch sessions (KIP-227) for aiokafka's fetcher, which has none.

Without a session every fetch names each partition and every answer comes back with each of
them: for 32 partitions more work, in the engine and in the broker, than the records that it
is about. With one, a fetch names what has moved since the last and is told what is new.

Between two fetches of a broker lies a rest, since each costs much the same whatever it brings:
the more the last one has brought, the longer.
"""

from __future__ import annotations

import time
from collections import defaultdict
from io import BytesIO
from typing import Any, Final, NamedTuple

from aiokafka.protocol.api import RequestHeader_v1, ResponseHeader_v0
from aiokafka.protocol.fetch import FetchRequest_v7, FetchResponse_v7

_FETCH: Final = 1
_EPOCH_MAX: Final = 0x7FFFFFFF
_CONSUMER: Final = -1
_UNKNOWN: Final = -1
_REST_SECONDS: Final = 0.001
_REST_PER_BYTE: Final = 1e-6
_REST_SECONDS_MAX: Final = 0.01
_LOOK_SECONDS: Final = 0.25


class _Answer(NamedTuple):
    """What aiokafka reads of a response."""

    API_VERSION: int
    topics: list[Any]


class Session:
    """What one broker remembers of our partitions."""

    def __init__(self) -> None:
        """Begin without a session."""
        self.id = 0
        self.epoch = 0
        self.positions: dict[tuple[str, int], int] = {}
        """Offsets that the broker knows."""
        self.asked = False
        """True while a request has no answer: what the broker knows is then in doubt."""
        self.rest_until = 0.0

    def forget(self) -> None:
        """Let the next fetch begin a session of its own."""
        self.id = self.epoch = 0
        self.positions = {}
        self.asked = False

    def next(self, request: Any) -> FetchRequest_v7:
        """Return a request for what has changed since the last."""
        if self.asked:
            self.forget()
        known = self.positions
        wanted: dict[tuple[str, int], int] = {}
        changed: dict[str, list[tuple[int, int, int, int]]] = defaultdict(list)
        for topic, partitions in request.topics:
            for partition, offset, max_bytes in partitions:
                wanted[topic, partition] = offset
                if known.get((topic, partition)) != offset:
                    changed[topic].append((partition, offset, _UNKNOWN, max_bytes))
        forgotten: dict[str, list[int]] = defaultdict(list)
        for topic, partition in known.keys() - wanted.keys():
            forgotten[topic].append(partition)
        self.positions = wanted
        self.asked = True
        return FetchRequest_v7(
            _CONSUMER,
            request._max_wait_ms,
            request._min_bytes,
            request._max_bytes,
            request._isolation_level,
            self.id,
            self.epoch,
            list(changed.items()),
            list(forgotten.items()),
        )

    def answered(self, response: Any) -> _Answer:
        """Take a response; an error of the session's means that the next fetch begins anew."""
        self.asked = False
        if response.error_code:
            self.forget()
            return _Answer(response.API_VERSION, [])
        if response.session_id:
            self.id = response.session_id
            self.epoch = self.epoch + 1 if self.epoch < _EPOCH_MAX else 1
        else:  # The broker has no room for sessions.
            self.forget()
        size = sum([len(part[-1] or b"") for _topic, parts in response.topics for part in parts])
        if size:
            rest = min(_REST_SECONDS_MAX, _REST_SECONDS + size * _REST_PER_BYTE)
            self.rest_until = time.monotonic() + rest
        return _Answer(response.API_VERSION, response.topics)


class SessionRequest:
    """A fetch in a session, as aiokafka's client sends it."""

    API_KEY: Final = _FETCH
    API_VERSION: Final = FetchRequest_v7.API_VERSION

    def __init__(self, session: Session, request: Any) -> None:
        """Take the session and aiokafka's request for all partitions."""
        self._session = session
        self._request = request
        self.topics = request.topics
        """All partitions with their offsets, for what aiokafka makes of the response."""

    @property
    def RESPONSE_TYPE(self) -> SessionRequest:  # noqa: N802 - aiokafka's name
        """What decodes the response."""
        return self

    def prepare(self, versions: dict[int, tuple[int, int]]) -> Any:
        """Return what a connection sends; aiokafka's own request to a broker without sessions."""
        least, most = versions[self.API_KEY]
        return self if least <= self.API_VERSION <= most else self._request.prepare(versions)

    def build_request_header(self, correlation_id: int, client_id: str) -> Any:
        """Return the header."""
        return RequestHeader_v1(self, correlation_id, client_id)

    def parse_response_header(self, data: Any) -> Any:
        """Read the response's header."""
        return ResponseHeader_v0.decode(data)

    def encode(self) -> bytes:
        """Return the request's bytes."""
        data: bytes = self._session.next(self._request).encode()
        return data

    def decode(self, data: BytesIO) -> _Answer:
        """Read the response."""
        return self._session.answered(FetchResponse_v7.decode(data))


class FetchSessions:
    """Gives a fetcher one session for each broker."""

    def __init__(self, fetcher: Any) -> None:
        """Stand between the fetcher's choice of partitions and its requests."""
        self._actions = fetcher._get_actions_per_node
        self.sessions: dict[int, Session] = defaultdict(Session)
        self._look_at = 0.0
        """When to ask next who leads the partitions that nobody seems to lead."""
        fetcher._get_actions_per_node = self._get_actions

    def _get_actions(self, assignment: Any) -> tuple[Any, ...]:
        requests, resets, timeout, unknown, resumed = self._actions(assignment)
        now, found = time.monotonic(), []
        if unknown and now < self._look_at:
            # aiokafka would ask again at once, for as long as no broker answers.
            unknown, timeout = False, min(timeout, self._look_at - now)
        elif unknown:
            self._look_at = now + _LOOK_SECONDS
        for node, request in requests:
            session = self.sessions[node]
            if session.rest_until > now:
                timeout = min(timeout, session.rest_until - now)
            else:
                found.append((node, SessionRequest(session, request)))
        return found, resets, timeout, unknown, resumed
