"""What waits for a verdict, read off the records of `workflow.definitions`."""

import pytest

from schemas.definitions import DefinitionRecord
from schemas.envelope import Context, Envelope
from streams.verifier.pending import Pending, Task, verdict_envelope


def record(status="submitted", version="1.0.0", name="flow", tenant="default", position=1):
    context = Context("command", "talk", "ann", tenant)
    identity = f"{name}@{version}", "DefinitionRecord", 5, "definition", name
    envelope = Envelope(*identity, position=position, context=context)
    return Task(2, envelope, DefinitionRecord(name, version, status, f"{name} {version}"))


def pending(*records):
    made = Pending()
    for one in records:
        made.add(one)
    return made


def waiting(made):
    found = []
    while task := next(made.open(), None):
        found.append(task.record.version)
        made.answered(task)
    return found


@pytest.mark.parametrize("decided", ["published", "refused"])
def test_what_was_submitted_and_not_decided_since_waits_in_its_order(decided):
    made = pending(
        record(version="3.0.0"),
        record(version="1.0.0"),
        record(version="2.0.0"),
        record(decided, version="1.0.0"),
    )
    assert len(made) == 2
    assert waiting(made) == ["3.0.0", "2.0.0"]


def test_what_is_submitted_again_waits_again():
    made = pending(record(), record("refused"), record(position=9))
    task = next(made.open(), None)
    assert task.envelope.position == 9
    made.answered(task)
    assert (next(made.open(), None), len(made)) == (None, 1), "its verdict is under way"
    made.add(record(position=11))
    assert next(made.open(), None).envelope.position == 11


def test_a_verdict_that_did_not_arrive_is_made_again_unless_it_is_decided():
    made = pending(record())
    task = next(made.open(), None)
    made.answered(task)
    made.unanswered(task)
    assert next(made.open(), None) == task
    made.answered(task)
    made.add(record("published"))
    made.unanswered(task)
    assert (next(made.open(), None), len(made)) == (None, 0)


def test_the_same_version_of_two_tenants_is_two():
    assert len(pending(record(), record(tenant="acme"))) == 2


def test_every_verifier_gives_a_submissions_verdict_the_same_id_and_the_next_another():
    first, other = (next(pending(record(tenant="acme", position=n)).open()) for n in (7, 8))
    envelope = verdict_envelope(first, 99)
    assert envelope == verdict_envelope(first, 99)
    assert (envelope.id, envelope.aggregate_id) == ("flow/verdict/2:7", "flow")
    assert verdict_envelope(other, 99).id != envelope.id
    context = envelope.context
    assert (context.actor, context.tenant) == ("verifier", "acme")
    assert (context.causation_id, context.correlation_id) == ("flow@1.0.0", "talk")
