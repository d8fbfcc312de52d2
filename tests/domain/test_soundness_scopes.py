"""Soundness of scopes, boundary events, event gateways, and of ends that take every token."""

import json
import random

import pytest

from schemas.commands import FireTimer, RunInstance
from schemas.results import CompleteActivity, FailActivity
from streams.domain.net.explore import explore
from streams.domain.net.reduce import reduced
from streams.domain.net.soundness import soundness, violations_of
from streams.domain.net.translate import petri_net
from streams.forms import prove, read_definition
from streams.testing.spec import instance

HOST = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work: {type: activity, activity_type: job, next: NEXT}
  event: {type: boundary, on: work, TRIGGER, next: other}
  other: {type: activity, activity_type: job, next: AFTER}
  meet: {type: KIND, next: end}
  end: {type: end}
  end2: {type: end}
"""


def host(trigger, kind="exclusive", after="meet", following="meet"):
    text = HOST.replace("TRIGGER", trigger).replace("AFTER", after)
    text = text.replace("NEXT", following).replace("KIND", kind)
    if "end2" not in (after, following):
        text = text.replace("  end2: {type: end}\n", "")
    if "meet" not in (after, following):
        text = text.replace(f"  meet: {{type: {kind}, next: end}}\n", "")
    return text


def judged(source):
    definition = read_definition(source)
    assert not isinstance(definition, list), list(map(str, definition))
    return soundness(definition)


BESIDE = "duration: 5, interrupting: false"
WORK = "type: activity, activity_type: job"
WAITS = ("type: catch, message: m", "type: timer, duration: 9", "type: wait, any: [{signal: s}]")


@pytest.mark.parametrize("waits", WAITS)
@pytest.mark.parametrize("kind", ["exclusive", "inclusive", "parallel"])
@pytest.mark.parametrize("trigger", ["duration: 5", BESIDE, "cycle: R/PT1H, interrupting: false"])
def test_what_only_waits_is_a_host_as_what_works(waits, kind, trigger):
    work = host(trigger, kind, after="end2" if "cycle" in trigger else "meet")
    other = work.replace(f"work: {{{WORK}", f"work: {{{waits}")
    nets = [petri_net(read_definition(text)) for text in (work, other)]
    assert nets[0] == nets[1]
    assert len(nets[0].firings) > 5


def test_an_event_that_interrupts_is_another_way_out_of_its_host():
    assert judged(host("duration: 5")).sound
    verdict = judged(host("duration: 5", "parallel"))
    assert verdict.violations[0].property == "option to complete"
    assert [step.node for step in verdict.violations[0].trace] in (
        ["start", "event", "other"],
        ["start", "work"],
    )


def test_an_event_that_does_not_interrupt_begins_a_way_beside_its_host():
    assert judged(host(BESIDE, after="end2", following="end")).sound
    assert judged(host(BESIDE, "inclusive")).sound
    twice = judged(host(BESIDE)).violations[0]
    assert twice.property in {"1-safe", "proper completion"}
    assert "event" in [step.node for step in twice.trace]
    # It need not happen, so that nobody may wait for it.
    assert judged(host(BESIDE, "parallel")).violations[0].property == "option to complete"


def test_a_host_that_is_reached_again_while_at_work_is_named():
    source = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work: {type: activity, activity_type: job, next: end}
  event: {type: boundary, on: work, duration: 5, interrupting: false, next: work}
  end: {type: end}
"""
    found = judged(source).violations[0]
    assert (found.property, found.node) == ("1-safe", "work")
    assert "while it is still at work" in found.message


SCOPE = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: part}
  part:
    type: scope
    nodes:
      in: {type: start, next: fork}
      fork: {type: parallel, next: [a, b]}
      a: {type: activity, activity_type: job, next: meet}
      b: {type: activity, activity_type: job, next: meet}
      meet: {type: KIND, next: after}
      after: {type: activity, activity_type: job, next: out}
      out: {type: end, END}
    next: end
  end: {type: end}
"""


def scope(kind="parallel", end=""):
    return SCOPE.replace("KIND", kind).replace("{type: end, END}", f"{{type: end{end}}}")


def test_a_scope_is_judged_by_a_net_of_its_own():
    assert judged(scope()).sound
    (found,) = judged(scope("exclusive")).violations
    assert (found.property, found.node) == ("1-safe", "meet")
    _, problems, verdict = prove(scope("exclusive"))
    assert not verdict.sound
    (line,) = [problem.line for problem in problems if problem.property]
    assert scope("exclusive").splitlines()[line - 1].strip().startswith("meet:")


def test_an_end_that_takes_every_token_is_a_proper_end():
    fork = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: fork}
  fork: {type: parallel, next: [a, b]}
  a: {type: activity, activity_type: job, next: end}
  b: {type: activity, activity_type: job, next: end}
  end: {type: end, END}
"""
    plain = fork.replace(", END", "")
    assert judged(plain).violations[0].property == "proper completion"
    assert judged(fork.replace("END", "terminate: true")).sound
    assert judged(fork.replace("END", "error: Boom")).sound
    # Inside, the token that it takes would have made the second at `after`: it still can.
    assert not judged(scope("exclusive", ", terminate: true")).sound


def test_an_event_gateway_takes_one_way():
    source = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: first}
  first: {type: event_gateway, next: [x, y]}
  x: {type: timer, duration: 1, next: meet}
  y: {type: timer, duration: 2, next: meet}
  meet: {type: KIND, next: end}
  end: {type: end}
"""
    assert judged(source.replace("KIND", "exclusive")).sound
    assert not judged(source.replace("KIND", "parallel")).sound


class Drawn:
    """A random definition: gateways, scopes; activities and timers with boundary events."""

    def __init__(self, chance):
        self.chance = chance
        self.count = 0

    def source(self):
        return json.dumps({"id": "flow", "version": "1.0.0", "nodes": self.nodes(2)})

    def name(self, kind):
        self.count += 1
        return f"{kind}{self.count}"

    def nodes(self, deep):
        chance = self.chance
        start, end = self.name("start"), self.name("end")
        extra = chance.choice(({}, {}, {"terminate": True}, {"error": "Boom"}))
        nodes = {start: {"type": "start"}, end: {"type": "end", **extra}}
        names = [self.name("n") for _ in range(chance.randint(2, 4))]
        for place, name in enumerate(names):
            after = [*names[place + 1 :], end]
            kind = chance.choice(("split", "activity", "timer", "activity", "scope", "inclusive"))
            if kind == "scope" and not deep:
                kind = "activity"
            body = {"type": kind, "next": chance.choice(after)}
            if kind == "split":
                ways = list(dict.fromkeys(chance.choice(after) for _ in range(2)))
                body = {"type": chance.choice(("parallel", "inclusive", "join")), "next": ways}
                if body["type"] == "join":
                    body["count"] = 1
            elif kind == "activity":
                body["activity_type"] = "job"
            elif kind == "timer":
                body["duration"] = 2
            elif kind == "scope":
                body["nodes"] = self.nodes(deep - 1)
            nodes[name] = body
            if kind in {"activity", "timer", "scope"} and chance.random() < 0.6:
                nodes[self.name("b")] = self.boundary(name, chance.choice(after), kind)
        nodes[start]["next"] = names[0]
        return nodes

    def boundary(self, on, after, kind):
        triggers = [{"error": "Boom"}, {"duration": 1}, {"duration": 1, "interrupting": False}]
        trigger = self.chance.choice(triggers[kind == "timer" :])
        return {"type": "boundary", "on": on, **trigger, "next": after}


def drawn(seed):
    source = Drawn(random.Random(seed)).source()
    definition = read_definition(source)
    return source, None if isinstance(definition, list) else definition


def scopes_of(definition):
    return ["", *(n.id for n in definition.nodes.values() if type(n.kind).__name__ == "Scope")]


def test_a_reduced_net_of_scopes_and_events_has_the_verdict_of_the_whole_one():
    seen = 0
    for seed in range(1_500):
        _, definition = drawn(seed)
        if definition is None:
            continue
        for one in scopes_of(definition):
            net = petri_net(definition, one)
            whole, small = explore(net, 20_000), explore(reduced(net), 20_000)
            if whole.complete:
                verdicts = [bool(violations_of(f, definition, one)) for f in (whole, small)]
                assert verdicts[0] == verdicts[1], f"seed {seed}, scope {one!r}"
                seen += 1
    assert seen > 300


@pytest.mark.parametrize("part", range(4))
def test_what_is_proved_sound_ends_on_the_engine(part):
    runs = 0
    for seed in range(part, 1_200, 4):
        source, definition = drawn(seed)
        if definition is None or not soundness(definition).sound:
            continue
        chance = random.Random(seed)
        spec = instance(source).given(RunInstance("flow"))
        for _ in range(100):
            if spec.state.status != "Running":
                break
            spec = played(spec, chance, seed)
        assert spec.state.status in {"Completed", "Failed"}
        assert spec.replayed() == spec.state
        runs += 1
    assert runs > 20


def played(spec, chance, seed):
    """Do one thing that can happen next."""
    state = spec.state
    places = [place for place in state.tokens.values() if "/spent" not in place]
    assert len(places) == len(set(places)), f"seed {seed}: two tokens at one place"
    assert not state.incidents, f"seed {seed}"
    due = spec.next_due()
    assert state.activities or due, f"seed {seed} is stuck: {state.tokens}"
    if due and (not state.activities or chance.random() < 0.3):
        return spec.later(max(0, due - spec.now)).given(FireTimer(due))
    key = chance.choice(sorted(state.activities))
    if chance.random() < 0.2:
        return spec.given(FailActivity(key, 1, "Boom", "no", retryable=False))
    return spec.given(CompleteActivity(key, 1, b"{}"))
