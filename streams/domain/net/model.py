"""The workflow net: nodes and flows of one definition version, as frozen data.

Every front end (YAML, later BPMN and others) is read into this model, and the engine
knows nothing else. The semantics are BPMN 2.0's token semantics: several incoming flows
of a node other than a join merge (each token passes), several outgoing flows split.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from streams.domain.net.approval import Approval
from streams.domain.net.condition import ConditionTrigger
from streams.domain.net.device import DeviceTrigger
from streams.domain.net.escalation import EscalationTrigger
from streams.domain.net.expression import Expression as Expression  # noqa: PLC0414 - for all
from streams.domain.net.locking import Locking
from streams.domain.net.repeat import Repeat
from streams.domain.net.wait import Wait as Wait  # noqa: PLC0414 - one kind among all


class Version(msgspec.Struct, frozen=True, order=True, gc=False):
    """A semantic version; ordered."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        """Return `major.minor.patch`."""
        return f"{self.major}.{self.minor}.{self.patch}"


class Retry(msgspec.Struct, frozen=True, gc=False):
    """How a failed attempt is repeated.

    The delay before retry n (from 0) is min(initial_delay_ms * backoff_factor**n, max_delay_ms);
    at once is 0, a fixed delay has factor 1.
    """

    max_attempts: int = 0
    """Retries after the first attempt."""
    initial_delay_ms: int = 0
    backoff_factor: float = 1.0
    max_delay_ms: int = 3_600_000


FAIL_WORKFLOW, SKIP, MANUAL_INTERVENTION, COMPENSATE = (
    "fail_workflow",
    "skip",
    "manual_intervention",
    "compensate",
)


class Recovery(msgspec.Struct, frozen=True, gc=False):
    """What follows when an activity or a call has failed for good: its retries are used up.

    In this order: the node's own error boundary events; with `compensate` its compensation
    activity; its fallback (`Boundary.fallback`); else the strategy. `fail_workflow` throws the
    error outwards: the boundary events of the scopes around may catch it.
    """

    strategy: str = FAIL_WORKFLOW
    notification_recipients: list[str] = []
    """`manual_intervention`: who is told of the incident."""
    compensation_activity: str = ""
    """`compensate`: the node that undoes what was done."""


class Flow(msgspec.Struct, frozen=True, gc=False):
    """A transition: an arrow from one node to another."""

    id: str
    source: str
    target: str
    condition: str = ""
    """CEL source without `${}`; empty for none."""
    weight: int = 1
    """Conditions of an exclusive choice are tried by falling weight, ties in file order."""
    default: bool = False


class Failure(msgspec.Struct, frozen=True, gc=False):
    """What an error end throws."""

    code: str
    message: Expression = Expression("")


class End(msgspec.Struct, frozen=True, gc=False, tag="end"):
    """An end event: takes its token away; may throw an error, or take all tokens of its scope."""

    error: Failure | None = None
    terminate: bool = False
    escalation: str = ""
    """Code of the escalation that it raises; empty for none."""


class Activity(msgspec.Struct, frozen=True, gc=False, tag="activity"):
    """Work for an external worker."""

    activity_type: str
    queue: str = "default"
    input: Expression = Expression({})
    """Shape of the worker's input."""
    reads: list[str] = []
    """Variables that the worker may read beside its input."""
    result_path: str = ""
    """Variable (dotted path) that takes the output; empty for `result`."""
    output: dict[str, Expression] = {}
    """Output mapping: variable (dotted path) by expression over `output` and the variables."""
    schedule_to_start_ms: int = 0
    start_to_close_ms: int = 0
    heartbeat_ms: int = 0
    retry: Retry | None = None
    """None: the definition's default."""
    on_failure: Recovery | None = None
    """None: the definition's default, else the engine's."""
    compensate_with: str = ""
    """The node that undoes it when it is done; empty for none."""
    output_schema: Any = None
    """JSON Schema of what the worker returns; None for anything."""
    lock: Locking | None = None
    """Held while it is at work, over all its attempts."""


class ExclusiveGateway(msgspec.Struct, frozen=True, gc=False, tag="exclusive"):
    """Takes the first outgoing flow whose condition is true, else the default; merges."""


class ParallelGateway(msgspec.Struct, frozen=True, gc=False, tag="parallel"):
    """Waits for one token on every incoming flow, then takes every outgoing flow."""


class InclusiveGateway(msgspec.Struct, frozen=True, gc=False, tag="inclusive"):
    """Takes every outgoing flow whose condition is true, else the default.

    With several incoming flows it waits until no token elsewhere can still come to it on a
    flow that has none (BPMN 2.0.2, table 13.4).
    """


class PartialJoin(msgspec.Struct, frozen=True, gc=False, tag="join"):
    """Goes on when `count` of its incoming flows have brought a token; the others' are absorbed.

    When every flow has brought one it begins again (blocking partial join, workflow pattern 31;
    with a count of 1 the blocking discriminator, 28).
    """

    count: int


class Timer(msgspec.Struct, frozen=True, gc=False, tag="timer"):
    """An intermediate timer event: one of four values says when, each possibly an expression.

    Durations are ISO 8601 (`PT5M`) or a number of seconds; dates ISO 8601; a cycle is an ISO 8601
    repeating interval, of which it waits for the first time, as of a cron expression.
    """

    duration: Expression | None = None
    date: Expression | None = None
    output: dict[str, Expression] = {}
    cycle: Expression | None = None
    cron: Expression | None = None
    zone: Expression | None = None
    """IANA name of the zone on whose clocks all of this is meant; UTC where none is given."""


class Call(msgspec.Struct, frozen=True, gc=False, tag="call"):
    """A call of another workflow; waits for its result."""

    definition_id: str
    version: str = ""
    """Version, or a range of them, empty for any: the newest in it when the child starts."""
    input: dict[str, Expression] = {}
    result_path: str = ""
    output: dict[str, Expression] = {}
    spread: bool = False
    """True: the child is a root of its own, on a partition of its own."""
    on_failure: Recovery | None = None
    """None: the definition's default, else the engine's."""
    compensate_with: str = ""
    """The node that undoes it when it is done; empty: the child undoes itself."""
    retry: Retry | None = None
    """How often another child is started where one has failed; None: never.

    The definition's default is for activities: a child has retries of its own.
    """
    lock: Locking | None = None
    """Held while children of it run."""


class Scope(msgspec.Struct, frozen=True, gc=False, tag="scope"):
    """An embedded sub-process: the nodes whose `scope` is this node's id, run as one."""

    variables: dict[str, str] = {}
    """Local variables, by name their types; nobody outside sees or changes them."""
    defaults: dict[str, Any] = {}
    input: dict[str, Expression] = {}
    """Local variables by expression over the variables outside."""
    output: dict[str, Expression] = {}
    """Variables outside (dotted path) by expression over the local ones."""
    compensate_with: str = ""
    """The node that undoes it when it is done; empty: what is inside is undone."""
    schemas: dict[str, Any] = {}
    """JSON Schemas of local variables that have one."""
    merges: dict[str, str] = {}
    """Merge policies of local variables that have one."""
    lock: Locking | None = None
    """Held while the scope runs."""
    event: bool = False
    """True: an event of the scope around starts it, no flow does (event sub-process)."""


class EventGateway(msgspec.Struct, frozen=True, gc=False, tag="event_gateway"):
    """Waits for the first of the events that follow it, and takes that way only."""


class TimerTrigger(msgspec.Struct, frozen=True, gc=False, tag="timer"):
    """After a duration, at a date, or again and again; as `Timer`."""

    duration: Expression | None = None
    date: Expression | None = None
    cycle: Expression | None = None
    cron: Expression | None = None
    zone: Expression | None = None
    each: bool = False
    """True: what was missed while the engine was down comes too, each one by itself."""


class ErrorTrigger(msgspec.Struct, frozen=True, gc=False, tag="error"):
    """When an error with this code leaves the host; an empty code catches every error."""

    code: str = ""


class MessageTrigger(msgspec.Struct, frozen=True, gc=False, tag="message"):
    """When a message comes with this name and correlation key."""

    message: str
    key: Expression = Expression("")


class SignalTrigger(msgspec.Struct, frozen=True, gc=False, tag="signal"):
    """When a signal with this name is broadcast."""

    signal: str


Channelled = MessageTrigger | SignalTrigger
Caught = Channelled | ConditionTrigger | DeviceTrigger
Trigger = TimerTrigger | ErrorTrigger | EscalationTrigger | Caught
Started = TimerTrigger | ErrorTrigger | EscalationTrigger | Caught
"""What may start an event sub-process."""


class Start(msgspec.Struct, frozen=True, gc=False, tag="start"):
    """A start event: none, by a message, a signal, a timer. An instance takes exactly one.

    A workflow's own scope and event sub-processes have starts with a trigger, these exactly one,
    which may be an error, an escalation or a condition too.
    """

    trigger: Started | None = None
    """None: started by hand, by a call, or with its scope.

    Of a workflow, a message's key is empty, any, and a timer's values are literals: there are no
    variables yet.
    """
    result_path: str = ""
    """Variable (dotted path) that takes the payload; empty for none."""
    output: dict[str, Expression] = {}
    """Output mapping; the payload is seen as `output`."""
    missed: Literal["once", "each", "skip"] = "once"
    """Timers: whether due times that the engine slept through come together, one by one, never."""
    interrupting: bool = True
    """Of an event sub-process: whether all else in the scope around is stopped."""
    single: bool = False
    """Of a workflow, by a message: one instance at a time for each correlation key."""


class Catch(msgspec.Struct, frozen=True, gc=False, tag="catch"):
    """An intermediate event: waits for a message, a signal, a condition or a device."""

    trigger: Caught
    result_path: str = ""
    """Variable (dotted path) that takes the payload; empty for none."""
    output: dict[str, Expression] = {}
    """Output mapping; the payload is seen as `output`."""


class Throw(msgspec.Struct, frozen=True, gc=False, tag="throw"):
    """Publishes a message, broadcasts a signal or escalates, and goes on at once."""

    trigger: Channelled | EscalationTrigger
    payload: Expression = Expression(None)
    ttl_ms: int = 3_600_000
    """Messages: how long one waits for somebody."""


class Compensate(msgspec.Struct, frozen=True, gc=False, tag="compensate"):
    """Undoes what is done in its scope, newest first, and goes on when that is done."""

    node: str = ""
    """The one node that is undone; empty for all of the scope."""


class Boundary(msgspec.Struct, frozen=True, gc=False, tag="boundary"):
    """An event on the edge of what takes its time, as an activity or a catch: a way out of it."""

    host: str
    trigger: Trigger
    interrupting: bool = True
    """True: the host is stopped. False: it goes on, beside the way that begins here."""
    output: dict[str, Expression] = {}
    """Output mapping; an error is seen as `error` with `code`, `message`, `node`."""
    fallback: bool = False
    """True: the host's fallback, which acts after its compensation activity."""


Gateway = ExclusiveGateway | ParallelGateway | InclusiveGateway | PartialJoin
Host = Activity | Approval | Call | Scope
"""Work: kinds that may be repeated, undone, and fail."""
Bounded = Host | Timer | Catch | Wait
"""Kinds that may have boundary events."""
Waiting = (
    Activity | Approval | Timer | Call | Scope | EventGateway | Catch | Throw | Compensate | Wait
)
"""Kinds at which a token rests until something happens."""
WithOutput = Start | Activity | Approval | Timer | Call | Scope | Boundary | Catch | Wait
"""Kinds with an output mapping."""
NodeKind = Start | End | Gateway | Waiting | Boundary


class Node(msgspec.Struct, frozen=True, gc=False):
    """A node of the net, of one kind."""

    id: str
    kind: NodeKind
    name: str = ""
    """Display name, in any language."""
    metadata: dict[str, Any] = {}
    scope: str = ""
    """The scope node that it is part of; empty for the workflow itself."""
    repeat: Repeat | None = None
    """Activities, calls and scopes: how it is run several times."""


class Property(msgspec.Struct, frozen=True, gc=False):
    """What the author says of every run; decided together with soundness."""

    kind: Literal["before", "after", "always"]
    """`never NODE before OTHER`, `never NODE after OTHER`, `after NODE always OTHER`."""
    node: str
    other: str

    def __str__(self) -> str:
        """Return it as a sentence."""
        if self.kind == "always":
            return f"after {self.node} always {self.other}"
        return f"never {self.node} {self.kind} {self.other}"


class Definition(msgspec.Struct, frozen=True, gc=False):
    """One version of a workflow definition; immutable."""

    id: str
    version: Version
    nodes: dict[str, Node]
    """By id, in the author's order."""
    flows: dict[str, Flow]
    """By id, in the author's order."""
    name: str = ""
    metadata: dict[str, Any] = {}
    variables: dict[str, str] = {}
    """Declared variables: `number`, `integer`, `string`, `boolean`, `list`, `map`, `any`."""
    defaults: dict[str, Any] = {}
    """Initial values of variables that the start does not give."""
    result: dict[str, Expression] = {}
    """Outputs of the workflow; empty: all variables."""
    retry: Retry = Retry()
    """Default retry of activities without one."""
    properties: list[Property] = []
    """Proved with soundness, and never looked at afterwards."""
    on_failure: Recovery | None = None
    """Default of activities and calls without one."""
    schemas: dict[str, Any] = {}
    """JSON Schemas (Draft 2020-12) of variables that have one."""
    input_schema: Any = None
    """Of all variables together with which an instance begins."""
    result_schema: Any = None
    """Of what the workflow returns."""
    merges: dict[str, str] = {}
    """How parallel writes merge, by variable: `counter`, `add_wins_set`; else the last wins."""
