"""Several definitions together, where a boundary event sits on what waits for another's message."""

import pytest

from streams.domain.net.together import together
from streams.forms import read_definition

SHOP = """
id: shop
version: 1.0.0
nodes:
  start: {type: start, next: ask}
  ask: {type: throw, message: order, next: wait}
  wait: {type: catch, message: answer, next: end}
  EVENT
  end: {type: end}
  ended: {type: end}
"""
STORE = """
id: store
version: 1.0.0
variables: {kind: boolean}
nodes:
  start: {type: start, next: order}
  order: {type: catch, message: order, next: choose}
  choose: {type: exclusive, next: [{to: tell, when: kind}, {to: OTHER, default: true}]}
  tell: {type: throw, message: answer, next: end}
  refuse: {type: throw, message: refused, next: end}
  end: {type: end}
"""
LATE = "late: {type: boundary, on: wait, duration: PT1H, next: end}"
REMIND = "soon: {type: boundary, on: wait, duration: PT1H, interrupting: false, next: ended}"
REFUSED = "refused: {type: boundary, on: wait, message: refused, next: end}"


def judged(*events, other="end"):
    shop = SHOP.replace("EVENT", "\n  ".join(events))
    if REMIND not in events:
        shop = shop.replace("  ended: {type: end}\n", "")
    store = STORE.replace("OTHER", other)
    if other == "end":
        store = store.replace("  refuse: {type: throw, message: refused, next: end}\n", "")
    return together([read_definition(shop), read_definition(store)])


@pytest.mark.parametrize(
    ("events", "other", "sound"),
    [
        ((), "end", False),
        ((LATE,), "end", True),
        ((REMIND,), "end", False),
        ((REMIND, LATE), "end", True),
        ((REFUSED,), "refuse", True),
        ((REFUSED, REMIND), "refuse", True),
        ((REMIND,), "refuse", False),
    ],
)
def test_a_message_that_may_not_come_needs_an_event_that_ends_the_wait(events, other, sound):
    verdict = judged(*events, other=other)
    assert verdict.sound is sound, verdict
    if not sound:
        assert "shop waits at wait for the message answer" in verdict.discords[0].message


LISTENER = """
id: listener
version: 1.0.0
nodes:
  start: {type: start, next: BEGIN}
  wait: {type: catch, signal: open, next: end}
  soon: {type: boundary, on: wait, duration: PT1H, interrupting: false, next: AFTER}
  ready: {type: throw, message: ready, next: READY}
  end: {type: end}
  ended: {type: end}
"""
DOOR = """
id: door
version: 1.0.0
nodes:
  start: {type: start, next: ready}
  ready: {type: catch, message: ready, next: say}
  say: {type: throw, signal: open, next: end}
  end: {type: end}
"""


@pytest.mark.parametrize(
    ("begin", "after", "ready", "sound"),
    [
        # It says that it is ready before it listens: the signal may be lost.
        ("ready", "ended", "wait", False),
        # It listens already when its boundary event says so: the signal always wakes it.
        ("wait", "ready", "ended", True),
    ],
)
def test_a_signal_wakes_what_waits_beside_its_boundary_events(begin, after, ready, sound):
    text = LISTENER.replace("BEGIN", begin).replace("AFTER", after).replace("READY", ready)
    verdict = together([read_definition(text), read_definition(DOOR)])
    assert verdict.sound is sound, verdict
