"""The author's reference: the examples of nodes that wait, played."""

import json
from pathlib import Path

from schemas.commands import Correlate, LockGranted, LockLost, RunInstance
from streams.testing.spec import instance
from streams.testing.steps import complete, fire, waiting

NODES = Path(__file__).resolve().parents[2] / "examples" / "nodes"


def paying():
    text = (NODES / "patience.yaml").read_text()
    spec = instance(text).given(RunInstance("payment", "", b'{"order":"o-7"}'))
    return complete(spec, "ask")


def came(spec, node, name):
    (number,) = [n for n, one in spec.state.subscriptions.items() if one.node == node]
    channel = spec.state.subscriptions[number].channel
    return spec.given(Correlate(number, channel, f"m-{name}", name, b'{"amount":5}'))


def test_a_payment_that_is_late_is_reminded_of_and_then_taken():
    spec = came(fire(fire(paying())), "payment", "paid")
    assert json.loads(spec.state.variables["paid"]) == {"amount": 5}
    assert waiting(spec) == ["reminder", "reminder"]
    # The van comes while the time to ship has not passed.
    assert "pack" in waiting(came(spec, "now", "van-is-here"))
    assert "pack" in waiting(fire(spec))


def test_a_payment_that_never_comes_or_is_called_off_is_not_waited_for():
    spec = paying()
    assert came(spec, "called_off", "called-off").state.status == "Completed"
    for _ in range(7):
        spec = fire(spec)
    assert "payment" not in spec.state.tokens.values()
    assert {*waiting(spec)} == {"reminder"}


def test_a_crane_is_moved_with_its_lock_and_a_lost_one_is_asked_about():
    text = (NODES / "work_lock.yaml").read_text()
    spec = instance(text).given(RunInstance("move-crane", "", b'{"crane":"c-1"}'))
    assert (waiting(spec), [one.lock for one in spec.state.sections.values()]) == (
        [],
        ["crane-c-1"],
    )
    spec = spec.given(LockGranted("crane-c-1", 2, 77, spec.now + 60_000))
    (activity,) = spec.state.activities.values()
    assert json.loads(activity.input) == {"crane": "c-1", "token": 77}
    assert complete(spec, "move").state.status == "Completed"
    assert waiting(spec.given(LockLost("crane-c-1", 2, 77, "forced"))) == ["ask"]
