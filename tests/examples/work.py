"""Scenes of work: activities, calls, starts and ends."""

from datetime import timedelta

import pytest

from connectors.client.errors import CommandRejectedError
from tests.examples.play import berlin, scene, split


@scene("hello")
def it_greets(play):
    play.runs(who="Ann")
    play.works("greet", "hello Ann", got={"who": "Ann"})
    play.ends(
        "completed",
        "started, greet scheduled, greet completed, completed",
        {"who": "Ann", "result": "hello Ann"},
    )


@scene("order")
def it_cools_down(play):
    play.runs(amount=12.5)
    play.works("charge", {"id": 7}, got={"amount": 12.5})
    play.works("pack", {"kg": 2})
    play.works("greet", "hello", got={"who": "order of 12.5"})
    play.ends(
        "completed",
        """
        started, charge scheduled, pack scheduled, charge completed, pack completed,
        cool_down scheduled, cool_down executed, greet call started, greet executed,
        completed
        """,
        {"paid": {"id": 7}, "greeting": "hello"},
    )


@scene("order")
def it_is_express_and_packed_at_the_second_attempt(play):
    play.runs(amount=3, express=True)
    play.fails("pack", "Torn", retryable=True)
    play.works("charge", {"id": 8})
    play.works("pack", {"kg": 2})
    play.works("greet", "hi")
    play.ends(
        "completed",
        """
        started, charge scheduled, pack scheduled, pack failed, pack scheduled,
        charge completed, pack completed, greet call started, greet executed,
        completed
        """,
        {"paid": {"id": 8}, "greeting": "hi"},
    )


NO_PRICE = "the worker's output does not fit its schema: $: 'price' is a required property"


def measured(temperature):
    metrics = {"temperature": temperature, "humidity": 40, "battery": 90}
    return {"metrics": metrics, "last_updated": "2026-05-01T08:00:00Z"}


@scene("temperature_monitoring")
def it_alerts_once_in_two_cycles(play):
    play.runs(deviceId="d-1", maxMonitoringCycles=2)
    play.works("initialize_device")
    play.works("query_device_state", measured(20))
    play.sees("wait_cycle scheduled")
    play.later(seconds=60)
    play.works("query_device_state", measured(31))
    play.works("send_alert")
    play.works("log_to_enterprise_system")
    play.sees("wait_cycle scheduled")
    play.later(seconds=60)
    play.ends(
        "completed",
        """
        started, initialize_device scheduled, initialize_device completed,
        query_device_state scheduled, query_device_state completed, wait_cycle
        scheduled, wait_cycle executed, query_device_state scheduled,
        query_device_state completed, send_alert scheduled, send_alert completed,
        log_to_enterprise_system scheduled, log_to_enterprise_system completed,
        wait_cycle scheduled, wait_cycle executed, completed
        """,
        {"monitoringCount": 2},
    )


@scene("nodes/activity")
def it_charges(play):
    play.runs(amount=12.5)
    assert play.works("charge", {"amount": 12.5}, got={"amount": 12.5}) == {"currency": "EUR"}
    receipt = {"receipt": {"amount": 12.5}}
    given = {"amount": 12.5, "currency": "EUR"}
    play.ends(
        "completed",
        """
        started, charge scheduled, charge started, charge completed, completed
        """,
        given | {"payment": receipt, "paid": 12.5},
    )


@scene("nodes/activity")
def it_fails_at_the_third_attempt(play):
    play.runs(amount=1)
    for _ in range(3):
        play.fails("charge", "Busy", "later", retryable=True)
    play.ends(
        "failed",
        """
        started, charge scheduled, charge started, charge failed, charge scheduled,
        charge started, charge failed, charge scheduled, charge started, charge
        failed, failed
        """,
        code="Busy: later",
    )


@scene("nodes/activity")
def it_is_done_by_another_when_a_worker_falls_silent(play):
    play.runs(amount=1)
    first = play.begins("charge")
    play.sees("charge started")
    play.later(seconds=11)
    play.works("charge", {"amount": 1})
    play.ends(
        "completed",
        """
        started, charge scheduled, charge started, charge failed, charge scheduled,
        charge started, charge completed, completed
        """,
    )
    assert first.context.cancelled.wait(30), "who was silent hears that it is over"


@scene("nodes/call")
def it_greets_in_a_workflow_of_its_own(play):
    play.runs(customer="Ann")
    play.works("greet", "hello Ann", got={"who": "Ann"})
    greeting = {"result": "hello Ann", "who": "Ann"}
    play.ends(
        "completed",
        "started, greet call started, greet executed, completed",
        {"customer": "Ann", "greeting": greeting, "text": "hello Ann"},
    )


@scene("nodes/call")
def it_goes_on_without_a_greeting(play):
    play.runs(customer="Bob")
    play.fails("greet", "Hoarse")
    play.ends(
        "completed",
        """
        started, greet call started, greet call failed, no_greeting triggered, completed
        """,
        {"customer": "Bob"},
    )


@scene("nodes/end")
def it_passes_and_is_done_with_the_look(play):
    play.runs()
    play.works("look")
    play.ends("completed", "started, look scheduled, look completed, completed")


@scene("nodes/end")
def it_stops_all_at_fraud(play):
    play.runs(fraud=True)
    play.ends("completed", "started, completed")


@scene("nodes/end")
def it_refuses_a_bad_amount(play):
    play.runs(amount=0)
    play.ends("failed", "started, failed", code="BadAmount: the amount is 0")


@scene("nodes/schemas")
def it_quotes_what_the_form_allows(play):
    with pytest.raises(CommandRejectedError, match="lines"):
        play.runs(order={"lines": []})
    lines = [{"article": "nut", "count": 3}]
    play.runs(order={"lines": lines})
    play.works("quote", {"price": 4.5}, got={"order": {"lines": lines}})
    play.ends("completed", "started, quote scheduled, quote completed, completed", {"price": 4.5})


@scene("nodes/schemas")
def it_fails_where_the_worker_tells_no_price(play):
    play.runs(order={"lines": [{"article": "nut", "count": 3}]})
    play.works("quote", {"sum": 4.5}, settled="failed")
    play.ends(
        "failed",
        "started, quote scheduled, quote failed, failed",
        code=f"schema_violation: {NO_PRICE}",
    )


@scene("nodes/start", first=True)
def it_starts_by_hand_by_message_by_signal_and_at_night(play):
    play.runs(pieces=2)
    play.works("pack", got={"pieces": 2})
    play.client.publish_message("order-placed", "o-1", {"pieces": 3}, message_id="m-1")
    play.client.publish_message("order-placed", "o-1", {"pieces": 3}, message_id="m-1")
    play.client.broadcast_signal("stocktaking")
    (ordered,) = play.started("ordered")
    (counted,) = play.started("stocktaking")
    night = berlin(play.now()).replace(hour=2, minute=0, second=0, microsecond=0)
    while night - berlin(play.now()) < timedelta(hours=1):
        night += timedelta(days=1)
    play.later(seconds=(night - berlin(play.now())).total_seconds())
    (nightly,) = play.started("nightly")
    assert ordered == split("started, ordered triggered, pack scheduled, pack completed, completed")
    for name, history in (("stocktaking", counted), ("nightly", nightly)):
        words = f"started, {name} triggered, count scheduled, count completed, completed"
        assert history == split(words)
    play.ends(
        "completed",
        "started, pack scheduled, pack completed, completed",
        {"pieces": 2, "result": None},
    )
