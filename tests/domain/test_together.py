"""Message-soundness: definitions that speak with each other, looked at together."""

import pytest

from streams.domain.net.soundness import soundness
from streams.domain.net.together import together
from streams.forms import read_definition

SHOP = """
id: shop
version: 1.0.0
nodes:
  start: {type: start, next: ask}
  ask: {type: throw, message: order, next: wait}
  wait: {type: catch, message: answer, next: end}
  end: {type: end}
"""
STORE = """
id: store
version: 1.0.0
variables: {good: boolean}
nodes:
  start: {type: start, next: take}
  take: {type: catch, message: order, next: BEFORE}
  choose:
    type: exclusive
    next: [{to: tell, when: good}, {to: NO, default: true}]
  tell: {type: throw, message: answer, next: end}
  end: {type: end}
"""
ALWAYS = STORE.replace("BEFORE", "choose").replace("NO,", "tell,")
SOMETIMES = STORE.replace("BEFORE", "choose").replace("NO,", "end,")


def judged(*sources):
    definitions = [read_definition(source) for source in sources]
    for one in definitions:
        assert not isinstance(one, list), list(map(str, one))
        assert soundness(one).sound, one.id
    return together(definitions)


def test_an_answer_that_always_comes_is_sound():
    accord = judged(SHOP, ALWAYS)
    assert (accord.sound, accord.discords, accord.parties) == (True, [], ["shop", "store"])
    assert accord.states > 1


def test_an_answer_that_comes_on_one_way_only_is_shown_with_the_run_that_lacks_it():
    accord = judged(SHOP, SOMETIMES)
    (found,) = accord.discords
    assert (accord.sound, found.definition, found.node) == (False, "shop", "wait")
    assert "shop waits at wait for the message answer" in found.message
    assert "store: choose (choose->end)" in map(str, found.trace)


def test_each_by_itself_says_nothing_and_neither_do_strangers():
    assert judged(SOMETIMES).parties == []
    stranger = SHOP.replace("order", "other").replace("answer", "reply")
    assert judged(stranger, SOMETIMES).parties == []


def test_a_way_out_after_a_while_mends_it():
    patient = SHOP.replace(
        "wait: {type: catch, message: answer, next: end}",
        """wait: {type: event_gateway, next: [come, late]}
  come: {type: catch, message: answer, next: end}
  late: {type: timer, duration: PT1H, next: end}""",
    )
    accord = judged(patient, SOMETIMES)
    assert accord.sound
    # It may go on too early, so that the answer is left.
    (left,) = accord.discords
    assert (left.property, left.is_error) == ("messages are taken", False)
    assert "answer" in left.message


def test_a_boundary_event_mends_it_too():
    patient = SHOP.replace(
        "wait: {type: catch, message: answer, next: end}",
        """part:
    type: scope
    nodes:
      in: {type: start, next: wait}
      wait: {type: catch, message: answer, next: out}
      out: {type: end}
    next: end
  late: {type: boundary, on: part, duration: PT1H, next: end}""",
    ).replace("next: wait}\n  part", "next: part}\n  part")
    assert judged(patient, SOMETIMES).sound
    hasty = patient.replace("  late: {type: boundary, on: part, duration: PT1H, next: end}\n", "")
    (found,) = judged(hasty, SOMETIMES).discords
    assert "shop waits at wait" in found.message


def test_two_that_wait_for_each_other_first():
    one = SHOP.replace("message: answer", "message: left").replace(
        "message: order", "message: right"
    )
    one = one.replace("next: ask}", "next: wait}").replace(
        "next: wait}\n  wait", "next: end}\n  wait"
    )
    one = one.replace("message: left, next: end", "message: left, next: ask")
    other = one.replace("id: shop", "id: other").replace("left", "x").replace("right", "left")
    other = other.replace("message: x", "message: right")
    (found,) = judged(one, other).discords
    assert [str(step) for step in found.trace] in (
        ["shop: start", "other: start"],
        ["other: start", "shop: start"],
    )
    assert "shop waits at wait for the message left" in found.message
    assert "other waits at wait for the message right" in found.message


SIGNALLED = """
id: listener
version: 1.0.0
nodes:
  start: {type: start, next: wait}
  wait: {type: catch, signal: open, next: end}
  end: {type: end}
"""
SIGNALLER = """
id: door
version: 1.0.0
nodes:
  start: {type: start, next: say}
  say: {type: throw, signal: open, next: end}
  end: {type: end}
"""


def test_a_signal_is_lost_on_who_does_not_wait_yet():
    (found,) = judged(SIGNALLED, SIGNALLER).discords
    assert "listener waits at wait for the signal open" in found.message
    assert [str(step) for step in found.trace][:2] == ["door: start", "door: say"]


def test_a_signal_wakes_all_that_wait():
    again = SIGNALLER.replace(
        "say: {type: throw, signal: open, next: end}",
        """say: {type: throw, signal: open, next: pause}
  pause: {type: timer, duration: 5, next: more}
  more: {type: exclusive, next: [{to: say, when: again}, {to: end, default: true}]}""",
    )
    again = again.replace("nodes:", "variables: {again: boolean}\nnodes:")
    # It might stop saying so before the other listens: that is still so.
    assert not judged(SIGNALLED, again).sound
    endless = SIGNALLED.replace(
        "wait: {type: catch, signal: open, next: end}",
        """wait: {type: event_gateway, next: [heard, late]}
  heard: {type: catch, signal: open, next: end}
  late: {type: timer, duration: PT1H, next: end}""",
    )
    assert judged(endless, endless.replace("listener", "second"), SIGNALLER).sound


CHOICE = "  choose: {type: exclusive, next: [{to: ask, when: more}, {to: end, default: true}]}\n"
STARTED = """
id: store
version: 1.0.0
nodes:
  start: {type: start, message: order, next: tell}
  tell: {type: throw, message: answer, next: end}
  end: {type: end}
"""


def test_a_workflow_that_a_message_starts_need_not_start():
    accord = judged(SHOP, STARTED)
    assert (accord.sound, accord.discords, accord.parties) == (True, [], ["shop", "store"])
    silent = (
        SHOP.replace("next: ask}", "next: choose}")
        .replace(
            "  ask:",
            CHOICE + "  ask:",
        )
        .replace("nodes:", "variables: {more: boolean}\nnodes:")
    )
    assert judged(silent, STARTED).sound
    mute = STARTED.replace("throw, message: answer", "timer, duration: 5")
    assert judged(SHOP, mute).parties == ["shop", "store"]
    deaf = STARTED.replace("message: answer, next: end", "message: answer, next: wait").replace(
        "  end:", "  wait: {type: catch, message: order, next: end}\n  end:"
    )
    (found,) = judged(SHOP, deaf).discords
    assert "store waits at wait for the message order" in found.message


CALLER = """
id: caller
version: 1.0.0
nodes:
  start: {type: start, next: fork}
  fork: {type: parallel, next: [sub, say]}
  sub: {type: call, definition: callee, next: meet}
  say: {type: throw, message: go, next: meet}
  meet: {type: parallel, next: end}
  end: {type: end}
"""
CALLEE = """
id: callee
version: 1.0.0
nodes:
  start: {type: start, next: wait}
  wait: {type: catch, message: go, next: end}
  end: {type: end}
"""


def test_a_called_workflow_speaks_with_its_caller():
    accord = judged(CALLER, CALLEE)
    assert (accord.sound, accord.discords) == (True, [])
    after = (
        CALLER.replace("next: [sub, say]", "next: [sub]")
        .replace("definition: callee, next: meet", "definition: callee, next: say")
        .replace("{type: parallel, next: end}", "{type: exclusive, next: end}")
    )
    (found,) = judged(after, CALLEE).discords
    assert "callee waits at wait for the message go" in found.message


def test_an_error_of_a_called_workflow_goes_to_the_edge_of_the_call():
    broken = CALLEE.replace("  end: {type: end}", "  end: {type: end, error: Boom}")
    waits = CALLER.replace("meet: {type: parallel", "meet: {type: exclusive").replace(
        "next: [sub, say]", "next: [sub]"
    )
    waits = waits.replace("  say: {type: throw, message: go, next: meet}\n", "")
    starter = SIGNALLER.replace("signal: open", "message: go")
    caught = waits.replace(
        "  meet:", "  oops: {type: boundary, on: sub, error: Boom, next: meet}\n  meet:"
    )
    assert judged(caught, broken, starter).sound
    # Nothing catches it: the caller fails, which is an end as well.
    assert judged(waits, broken, starter).sound


def test_a_workflow_that_calls_itself_on_every_way_never_ends():
    loop = """
id: loop
version: 1.0.0
variables: {more: boolean}
nodes:
  start: {type: start, next: again}
  again: {type: call, definition: loop, next: end}
  end: {type: end}
"""
    (found,) = judged(loop).discords
    assert (found.property, found.node) == ("calls end", "again")
    ends = loop.replace("next: again}", "next: choose}").replace(
        "  again:",
        """  choose: {type: exclusive, next: [{to: again, when: more}, {to: end, default: true}]}
  again:""",
    )
    assert judged(ends).sound
    other = loop.replace("id: loop", "id: other")
    first = loop.replace("definition: loop", "definition: other")
    assert {one.definition for one in judged(first, other).discords} == {"loop", "other"}


def test_too_many_messages_are_an_honest_unknown():
    spam = SIGNALLER.replace(
        "say: {type: throw, signal: open, next: end}",
        """say: {type: throw, message: order, next: pause}
  pause: {type: timer, duration: 5, next: more}
  more: {type: exclusive, next: [{to: say, when: again}, {to: end, default: true}]}""",
    )
    spam = spam.replace("nodes:", "variables: {again: boolean}\nnodes:")
    accord = judged(spam, ALWAYS)
    assert accord.sound is None
    assert "more than 3 messages" in accord.why_unknown


@pytest.mark.parametrize("limit", [1, 3])
def test_the_budget_is_kept(limit):
    accord = together([read_definition(source) for source in (SHOP, ALWAYS)], limit)
    assert (accord.sound, accord.states) == (None, limit)
    assert "--max-states" in accord.why_unknown
