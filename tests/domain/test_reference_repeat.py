"""What the author's reference says of nodes that are run several times, played to its end."""

import json
from pathlib import Path

from schemas.commands import RunInstance
from schemas.results import CompleteActivity
from streams.testing.spec import instance
from streams.testing.steps import fail, waiting

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "nodes" / "repeat.yaml"


def value(spec, name):
    return json.loads(spec.state.variables[name])


def worked(spec, node, **output):
    """Let the oldest activity of a node that is run several times be completed."""
    key = min(key for key, one in spec.state.activities.items() if one.node == node)
    return spec.given(CompleteActivity(key, 1, json.dumps(output).encode()))


def shipping():
    given = {"carriers": ["a", "b", "c", "d"], "parcels": ["x", "y", "z"]}
    begin = RunInstance("ship-parcels", "", json.dumps(given).encode())
    spec = instance(EXAMPLE.read_text()).given(begin)
    for price in (5, 3, 4):
        spec = worked(spec, "quotes", price=price)
    return spec


def test_a_list_is_worked_through_and_collected():
    spec = shipping()
    assert value(spec, "prices") == [5, 3, 4, None]
    assert waiting(spec) == ["pack", "pack"]
    for number in range(3):
        spec = worked(worked(spec, "pack"), "post", receipt=f"r{number}")
    assert value(spec, "receipts") == ["r0", "r1", "r2"]
    spec = worked(worked(spec, "pay", paid=False), "pay", paid=True)
    assert spec.state.status == "Completed"


def test_an_error_of_one_item_stops_all_items():
    spec = worked(shipping(), "pack")
    spec = fail(spec, "post", "Lost")
    assert waiting(spec) == ["refund"]
