"""Any tree of events in any order, against a machine that sees one event after the other."""

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.net.model import Expression, SignalTrigger, TimerTrigger
from streams.domain.net.wait import (
    LOST,
    MET,
    OPEN,
    AllOf,
    AnyOf,
    InSequence,
    Leaf,
    NotWithin,
    leaves_of,
    status_of,
    wanted,
)


def trees():
    numbers = st.just(Leaf(0, "x", SignalTrigger("x")))
    deadline = Leaf(0, "", TimerTrigger(Expression(1)))

    def grown(inner):
        parts = st.lists(inner, min_size=1, max_size=3)
        return st.one_of(
            parts.map(AllOf),
            parts.map(AnyOf),
            parts.map(InSequence),
            inner.map(lambda part: NotWithin(part, deadline)),
        )

    return st.recursive(numbers, grown, max_leaves=7)


def numbered(part, count):
    """Give each leaf a number of its own."""
    if isinstance(part, Leaf):
        count[0] += 1
        return Leaf(count[0], f"e{count[0]}", part.trigger)
    if isinstance(part, NotWithin):
        return NotWithin(numbered(part.part, count), numbered(part.deadline, count))
    return type(part)([numbered(one, count) for one in part.parts])


class Machine:
    """A wait as a machine that takes one event after the other and forgets nothing."""

    def __init__(self, part):
        self.part, self.status, self.at = part, OPEN, 0
        inner = [part.part] if isinstance(part, NotWithin) else getattr(part, "parts", [])
        self.inner = [Machine(one) for one in inner]

    def listening(self):
        if self.status != OPEN:
            return set()
        if isinstance(self.part, Leaf):
            return {self.part.number}
        if isinstance(self.part, InSequence):
            return self.inner[self.at].listening()
        found = set().union(*(one.listening() for one in self.inner))
        return found | ({self.part.deadline.number} if isinstance(self.part, NotWithin) else set())

    def take(self, number):
        if number not in self.listening():
            return
        if isinstance(self.part, Leaf):
            self.status = MET
            return
        if isinstance(self.part, NotWithin) and number == self.part.deadline.number:
            self.status = MET
            return
        for one in self.inner:
            one.take(number)
        found = [one.status for one in self.inner]
        if isinstance(self.part, NotWithin):
            self.status = {OPEN: OPEN, MET: LOST, LOST: MET}[found[0]]
        elif isinstance(self.part, AllOf):
            self.status = LOST if LOST in found else MET if set(found) == {MET} else OPEN
        elif isinstance(self.part, AnyOf):
            self.status = MET if MET in found else LOST if set(found) == {LOST} else OPEN
        elif found[self.at] == MET:
            self.at += 1
            self.status = MET if self.at == len(self.inner) else OPEN
        else:
            self.status = found[self.at]


@settings(deadline=None, max_examples=200)
@given(trees(), st.data())
def test_a_wait_does_what_a_machine_would_that_sees_one_event_after_the_other(tree, data):
    part = numbered(tree, [0])
    machine, seen = Machine(part), {}
    while True:
        assert status_of(part, seen) == machine.status
        listening = [leaf.number for leaf in wanted(part, seen)]
        assert set(listening) == machine.listening()
        assert not set(listening) & seen.keys()
        if machine.status != OPEN:
            break
        number = data.draw(st.sampled_from(sorted(listening)))
        seen[number] = b""
        machine.take(number)
    assert listening == []
    assert len(seen) <= len(list(leaves_of(part)))
