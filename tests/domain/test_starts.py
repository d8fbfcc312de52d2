"""Starts by message and by signal: what begins an instance, of which version, and how often."""

import pytest
from msgspec.structs import replace

from schemas.channel_events import (
    MessageCorrelated,
    MessagePublished,
    MessageRejected,
    Offer,
    SignalBroadcast,
    SubscriptionEnded,
    SubscriptionOpened,
)
from schemas.commands import (
    AcceptMessage,
    BroadcastSignal,
    CloseSubscription,
    Correlate,
    CreateInstance,
    FireTimer,
    OpenSubscription,
    PublishDefinition,
    PublishMessage,
    RejectMessage,
    RetryIncident,
    RunInstance,
    SetVariables,
    StartChild,
    SubscriptionClosed,
    TriggerInstance,
)
from schemas.definition_events import ListedStart
from schemas.events import ErrorOccurred, EventTriggered, WorkflowStarted
from schemas.ids import is_client_id
from schemas.results import RecordVerdict
from streams.domain.definition.ids import started_id
from streams.domain.definition.state import source_hash
from streams.domain.protocol import SendCommand
from streams.forms import read_definition
from streams.testing.spec import channel, definition, has, instance

ORDER = """
id: order
version: {version}
variables: {{amount: {{type: integer, default: 1}}}}
nodes:
  by-hand: {{type: start, next: pack}}
  ordered:
    type: start
    message: order
    result_path: order
    output: {{amount: "${{output.amount}}"}}
    next: pack
  opened: {{type: start, signal: shop-opened, next: greet}}
  pack: {{type: activity, activity_type: pack, input: {{n: "${{amount}}"}}, next: end}}
  greet: {{type: timer, duration: PT1S, next: end}}
  end: {{type: end}}
"""
V1, V2 = ORDER.format(version="1.0.0"), ORDER.format(version="2.0.0")
QUIET = """
id: order
version: 3.0.0
nodes: {start: {type: start, next: end}, end: {type: end}}
"""
OTHER = """
id: audit
version: 1.0.0
nodes:
  heard: {type: start, message: order, next: end}
  opened: {type: start, signal: shop-opened, next: end}
  end: {type: end}
"""


def keyed(*sources):
    return channel("message:order:7", *sources)


def message(name="m1", ttl=60_000):
    return PublishMessage("order", "7", name, b'{"amount":5}', ttl)


def asked(definition_id, number, name="m1", channel_id="message:order:7"):
    """The command with which a channel asks a definition."""
    body = Correlate(number, channel_id, name, "order", b'{"amount":5}')
    return SendCommand("definition", definition_id, "", body)


def answer(kind, definition_id, number, name="m1", **fields):
    return kind(definition_id, "", number, name, owner_type="definition", **fields)


# The channel.


def test_a_message_that_nobody_waits_for_is_offered_to_the_definition_that_it_starts():
    decided = keyed(V1).when(message())
    decided.then(
        has(MessagePublished, message_id="m1", offers=[]),
        SubscriptionOpened(
            "definition", "order", "", 2, "", True, [Offer(1, "definition/order@:2")]
        ),
    )
    spec = decided.then_effects(asked("order", 2))
    after = spec.when(answer(AcceptMessage, "order", 2)).then(
        has(MessageCorrelated, owner_id="order", ended=True)
    )
    assert (after.state.messages, after.state.subscriptions) == ({}, {})
    after.when(message()).then_nothing()


def test_a_message_that_no_definition_listens_to_costs_nothing_more():
    keyed().when(message()).then(MessagePublished)
    keyed(QUIET).when(message()).then(MessagePublished)
    assert keyed(V1, QUIET).when(message()).effects == []


def test_what_waits_comes_before_what_would_be_started():
    spec = keyed(V1).given(OpenSubscription("i", "life", 3, "wait"))
    spec = spec.when(message()).then(has(MessagePublished, offers=[Offer(2, "instance/i@life:3")]))
    # The instance turns it down: now the definition is asked.
    rejected = spec.when(RejectMessage("i", "life", 3, "m1", "over"))
    rejected.then(MessageRejected, has(SubscriptionOpened, owner_id="order"))
    assert rejected.effects == [asked("order", 4)]


def test_a_message_stays_for_one_that_takes_many_and_is_busy():
    spec = keyed(V1).given(OpenSubscription("i", "life", 3, "hear", once=False), message())
    spec = spec.when(message("m2")).then(has(MessagePublished, offers=[]))
    correlate = spec.when(AcceptMessage("i", "life", 3, "m1")).effects[0]
    assert (correlate.aggregate_id, correlate.body.message_id) == ("i", "m2")


def test_a_second_message_starts_a_second_instance_where_one_that_takes_one_is_busy():
    spec = keyed(V1).given(OpenSubscription("i", "life", 3, "wait"), message())
    spec.when(message("m2")).then(MessagePublished, has(SubscriptionOpened, owner_id="order"))


def test_definitions_are_asked_one_after_the_other_and_then_it_waits():
    spec = keyed(V1, OTHER).given(message())
    assert [one.owner_id for one in spec.state.subscriptions.values()] == ["audit"]
    refused = spec.when(answer(RejectMessage, "audit", 2, reason="not any more"))
    spec = refused.then(
        MessageRejected, SubscriptionEnded, has(SubscriptionOpened, owner_id="order")
    )
    refused.then_effects(asked("order", 5))
    refused = spec.when(answer(RejectMessage, "order", 5, reason="neither"))
    spec = refused.then(MessageRejected, SubscriptionEnded)
    assert list(spec.state.messages) == [1]
    assert spec.state.subscriptions == {}
    # An instance that comes within its time takes it; a definition published meanwhile does not.
    opened = spec.when(OpenSubscription("i", "life", 3, "wait"))
    assert opened.effects[0].aggregate_id == "i"


def test_what_waits_is_not_started_by_a_definition_that_is_published_later():
    spec = keyed().given(message())
    spec = replace(spec, definitions=keyed(V1).definitions)
    spec = spec.when(message("m2")).then(MessagePublished, SubscriptionOpened)
    after = spec.when(answer(AcceptMessage, "order", 3, "m2")).then(MessageCorrelated)
    assert [one.id for one in after.state.messages.values()] == ["m1"]


def test_a_definition_that_turns_one_message_down_is_not_given_another_that_waits():
    spec = keyed().given(message())
    spec = replace(spec, definitions=keyed(V1).definitions).given(message("m2"))
    refused = spec.when(answer(RejectMessage, "order", 3, "m2", reason="no"))
    refused.then(has(MessageRejected, offers=[]), SubscriptionEnded)
    assert refused.effects == []


def test_a_message_that_may_not_wait_is_offered_and_gone_when_it_is_refused():
    spec = keyed(V1, OTHER).given(message(ttl=0))
    later = spec.later(1).when(answer(RejectMessage, "audit", 2, reason="no"))
    assert [type(event).__name__ for event in later.events] == [
        "MessageRejected",
        "SubscriptionEnded",
        "MessageExpired",
    ]


def test_a_definition_that_is_gone_is_told_and_its_subscription_ends():
    spec = keyed(V1).given(message())
    spec = spec.given(answer(RejectMessage, "order", 2, reason="NotFound"))
    closed = spec.when(CloseSubscription("order", "", 2, "definition"))
    closed.then_effects(SendCommand("definition", "order", "", SubscriptionClosed(2)))


def test_a_signal_starts_every_definition_that_listens_beside_all_that_wait():
    spec = channel("signal:shop-opened", V1, OTHER).with_limits(fan_out=1)
    spec = spec.given(OpenSubscription("i", "life", 3, "wait"))
    decided = spec.when(BroadcastSignal("shop-opened", "s1", b"1"))
    decided.then(SubscriptionOpened, SubscriptionOpened, SignalBroadcast)
    assert [one.aggregate_id for one in decided.effects] == ["i", "audit", "order"]
    spec = decided.accepted().given(
        answer(AcceptMessage, "audit", 2, "s1"),
        answer(RejectMessage, "order", 3, "s1", reason="no"),
        AcceptMessage("i", "life", 3, "s1"),
    )
    assert (spec.state.messages, spec.state.subscriptions) == ({}, {})


def test_two_broadcasts_under_way_start_each_definition_once_for_each():
    spec = channel("signal:shop-opened", OTHER).with_limits(fan_out=1)
    waits = [OpenSubscription("i", "life", n, "wait", once=False) for n in (3, 4)]
    spec = spec.given(*waits, BroadcastSignal("shop-opened", "s1"))
    second = spec.when(BroadcastSignal("shop-opened", "s2"))
    to_definition = [e for e in second.effects if e.aggregate_type == "definition"]
    assert [e.body.message_id for e in to_definition] == ["s2"]


# The definition.


def published(*sources):
    steps = []
    for source in sources:
        version = str(read_definition(source).version)
        steps += [PublishDefinition(source), RecordVerdict(version, source_hash(source), "sound")]
    return definition("order").given(*steps)


def test_a_published_version_lists_its_starts():
    spec = published(V1)
    assert spec.past[-1].starts == [
        ListedStart("ordered", "message", "order"),
        ListedStart("opened", "signal", "shop-opened"),
    ]
    assert spec.state.newest == "1.0.0"


def correlate(name="order", channel_id="message:order:7", number=2):
    return Correlate(number, channel_id, "m1", name, b'{"amount":5}')


def started(decided):
    """What a definition starts: the instance's id and the command to it."""
    accept, run = decided.effects
    assert accept.body == answer(AcceptMessage, "order", accept.body.subscription)
    assert run.hop
    assert is_client_id(run.aggregate_id)
    return run.aggregate_id, run.body


def test_a_definition_accepts_what_its_newest_version_is_started_by_and_starts_it_once():
    decided = published(V1).when(correlate())
    assert decided.events == []
    name, body = started(decided)
    assert name == started_id("order", "message:order:7", "m1")
    assert body == TriggerInstance("order", "1.0.0", "ordered", "message", b'{"amount":5}', "m1")
    assert started(published(V1, V2).when(correlate())) == (
        name,
        TriggerInstance("order", "2.0.0", "ordered", "message", b'{"amount":5}', "m1"),
    )


def test_the_same_message_id_at_another_channel_is_another_start():
    spec = published(V1)
    here, there = (spec.when(correlate(channel_id=f"message:order:{key}")) for key in (7, 8))
    assert started(here)[0] != started(there)[0]


@pytest.mark.parametrize(
    ("spec", "command"),
    [
        (published(V1), correlate("paid", "message:paid")),
        (published(V1), correlate("order", "signal:order")),
        (published(V1, V2, QUIET), correlate()),
        (definition("order").given(PublishDefinition(V1)), correlate()),
    ],
    ids=["another name", "another kind", "no longer", "not published"],
)
def test_what_the_newest_version_is_not_started_by_is_rejected(spec, command):
    (effect,) = spec.when(command).effects
    body = effect.body
    assert type(body) is RejectMessage
    assert (body.final, body.owner_type, body.subscription) == (True, "definition", 2)


def test_a_refused_version_changes_nothing():
    spec = published(V1).given(PublishDefinition(V2))
    spec = spec.given(RecordVerdict("2.0.0", source_hash(V2), "unsound", "why"))
    assert started(spec.when(correlate()))[1].version == "1.0.0"


def test_nobody_knows_a_definition_that_was_never_submitted():
    definition("order").when(correlate()).then_rejected("NotFound", "order")
    published(V1).when(SubscriptionClosed(2)).then_nothing()


# The instance.

BY_MESSAGE = TriggerInstance("order", "1.0.0", "ordered", "message", b'{"amount":5}', "m1")


def test_an_instance_says_what_started_it_and_maps_the_payload():
    spec = (
        instance(V1)
        .when(BY_MESSAGE)
        .then(
            has(WorkflowStarted, definition_version="1.0.0", variables={"amount": b"1"}),
            has(EventTriggered, node="ordered", kind="message", message_id="m1"),
            "activity.scheduled",
        )
    )
    assert spec.state.variables == {"amount": b"5", "order": b'{"amount":5}'}
    assert spec.past[-1].input == b'{"n":5}'
    spec.when(BY_MESSAGE).then_rejected("already_exists", "Running")


def test_only_the_start_that_is_taken_leads_on():
    body = TriggerInstance("order", "1.0.0", "opened", "signal", b"null", "s1")
    spec = instance(V1).when(body).then("workflow.started", "event.triggered", "timer.scheduled")
    spec.later(1_000).when(FireTimer(0)).then("node.executed", "workflow.completed")


def test_a_payload_that_cannot_be_mapped_waits_for_an_operator_and_is_not_lost():
    source = V1.replace("${output.amount}", "${output.amount * factor}")
    body = BY_MESSAGE
    spec = instance(source).when(body).then("workflow.started", "event.triggered", ErrorOccurred)
    assert spec.state.variables["order"] == b'{"amount":5}'
    spec = spec.given(SetVariables(b'{"factor":2}'))
    spec = spec.when(RetryIncident(0)).then(
        "incident.resolved", "node.executed", "activity.scheduled"
    )
    assert spec.state.variables["amount"] == b"10"


def test_a_payload_without_a_variable_of_its_own_is_kept_as_result_for_the_retry():
    source = V1.replace("    result_path: order\n", "").replace(
        "${output.amount}", "${output.amount * factor}"
    )
    spec = instance(source).given(BY_MESSAGE)
    assert spec.state.variables["result"] == b'{"amount":5}'
    spec = spec.given(SetVariables(b'{"factor":2}'), RetryIncident(0))
    assert spec.state.variables["amount"] == b"10"


def test_by_hand_the_start_without_a_trigger_is_taken():
    spec = instance(V1).given(RunInstance("order"))
    assert spec.state.path[:1] == ["by-hand"]


@pytest.mark.parametrize(
    "command",
    [
        RunInstance("audit"),
        CreateInstance("audit"),
        StartChild("audit", "", b"{}", "root", "life", 7),
    ],
    ids=lambda command: type(command).__name__,
)
def test_without_a_plain_start_nothing_starts_it_by_hand(command):
    words = ("audit 1.0.0", "message order, signal shop-opened", "{type: start}")
    instance(OTHER).when(command).then_rejected("InvalidInput", *words)


def test_a_version_that_the_engine_does_not_know_is_no_silent_rejection():
    with pytest.raises(LookupError, match=r"order 1\.0\.0 is not known"):
        instance().when(BY_MESSAGE)
