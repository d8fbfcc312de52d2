"""Combined waits as they are written: what is refused, what is written back, what is judged."""

import pytest

from streams.domain.net.together import together
from streams.forms import prove, read_definition
from streams.forms.write import write_definition

ABC = "[{message: a}, {signal: b}, {message: c}]"
MIXED = "all: [{message: a}, {any: [{message: b}, {sequence: [{message: c}, {message: d}]}]}]"
NOT = "not: {message: a, within: PT1H}"


def source(wait, more=""):
    return f"""
id: flow
version: 1.0.0
nodes:
  start: {{type: start, next: wait}}
  wait:
    type: wait
    {wait}
    {more}
    next: end
  end: {{type: end}}
"""


@pytest.mark.parametrize(
    "wait",
    [
        f"all: {ABC}",
        MIXED,
        NOT,
        "any: [{condition: 'x > 1'}]",
        'any: [{cron: "@daily", zone: UTC}]',
        "all: [{device: d, metric: t, above: 3, for: PT1M}, {device: d, silent: 9, initial: true}]",
        "not: {device: d, metric: t, condition: '${value > limit}', within: PT1H}",
        "sequence: [{device: d, event_type: a}, {device: d, metric: t, equals: x, name: b}]",
    ],
)
def test_a_wait_is_written_as_it_is_read_and_is_sound(wait):
    read = read_definition(source(wait, "result_path: all"))
    assert read_definition(write_definition(read)) == read
    definition, problems, verdict = prove(source(wait))
    assert (definition is not None, problems, verdict.sound) == (True, [], True)


WRONG = {
    "all: [{message: a}], any: [{message: b}]": ("wait", "one of all, any, sequence, not"),
    "result_path: x": ("wait", "one of all, any, sequence, not"),
    "all: [{message: a, signal: b}]": ("wait.all[0]", "a part of a wait has one of"),
    "all: [{message: a}, {message: a}]": ("wait.all[0]", "called 'a'"),
    "all: [{any: [{duration: 1}, {message: timer}]}]": ("all[0].any[0]", "called 'timer'"),
    "not: {message: a}": ("wait", "`not` needs `within`"),
    "not: {message: a, within: soon}": ("wait.not.within", "no ISO 8601 duration"),
    "all: [{message: a, within: 5}]": ("wait", "`within` belongs"),
    "any: [{duration: PT1}]": ("wait.any[0].duration", "no ISO 8601 duration"),
    "any: [{cron: x}]": ("wait.any[0].cron", "no cron expression"),
    "any: [{signal: a, key: b}]": ("wait.any[0]", "only a message has a key"),
    "any: [{message: a, key: '${1 +}'}]": ("wait.any[0].key", ""),
    "any: [{condition: 'x +'}]": ("wait.any[0].condition", ""),
    "any: [{device: d}]": ("wait.any[0]", "needs above, below, equals or condition"),
    "any: [{device: d, message: a}]": ("wait.any[0]", "a part of a wait has one of"),
    "any: [{message: a, metric: t}]": ("wait.any[0]", "it needs `device`"),
    "any: [{all: [{message: a}], silent: 9}]": ("wait.any[0]", "it needs `device`"),
    "any: [{device: d, metric: t, condition: value >}]": ("wait.any[0].condition", "`value >`"),
    "any: [{device: d, metric: t, above: '${1 +}'}]": ("wait.any[0].above", ""),
    "any: [{device: d, silent: 9}, {device: e, silent: 9}]": ("any[0]", "called 'silent'"),
    "any: [{device: d, metric: t, above: 3, for: 0}]": ("wait.any[0]", "a duration of 0"),
    "any: [{condition: x, zone: UTC}]": ("wait.any[0]", "a zone belongs"),
    "any: [{any: [{any: [{any: [{any: [{message: a}]}]}]}]}]": ("wait", "4 deep"),
    "all: [" + "{message: a}, " * 17 + "]": ("wait", "17 events"),
    "all: []": ("wait.all", "at least 1 item"),
}


@pytest.mark.parametrize("wait", WRONG)
def test_a_wait_that_is_none_is_refused_with_its_line(wait):
    where, words = WRONG[wait]
    text = f"""
id: flow
version: 1.0.0
nodes:
  start: {{type: start, next: wait}}
  end: {{type: end}}
  wait: {{type: wait, {wait}, next: end}}
"""
    problems = read_definition(text)
    assert isinstance(problems, list)
    first = problems[0]
    assert where in str(first), list(map(str, problems))
    assert words in first.message
    assert first.line == 7


def test_of_definitions_together_a_combined_wait_is_not_judged():
    tells = """
id: tells
version: 1.0.0
nodes:
  start: {type: start, next: tell}
  tell: {type: throw, message: a, next: end}
  end: {type: end}
"""
    both = [read_definition(tells), read_definition(source(f"all: {ABC}"))]
    accord = together(both)
    assert accord.sound is None
    assert "flow: wait waits for several events" in accord.why_unknown
    assert together([both[0], read_definition(source("all: [{message: z}]"))]).sound is True
