"""Approvals in definitions: what is wrong is said with its place; what is right comes back."""

import pytest

from streams.forms import examine, prove, read_definition, write_definition

HEAD = """id: flow
version: 1.0.0
nodes:
  start: {type: start, next: a}
  end: {type: end}
  a:
    type: approval
    next: end
"""


def problems(*lines):
    text = HEAD + "".join(f"    {line}\n" for line in lines)
    return [(p.line, p.path, p.message) for p in examine(text)[1]]


@pytest.mark.parametrize(
    ("lines", "line", "path", "word"),
    [
        ([], 6, "nodes.a", "nobody may decide"),
        (['assignee: ""'], 6, "nodes.a", "nobody may decide"),
        (["assignee: x", "outcomes: []"], 10, "nodes.a.outcomes", "at least one outcome"),
        (["assignee: x", "outcomes: [y, y]"], 10, "nodes.a.outcomes", "stands twice"),
        (["assignee: x", "outcomes: [yes, no]"], 10, "nodes.a.outcomes", 'write "yes"'),
        (["assignee: x", 'outcomes: [""]'], 10, "nodes.a.outcomes", "1 to 64 characters"),
        (
            ["assignee: x", "form: {properties: {n: {type: whole}}}"],
            10,
            "nodes.a.form",
            "the form is no JSON Schema: at $.properties.n.type: 'whole' is not valid",
        ),
        (["assignee: x", "form: 7"], 10, "nodes.a.form", "an object, or true or false"),
        (["assignee: x", "due: soon"], 10, "nodes.a.due", "a duration or a date is needed"),
        (["assignee: x", "due: P1X"], 10, "nodes.a.due", "no ISO 8601 duration"),
        (
            ["assignee: x", "escalation: {notify: [y]}"],
            10,
            "nodes.a.escalation",
            "an escalation needs `due`",
        ),
        (
            ["assignee: x", "due: P1D", "escalation: {after: P1D}"],
            11,
            "nodes.a.escalation[0]",
            "say whose it becomes",
        ),
        (
            ["assignee: x", "due: P1D", "escalation: [{assignee: y}, {assignee: z}]"],
            11,
            "nodes.a.escalation[1].after",
            "in the order of their times",
        ),
        (["assignee: x", "escalation: {later: 1}"], 10, "nodes.a.escalation[0].later", "not known"),
        (['assignee: "${x +}"'], 9, "nodes.a.assignee", "x +"),
        (
            ["assignee: x", "due: P1D", 'escalation: [{assignee: "${y +}"}]'],
            11,
            "nodes.a.escalation[0].assignee",
            "y +",
        ),
        (["assignee: x", 'output: {z: "${1 +}"}'], 10, "nodes.a.output.z", "1 +"),
        (["asignee: x"], 9, "nodes.a.asignee", "did you mean 'assignee'"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(lines, line, path, word):
    found = problems(*lines)
    assert any((one[0], one[1]) == (line, path) and word in one[2] for one in found), found


WHOLE = [
    'assignee: "${boss}"',
    'candidate_users: [ann, "${deputy}"]',
    "candidate_groups: managers",
    "title: A ${x}",
    "description: B",
    'priority: "${p}"',
    "due: 2026-05-01T08:00:00Z",
    "escalation: [{notify: [x]}, {after: PT1H, candidate_groups: [y], candidate_users: []}]",
    'input: {n: "${n}"}',
    "documents: [{name: n, uri: u}]",
    "form: {type: object}",
    "outcomes: [yes sir, 'no']",
    "result_path: r.x",
    'output: {o: "${output.outcome}"}',
]


@pytest.mark.parametrize("lines", [WHOLE, ["assignee: x"], ["assignee: x", "form: {}"]])
def test_it_comes_back_as_the_same_model(lines):
    text = HEAD + "".join(f"    {line}\n" for line in lines)
    definition = read_definition(text)
    assert not isinstance(definition, list), [str(one) for one in definition]
    assert read_definition(write_definition(definition)) == definition


def test_a_default_that_is_empty_is_written_too():
    text = HEAD + "    assignee: x\nvariables:\n  a: {default: ''}\n  b: {default: []}\n  c: any\n"
    definition = read_definition(text)
    assert definition.defaults == {"a": "", "b": []}
    assert read_definition(write_definition(definition)) == definition


def test_one_escalation_needs_no_list():
    kinds = [
        read_definition(HEAD + f"    assignee: x\n    due: P1D\n    escalation: {one}\n").nodes["a"]
        for one in ("{assignee: y}", "[{assignee: y}]")
    ]
    assert kinds[0] == kinds[1]


def test_it_is_judged_as_an_activity():
    text = HEAD.replace("next: end", "assignee: x, next: end").replace(
        "    type: approval\n    assignee: x, next: end\n",
        "    type: approval\n    assignee: x\n    next: [b, c]\n"
        "  b: {type: approval, assignee: y, next: join}\n"
        "  c: {type: approval, assignee: z, next: end}\n"
        "  late: {type: boundary, on: b, duration: P1D, next: end}\n"
        "  join: {type: parallel, next: end}\n",
    )
    _, found, verdict = prove(text)
    assert (verdict.sound, [p.severity for p in found]) == (False, ["error"])
    _, _, verdict = prove(HEAD + "    assignee: x\n")
    assert verdict.sound
