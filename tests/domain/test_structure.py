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
        (
            [START, "a: {type: timer, duration: 1, date: x, next: end}", END],
            "a timer has one of duration",
        ),
        ([START, "a: {type: call, definition: a b, next: end}", END], "a definition's id"),
        ([START, task('input: "${x +}", next: end'), END], "x +"),
        (
            [START, task('next: [{to: end, when: "${a} && ${b}"}, end]'), END],
            "a condition is one expression, as ${a && b}",
        ),
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


# However large a definition is, the engine must not stand still while it reads it.

MANY = 3_000


def test_a_long_chain_is_read_and_a_long_cycle_is_found_and_told_shortly():
    chain = ["start: {type: start, next: n0}"]
    chain += [f"n{i}: {{type: exclusive, next: n{i + 1}}}" for i in range(MANY)]
    assert found([*chain, f"n{MANY}: {{type: end}}"]) == []
    back = f'n{MANY}: {{type: exclusive, next: [{{to: n1, when: "${{x}}"}}, end]}}'
    (message,) = found([*chain, back, END])
    assert message.startswith("this cycle never waits: n1 → n2 → ")
    assert message.endswith("n20 → … → n1; put an activity, a timer or a call on it")


def test_a_cycle_is_found_behind_others_that_wait():
    nodes = [
        START,
        task("next: g"),
        'g: {type: exclusive, next: [{to: a, when: "${x}"}, h]}',
        'h: {type: exclusive, next: [{to: k, when: "${x}"}, end]}',
        'k: {type: exclusive, next: [{to: h, when: "${x}"}, end]}',
        END,
    ]
    assert found(nodes) == [
        "this cycle never waits: h → k → h; put an activity, a timer or a call on it"
    ]


@pytest.mark.parametrize(
    "node", ["{type: end, nxt: 1}", "{type: exclusive, next: nowhere}", "{type: end, name: 5}"]
)
def test_of_very_many_problems_the_first_are_told_and_the_others_counted(node):
    messages = found([START, task("next: end"), END, *(f"n{i}: {node}" for i in range(MANY))])
    assert len(messages) == 201
    assert messages[-1].endswith("more: mend these first")


def test_very_many_warnings_hide_no_error_and_are_none():
    warned = [
        f'n{i}: {{type: exclusive, next: [{{to: end, when: "${{x == 2 * 1.5}}"}},'
        f' {{to: a, when: "${{y}}"}}]}}'
        for i in range(300)
    ]
    start = f"start: {{type: start, next: [{', '.join(f'n{i}' for i in range(300))}]}}"
    good = [start, *warned, task("next: end"), END]
    assert found(good) == []
    assert found(good, "warning")[-1].startswith("and 400 more")
    bad = [start, *warned, "a: {type: timer, duration: soon, next: end}", END]
    (message,) = found(bad)[:1]
    assert "'soon' is no ISO 8601 duration" in message
