"""What is said of a definition's structure without running it."""

import pytest

from streams.forms import examine


def found(nodes, severity="error"):
    text = "id: flow\nversion: 1.0.0\nnodes:\n" + "".join(f"  {node}\n" for node in nodes)
    return [p.message for p in examine(text)[1] if p.severity == severity]


START = "start: {type: start, next: a}"
END = "end: {type: end}"


def task(more):
    return f"a: {{type: activity, activity_type: t, {more}}}"


@pytest.mark.parametrize(
    ("nodes", "word"),
    [
        ([task("next: end"), END], "exactly one start is needed, there are 0"),
        ([START, "other: {type: start, next: a}", task("next: end"), END], "there are 2"),
        ([START, task("next: a")], "at least one end is needed"),
        (["start: {type: start, next: end}", '"a b": {type: end}', END], "'a b' is not an id"),
        ([START, task("next: start"), END], "a start has no incoming flow"),
        ([START, task("queue: q"), END], "a leads nowhere"),
        (
            [START, task("next: [{to: end, default: true}, {to: end, default: true}]"), END],
            "more than one default flow",
        ),
        (
            [START, task('next: {to: end, default: true, when: "${x}"}'), END],
            "a default flow has no condition",
        ),
        (
            [START, 'a: {type: parallel, next: [{to: end, when: "${x}"}, end]}', END],
            "out of a parallel gateway have no condition",
        ),
        ([START, "a: {type: timer, duration: 1, date: x, next: end}", END], "either a duration"),
        ([START, "a: {type: call, definition: a b, next: end}", END], "a definition's id"),
        ([START, task('input: "${x +}", next: end'), END], "x +"),
        ([START, task('output: {y: "${x +}"}, next: end'), END], "x +"),
        (
            [
                START,
                task('next: [{to: end, when: "${x}"}, b]'),
                "b: {type: exclusive, next: b}",
                END,
            ],
            "no end can be reached from b",
        ),
    ],
)
def test_what_is_wrong_with_the_structure(nodes, word):
    messages = found(nodes)
    assert any(word in message for message in messages), messages


@pytest.mark.parametrize(
    ("nodes", "word"),
    [
        ([START, task('next: [{to: end, when: "${x > 2 * 1.5}"}, end]'), END], "write 1.0"),
    ],
)
def test_what_is_odd_is_a_warning(nodes, word):
    assert found(nodes) == []
    assert any(word in message for message in found(nodes, "warning"))
