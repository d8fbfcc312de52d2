"""Telling people of an incident, or of an approval that is overdue: one task each.

A task is tried again where the mail cannot be sent. It holds nothing up: no token waits for it,
and where it is given up the incident or the approval is still there. The core gives ids only;
the worker knows where a console is.
"""

from __future__ import annotations

from typing import Final

from schemas.events import NotificationCompleted, NotificationFailed, NotificationRequested
from schemas.json_text import canonical
from schemas.results import CompleteActivity, FailActivity
from schemas.tasks import ActivityTask
from streams.domain.instance.enter import NAME_MAX, shortened
from streams.domain.instance.overdue_mail import overdue_mail
from streams.domain.instance.retries import delay_ms
from streams.domain.instance.state import Incident, InstanceState, OpenNotification
from streams.domain.instance.work import Work
from streams.domain.net.model import Retry
from streams.domain.protocol import Accepted, Decision, DispatchActivity, Outcome

ACTIVITY_TYPE: Final = "notification_activity"
RETRIES: Final = Retry(12, 5_000, 2.0, 600_000)
"""Somewhat more than an hour."""


def notify(work: Work, incident: int, recipients: list[str]) -> None:
    """Hand a task for each recipient of an incident to the queue."""
    queue = work.ctx.limits.notification_queue
    for recipient in recipients:
        key = work.next_sequence
        work.emit(NotificationRequested(key, incident, recipient, queue))
        _dispatch(work, key)


def notify_overdue(work: Work, approval: int, recipients: list[str]) -> None:
    """Hand a task for each recipient of an overdue approval to the queue."""
    queue = work.ctx.limits.notification_queue
    for recipient in recipients:
        key = work.next_sequence
        work.emit(NotificationRequested(key, 0, recipient, queue, approval=approval))
        _dispatch(work, key)


def remind(work: Work, key: int) -> None:
    """Try again to tell somebody; not where the incident or the approval is over."""
    one = work.state.notifications[key]
    about, there = "incident", one.incident in work.state.incidents
    if one.approval:
        about, there = "approval", one.approval in work.state.approvals
    if not there:
        _failed(work, key, one, "State", f"the {about} is over", retryable=False)
        return
    request = (key, one.incident, one.recipient, one.queue, one.attempt + 1, one.approval)
    work.emit(NotificationRequested(*request))
    _dispatch(work, key)


def sent(command: CompleteActivity, state: InstanceState, ctx: Decision) -> Outcome:
    """Note that a recipient was told."""
    work = Work(state, ctx)
    key = command.activity
    one = state.notifications[key]
    worker = command.worker[:NAME_MAX]
    work.emit(NotificationCompleted(key, one.incident, one.recipient, command.attempt, worker))
    return work.accepted()


def not_sent(command: FailActivity, state: InstanceState, ctx: Decision) -> Outcome:
    """Note that a recipient was not told, and when to try again."""
    key = command.activity
    one = state.notifications[key]
    if one.retry_at or one.attempt != command.attempt:
        return Accepted([], [], state)
    work = Work(state, ctx)
    code, message = command.code, command.message
    _failed(work, key, one, code, message, retryable=command.retryable, worker=command.worker)
    return work.accepted()


def _failed(
    work: Work,
    key: int,
    one: OpenNotification,
    code: str,
    message: str,
    *,
    retryable: bool,
    worker: str = "",
) -> None:
    again_at, retries = 0, one.attempt - 1
    if retryable and retries < RETRIES.max_attempts:
        again_at = work.ctx.now + delay_ms(RETRIES, retries)
    said = shortened(message, work.ctx.limits.text)
    where = (key, one.incident, one.recipient, one.attempt)
    failed = NotificationFailed(*where, code[:NAME_MAX], said, again_at, worker[:NAME_MAX])
    work.emit(failed)


def _dispatch(work: Work, key: int) -> None:
    state, one = work.state, work.state.notifications[key]
    if not work.ctx.definitions.queue_exists(one.queue):
        message = (
            f"queue {one.queue!r} has no topic: run `tidemill topics apply --queue {one.queue}`, "
            "or name another in TIDEMILL_NOTIFICATION_QUEUE"
        )
        _failed(work, key, one, "queue_missing", message, retryable=True)
        return
    if one.approval:
        node = state.approvals[one.approval].node
        given = overdue_mail(work, one, state.approvals[one.approval])
    else:
        node = state.incidents[one.incident].node
        given = _input(work, one, state.incidents[one.incident])
    task = ActivityTask(
        key,
        node,
        ACTIVITY_TYPE,
        one.attempt,
        canonical(given),
        state.definition_id,
        state.definition_version,
    )
    work.effects.append(DispatchActivity(one.queue, task))


def _input(work: Work, one: OpenNotification, found: Incident) -> dict[str, object]:
    """Return a mail's fields, and beside them the incident for whoever can link to it."""
    ctx, state = work.ctx, work.state
    name = ctx.aggregate_id
    return {
        "notification_type": "email",
        "recipients": [one.recipient],
        "subject": f"Workflow {name} needs you: {found.node} failed",
        "body_template": (
            f"Node {found.node} of workflow instance {name} ({state.definition_id} "
            f"{state.definition_version}) has failed, and waits for a decision.\n\n"
            f"{found.code}: {found.message}\n"
        ),
        "incident": {
            "instance": name,
            "tenant": ctx.tenant,
            "incident": one.incident,
            "node": found.node,
            "code": found.code,
            "message": found.message,
        },
    }
