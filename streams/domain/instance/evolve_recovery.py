"""Event appliers of what follows a failure: compensation, and telling people of an incident."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from schemas import events as e
from streams.domain.instance.state import InstanceState, OpenCompensation, OpenNotification
from streams.domain.protocol import EventPlace


def _compensation_started(
    state: InstanceState, event: e.CompensationStarted, at: EventPlace
) -> InstanceState:
    opened = OpenCompensation(event.node, event.code, event.message)
    compensations = {**state.compensations, event.token: opened}
    return replace(state, sequence=at.sequence, compensations=compensations)


def _requested(
    state: InstanceState, event: e.NotificationRequested, at: EventPlace
) -> InstanceState:
    opened = OpenNotification(
        event.incident, event.recipient, event.queue, event.attempt, 0, event.approval
    )
    notifications = {**state.notifications, event.notification: opened}
    return replace(state, sequence=at.sequence, notifications=notifications)


def _sent(state: InstanceState, event: e.NotificationCompleted, at: EventPlace) -> InstanceState:
    return _closed(state, event.notification, at)


def _failed(state: InstanceState, event: e.NotificationFailed, at: EventPlace) -> InstanceState:
    former = state.notifications.get(event.notification)
    if former is None or not event.retry_at:
        return _closed(state, event.notification, at)
    again = replace(former, retry_at=event.retry_at)
    notifications = {**state.notifications, event.notification: again}
    return replace(state, sequence=at.sequence, notifications=notifications)


def _closed(state: InstanceState, key: int, at: EventPlace) -> InstanceState:
    rest = {number: one for number, one in state.notifications.items() if number != key}
    return replace(state, sequence=at.sequence, notifications=rest)


RECOVERY: Final[dict[type[msgspec.Struct], Callable[[Any, Any, EventPlace], InstanceState]]] = {
    e.CompensationStarted: _compensation_started,
    e.NotificationRequested: _requested,
    e.NotificationCompleted: _sent,
    e.NotificationFailed: _failed,
}
"""Applier by event."""
