"""Starts of a definition: how they are written, what is wrong with them, how they are judged."""

import pytest

from streams.forms import prove, read_definition
from streams.forms.write import write_definition

SOURCE = """
id: order
version: 1.0.0
nodes:
  by-hand: {type: start, next: end}
  ordered:
    type: start
    message: order
    result_path: order
    output: {amount: "${output.amount}"}
    next: end
  opened: {type: start, signal: shop-opened, next: end}
  end: {type: end}
"""


def test_starts_are_written_as_they_are_read():
    read = read_definition(SOURCE)
    assert read_definition(write_definition(read)) == read


def problems(**nodes):
    lines = "\n".join(f"  {name}: {body}" for name, body in nodes.items())
    source = f"id: f\nversion: 1.0.0\nnodes:\n{lines}\n  end: {{type: end}}\n"
    return [str(problem) for problem in prove(source, "f.yaml")[1]]


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ({"a": "{type: start, message: m, signal: s, next: end}"}, "a start for each"),
        ({"a": "{type: start, message: m, key: k, next: end}"}, "leave out `key`"),
        ({"a": '{type: start, message: "", next: end}'}, "at least 1 character"),
        ({"a": "{type: start, result_path: x, next: end}"}, "has no payload"),
        (
            {
                "a": "{type: start, message: m, next: end}",
                "b": "{type: start, message: m, next: end}",
            },
            "2 starts wait for the message m",
        ),
        ({"a": "{type: start, next: end}", "b": "{type: start, next: end}"}, "exactly one start"),
        (
            {
                "a": "{type: start, next: s}",
                "s": "{type: scope, next: end, nodes: {i: {type: start, message: m, next: o}, "
                "o: {type: end}}}",
            },
            "only a workflow is started by that",
        ),
    ],
)
def test_what_is_wrong_with_a_start_is_said_with_its_line(nodes, words):
    found = problems(**nodes)
    assert any(words in one and one.startswith("f.yaml:") for one in found), found


def test_each_way_from_a_start_must_be_sound():
    (found,) = problems(
        a="{type: start, next: both}",
        b="{type: start, message: m, next: one}",
        both="{type: parallel, next: [one, two]}",
        one="{type: timer, duration: PT1S, next: join}",
        two="{type: timer, duration: PT1S, next: join}",
        join="{type: parallel, next: end}",
    )
    assert "option to complete" in found
    assert "b → one" in found


def test_what_only_one_start_leads_to_is_not_dead():
    assert (
        problems(
            a="{type: start, next: one}",
            b="{type: start, message: m, next: two}",
            one="{type: timer, duration: PT1S, next: end}",
            two="{type: timer, duration: PT1S, next: end}",
        )
        == []
    )
