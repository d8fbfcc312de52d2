"""Versions of calls: exact, a range, the newest."""

import pytest

from schemas.commands import RunInstance, StartChild
from schemas.events import WorkflowStarted
from streams.domain.net.model import Version
from streams.domain.net.version_ranges import bounds_of, newest
from streams.forms import examine
from streams.testing.spec import has, instance

KNOWN = ["0.2.3", "0.3.0", "1.0.0", "1.2.0", "1.2.9", "1.4.7", "1.10.0", "2.0.0", "2.1.0"]
VERSIONS = [Version(*map(int, one.split("."))) for one in KNOWN]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("", "2.1.0"),
        ("latest", "2.1.0"),
        ("*", "2.1.0"),
        ("1.2.0", "1.2.0"),
        ("=1.2.0", "1.2.0"),
        ("1.2.1", None),
        ("1.2", "1.2.9"),
        ("1", "1.10.0"),
        ("1.x", "1.10.0"),
        ("1.2.x", "1.2.9"),
        ("^1.2", "1.10.0"),
        ("^1.2.3", "1.10.0"),
        ("^0.2", "0.2.3"),
        ("^0.2.4", None),
        ("^0", "0.3.0"),
        ("~1.4", "1.4.7"),
        ("~1.2.3", "1.2.9"),
        ("~1", "1.10.0"),
        (">=1.2 <2", "1.10.0"),
        (">= 1.2  < 1.10", "1.4.7"),
        (">1.2 <=1.4", "1.4.7"),
        ("<1", "0.3.0"),
        (">2.1", None),
        ("^3", None),
        ("nonsense", None),
    ],
)
def test_the_newest_in_a_range_is_found(wanted, found):
    chosen = newest(VERSIONS, wanted)
    assert (chosen and str(chosen)) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [("new", "'new' is no version: write 1.2.3"), ("1.2.3.4", "no version"), (">2 <1", "can be")],
)
def test_what_is_no_range_is_told(text, said):
    with pytest.raises(ValueError, match=said):
        bounds_of(text)


FLOW = """
id: flow
version: {version}
nodes:
  start: {{type: start, next: wait}}
  wait: {{type: timer, duration: PT1S, next: end}}
  end: {{type: end}}
"""
ALL = [FLOW.format(version=one) for one in KNOWN]


def test_the_chosen_version_is_in_the_childs_start():
    child = StartChild("flow", "^1.2", b"{}", "root", "life", 2)
    spec = instance(*ALL, aggregate_id="root~2").when(child).accepted()
    assert spec.past[0].definition_version == "1.10.0"
    instance(*ALL).when(RunInstance("flow", "~0.2")).then(
        has(WorkflowStarted, definition_version="0.2.3"), "timer.scheduled"
    )


def test_a_range_with_nothing_in_it_says_what_there_is():
    child = StartChild("flow", "^3", b"{}", "root", "life", 2)
    instance(*ALL, aggregate_id="root~2").when(child).then_rejected(
        "NotFound", "version ^3 of definition 'flow'", "published are 2.1.0, 2.0.0, 1.10.0"
    )
    instance().when(RunInstance("flow")).then_rejected("NotFound", "tidemill definition list")


def test_a_range_that_is_none_is_told_with_its_line():
    source = FLOW.format(version="1.0.0").replace(
        "type: timer, duration: PT1S", "type: call, definition: other, version: newest"
    )
    _, problems = examine(source, "flow.yaml")
    assert "flow.yaml:6:" in str(problems[0])
    assert "'newest' is no version" in problems[0].message
