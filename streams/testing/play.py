"""One run of a definition on the core: the instance, and the channels and locks that it talks to.

Whatever these send each other is delivered in order; the caller chooses what happens else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from schemas.approval_commands import ClaimApproval, CompleteApproval
from schemas.commands import (
    BroadcastSignal,
    CancelInstance,
    CompensateInstance,
    CompleteCall,
    Continue,
    Correlate,
    FireTimer,
    PublishMessage,
    ResumeInstance,
    RunInstance,
    SuspendInstance,
)
from schemas.results import CompleteActivity, FailActivity
from streams.domain.instance.places import bare
from streams.domain.net.model import Waiting
from streams.domain.protocol import Accepted, SendCommand
from streams.forms import read_definition
from streams.testing.spec import Spec, channel, instance, lock

Choose = Callable[[Sequence[Any]], Any]
"""Takes one of several."""
WHO: Final = "ann"
"""Who decides every approval."""
_OFTEN: Final = {"complete": 5, "call": 2, "approve": 2, "wait": 2, "resume": 2}
_OTHERS: Final[dict[str, Callable[[str], Spec]]] = {"channel": channel, "lock": lock}


class Play:
    """One run of definition `random`, its variable `pick` given."""

    def __init__(self, source: str, choose: Choose, pick: int) -> None:
        """Start it; what cannot be read is an `AssertionError`."""
        definition = read_definition(source)
        assert not isinstance(definition, list), [str(one) for one in definition]
        self.definition = definition
        self._choose = choose
        self._waits = {n.id for n in definition.nodes.values() if isinstance(n.kind, Waiting)}
        self._mail: deque[SendCommand] = deque()
        self._others: dict[tuple[str, str], Spec] = {}
        self._told = 0
        self.snapshot = self.spec = instance(source)
        """The instance; and as it was at a former moment."""
        self._do(RunInstance("random", "", b'{"pick":%d}' % pick))

    @property
    def ended(self) -> bool:
        """Whether nothing more happens."""
        return self.spec.state.status not in {"Running", "Suspended"}

    def step(self, *, gently: bool) -> None:
        """Deliver what was sent, or let something happen; `gently`: nothing that disturbs."""
        if self._mail:
            self._deliver(self._mail.popleft())
            return
        can = self._possible(gently=gently)
        choices = [name for name in can for _ in range(_OFTEN.get(name, 1))]
        assert choices, f"nothing can happen, and it has not ended: {self.spec.state}"
        chosen = self._choose(choices)
        getattr(self, f"_{chosen}")(can[chosen])

    def settle(self) -> None:
        """Deliver what is left after the end."""
        while self._mail:
            self._deliver(self._mail.popleft())

    def check(self) -> None:
        """Hold what is true between any two commands, once all is delivered."""
        state = self.spec.state
        if state.status != "Running" or self._mail:
            return
        assert state.incidents == {}, "a sound definition with good data has none"
        busy = {*state.timers, *state.rollbacks, *state.waits}
        for ones in (
            state.activities,
            state.calls,
            state.subscriptions,
            state.scopes,
            state.approvals,
            state.iterations,
            state.sections,
        ):
            busy |= {one.token for one in ones.values()}
        for token, place in state.tokens.items():
            held = bare(place) in self._waits
            assert token in busy or not held, f"token {token} waits at {place} for nothing"
        assert busy <= set(state.tokens), "something waits without a token"

    def left_over(self) -> list[str]:
        """Name the locks that it still has and the channels that still know it, which is wrong."""
        left = []
        for (kind, name), one in self._others.items():
            if one.state is not None:
                known = one.state.holder if kind == "lock" else one.state.subscriptions
                left += [name] * bool(known)
        return left

    def _possible(self, *, gently: bool) -> dict[str, Any]:
        """Return what can happen now, with what it can happen to."""
        state = self.spec.state
        open_now = [key for key, one in state.activities.items() if not one.retry_at]
        failing = [key for key in open_now if self._may_fail(key)]
        channels = sorted({one.channel for one in state.subscriptions.values()})
        can = {
            "complete": open_now,
            "fail": [] if gently else failing,
            "call": list(state.calls),
            "approve": list(state.approvals),
            "publish": [name for name in channels if name.startswith("message:")],
            "ring": ["now"] * ("signal:bell" in channels),
            "wait": self._due(),
            "resume": ["now"] * (state.status == "Suspended"),
            "suspend": ["now"] * (state.status == "Running" and not gently),
            "cancel": ["now"] * (not gently and not self._choose(range(30))),
        }
        return {name: what for name, what in can.items() if what}

    def _may_fail(self, key: int) -> bool:
        one = self.spec.state.activities[key]
        kind: Any = self.definition.nodes[one.node].kind
        return one.attempt <= 2 or kind.on_failure is not None

    def _do(self, command: msgspec.Struct) -> None:
        """Let a command come twice: the second has no effect of its own."""
        decided = self.spec.when(command)
        if isinstance(decided.outcome, Accepted):
            self.spec = decided.accepted()
        if not isinstance(command, FireTimer | Continue):
            again = self.spec.when(command)
            # A channel that asks again is answered again.
            if isinstance(again.outcome, Accepted):
                again.then() if isinstance(command, Correlate) else again.then_nothing()
        self._send(self.spec.effects[self._told :])
        self._told = len(self.spec.effects)

    def _send(self, effects: Sequence[Any]) -> None:
        for effect in effects:
            if not isinstance(effect, SendCommand):
                continue
            if effect.aggregate_type in _OTHERS or effect.aggregate_id == "one":
                self._mail.append(effect)
            elif isinstance(effect.body, CompensateInstance):
                # Children are not played: their calls are answered, and so is this.
                undone = CompleteCall(effect.body.call, b"{}")
                self._mail.append(SendCommand("instance", "one", "", undone))

    def _deliver(self, sent: SendCommand) -> None:
        if sent.aggregate_type == "instance":
            self._do(sent.body)
        else:
            self._tell(sent.aggregate_type, sent.aggregate_id, sent.body)

    def _tell(self, kind: str, name: str, body: msgspec.Struct) -> None:
        spec = self._others.get((kind, name)) or _OTHERS[kind](name)
        spec = replace(spec, now=self.spec.now, effects=())
        decided = spec.when(body)
        if isinstance(decided.outcome, Accepted):
            spec = decided.accepted()
            self._send(spec.effects)
        finished = spec.state is not None and spec.aggregate.is_finished(spec.state)
        self._others[kind, name] = _OTHERS[kind](name) if finished else spec

    def _due(self) -> list[int]:
        own = self.spec.next_due() if self.spec.state.status == "Running" else 0
        dues = [own, *(one.next_due() for one in self._others.values() if one.state is not None)]
        later = [due for due in dues if due]
        return [min(later)] if later else []

    def _wait(self, dues: list[int]) -> None:
        (due,) = dues
        self.spec = self.spec.later(max(0, due - self.spec.now))
        for (kind, name), one in list(self._others.items()):
            if one.state is not None and 0 < one.next_due() <= self.spec.now:
                self._tell(kind, name, FireTimer(one.next_due()))
        own = self.spec.next_due()
        if self.spec.state.status == "Running" and 0 < own <= self.spec.now:
            self._do(FireTimer(own))

    def _complete(self, keys: list[int]) -> None:
        key = self._choose(keys)
        self._do(CompleteActivity(key, self.spec.state.activities[key].attempt, b"1"))

    def _fail(self, keys: list[int]) -> None:
        key = self._choose(keys)
        self._do(FailActivity(key, self.spec.state.activities[key].attempt, "Boom"))

    def _call(self, keys: list[int]) -> None:
        compensable = self._choose([True, False])
        self._do(CompleteCall(self._choose(keys), b'{"n":1}', compensable))

    def _approve(self, keys: list[int]) -> None:
        key = self._choose(keys)
        self.spec = self.spec.by(WHO)
        self._do(ClaimApproval(key))
        self._do(CompleteApproval(key, "approve"))

    def _publish(self, channels: list[str]) -> None:
        channel = self._choose(channels)
        _, name, key = channel.split(":")
        message = f"m{len(self.spec.past)}"
        self._tell("channel", channel, PublishMessage(name, key, message, b"1"))

    def _ring(self, _: list[str]) -> None:
        self._tell("channel", "signal:bell", BroadcastSignal("bell", f"s{len(self.spec.past)}"))

    def _suspend(self, _: list[str]) -> None:
        self._do(SuspendInstance())

    def _resume(self, _: list[str]) -> None:
        self.snapshot = self.spec
        self._do(ResumeInstance())

    def _cancel(self, _: list[str]) -> None:
        self._do(CancelInstance("enough"))
