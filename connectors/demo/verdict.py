"""What came of a run, held against what a plain loop over the file says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from connectors.demo.mail_server import KeptMail
from connectors.demo.plan import Plan
from connectors.demo.request_server import MaintenanceRequest

_ALERT: Final = re.compile(r"设备 (\S+) .*?: (\S+?)°C")
_SHOWN: Final = 5


class Outcome(NamedTuple):
    """What was sent, heard and received."""

    ends: dict[str, str]
    """How each instance ended."""
    sent: Sequence[str]
    """Ids of the readings that the devices sent."""
    received: dict[str, int]
    """How often each is on the topic."""
    initialized: int
    """Devices that obey the workflow's `initialize`."""
    seen: int
    """Instances that the query views show as completed after one look for each reading."""
    mails: list[KeptMail]
    requests: list[MaintenanceRequest]
    seconds: float
    """From the first start to the last end."""


class Verdict(msgspec.Struct, frozen=True):
    """The figures of a run; `problems` is empty where everything is as it must be."""

    file: str
    threshold: float
    seconds: float
    instances: int
    instances_in_views: int
    readings_sent: int
    readings_received: int
    redelivered: int
    """Readings that arrived more than once: the device's shard takes each once."""
    alerts: int
    alerts_expected: int
    requests: int
    events: int
    lost: int
    duplicated: int
    """Alerts and requests beyond one for each reading that is due one."""
    folder: str
    problems: list[str]


class Difference(NamedTuple):
    """Effects against what is due, by what names the reading."""

    missing: list[Any]
    undue: list[Any]
    doubled: int


def difference(expected: Iterable[Any], found: Iterable[Any]) -> Difference:
    """Compare two multisets."""
    due, done = Counter(expected), Counter(found)
    more = done - due
    return Difference(
        sorted((due - done).elements()),
        sorted(key for key in more if key not in due),
        sum(count for key, count in more.items() if key in due),
    )


def alert_of(mail: KeptMail) -> tuple[str, float]:
    """Return device and temperature that a mail warns of; `ValueError` where it is no alert."""
    found = _ALERT.search(mail.body)
    if found is None:
        raise ValueError(f"the mail {mail.message_id} is no alert: {mail.body!r}")
    return found[1], float(found[2])


def request_of(request: MaintenanceRequest) -> tuple[str, str, float]:
    """Return device, time and temperature of a maintenance request."""
    values = request.parameters
    return values["device_id"], values["timestamp"], float(values["temperature"])


def verdict(plan: Plan, outcome: Outcome, events: int, faults: list[str], folder: str) -> Verdict:
    """Say what the figures are and what is wrong with them."""
    mails = {mail.message_id: mail for mail in outcome.mails}
    alerts = difference(
        ((due.device_id, due.temperature) for due in plan.alerts), map(alert_of, mails.values())
    )
    requests = difference(plan.alerts, map(request_of, outcome.requests))
    sent, received = set(outcome.sent), set(outcome.received)
    lost, strange = sorted(sent - received), sorted(received - sent)
    problems = [
        *_not_completed(plan, outcome),
        *_some("readings were not asked for", _unasked(plan, sent)),
        *_some("readings are lost: sent over MQTT, not on iot.telemetry", lost),
        *_some("readings on iot.telemetry were never sent", strange),
        *_some("alerts are missing", alerts.missing),
        *_some("alerts are not due", alerts.undue),
        *_some("maintenance requests are missing", requests.missing),
        *_some("maintenance requests are not due", requests.undue),
        *_some("faults in the log", faults),
    ]
    doubled = alerts.doubled + requests.doubled
    if doubled:
        problems.append(f"{doubled} alerts or maintenance requests came twice")
    if outcome.initialized != len(plan.slices):
        problems.append(f"only {outcome.initialized} of {len(plan.slices)} devices are initialized")
    if outcome.seen != len(plan.slices):
        problems.append(
            f"the views show {outcome.seen} of {len(plan.slices)} instances as completed after "
            "one look for each reading"
        )
    return Verdict(
        str(plan.file),
        plan.threshold,
        round(outcome.seconds, 2),
        sum(end == "workflow.completed" for end in outcome.ends.values()),
        outcome.seen,
        len(sent),
        len(received),
        sum(outcome.received.values()) - len(received),
        len(mails),
        len(plan.alerts),
        len(outcome.requests),
        events,
        len(lost),
        doubled,
        folder,
        problems,
    )


def _not_completed(plan: Plan, outcome: Outcome) -> list[str]:
    ends = ((part.device_id, outcome.ends.get(part.device_id, "")) for part in plan.slices)
    return _some(
        "instances did not complete",
        [f"{name}: {end or 'not ended'}" for name, end in ends if end != "workflow.completed"],
    )


def _unasked(plan: Plan, sent: set[str]) -> list[str]:
    return [
        name
        for part in plan.slices
        for number in range(len(part.samples))
        if (name := f"{part.device_id}:{number}") not in sent
    ]


def _some(what: str, found: Sequence[object]) -> list[str]:
    """Return one sentence, with the first few, or none."""
    if not found:
        return []
    more = ", …" if len(found) > _SHOWN else ""
    return [f"{len(found)} {what}: {', '.join(str(one) for one in found[:_SHOWN])}{more}"]
