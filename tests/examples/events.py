"""Scenes of events: messages, signals, conditions, escalations."""

from datetime import timedelta

from schemas.ids import channel_id
from tests.examples.play import berlin, scene


@scene("nodes/boundary", first=True)
def it_stops_where_the_plant_is_shut(play):
    play.runs(machine="m-1", until=in_days(play, 900))
    play.begins("repair")
    play.client.broadcast_signal("plant-shut")
    play.ends(
        "completed",
        """
        started, repair scheduled, slow awaited, too_late awaited, called_off
        awaited, plant_shut awaited, repair cancelled, plant_shut triggered,
        completed
        """,
    )


@scene("nodes/boundary")
def it_is_called_off(play):
    play.runs(machine="m-2", until=in_days(play, 900))
    play.begins("repair")
    play.client.publish_message("called-off", "m-2")
    play.ends(
        "completed",
        """
        started, repair scheduled, slow awaited, too_late awaited, called_off
        awaited, plant_shut awaited, repair cancelled, called_off triggered,
        completed
        """,
    )


@scene("nodes/boundary")
def it_reminds_after_an_hour_and_is_done(play):
    play.runs(machine="m-3", until=in_days(play, 900))
    play.later(hours=1)
    play.works("remind")
    play.works("repair")
    play.ends(
        "completed",
        """
        started, repair scheduled, slow awaited, too_late awaited, called_off
        awaited, plant_shut awaited, slow triggered, remind scheduled, remind
        completed, repair completed, completed
        """,
    )


@scene("nodes/boundary")
def it_replaces_what_takes_too_long(play):
    play.runs(machine="m-4", until=in_days(play, 1))
    repair = play.begins("repair")
    play.later(days=1, minutes=1)
    play.works("replace")
    play.works("remind")
    play.ends(
        "completed",
        """
        started, repair scheduled, slow awaited, too_late awaited, called_off
        awaited, plant_shut awaited, slow triggered, remind scheduled, repair
        cancelled, too_late triggered, replace scheduled, replace completed, remind
        completed, completed
        """,
    )
    assert repair.context.cancelled.wait(30)


@scene("nodes/boundary")
def it_replaces_what_has_no_part(play):
    play.runs(machine="m-5", until=in_days(play, 900))
    play.fails("repair", "NoPart", "sold out")
    play.works("replace")
    play.ends(
        "completed",
        """
        started, repair scheduled, slow awaited, too_late awaited, called_off
        awaited, plant_shut awaited, repair failed, no_part triggered, replace
        scheduled, replace completed, completed
        """,
        {"why": "sold out"},
    )


@scene("nodes/boundary")
def it_fails_by_any_other_error(play):
    play.runs(machine="m-6", until=in_days(play, 900))
    play.fails("repair", "Fire")
    play.ends(
        "failed",
        """
        started, repair scheduled, slow awaited, too_late awaited, called_off
        awaited, plant_shut awaited, repair failed, other triggered, failed
        """,
        code="RepairFailed: Fire",
    )


def in_days(play, days):
    return (berlin(play.now()) + timedelta(days=days)).isoformat()


@scene("nodes/catch")
def it_asks_and_hears_and_tells(play):
    play.runs(order="o-7")
    asked = play.happens("message.published", channel_id("message", "stock-wanted", "o-7"))
    assert asked.payload == b'{"pieces":3}'
    play.client.publish_message("stock-found", "o-7", {"pieces": 5})
    told = play.happens("signal.broadcast", channel_id("signal", "stock-known"))
    assert told.payload == b'"o-7"'
    play.ends(
        "completed",
        """
        started, ask executed, answer awaited, answer triggered, tell executed,
        completed
        """,
        {"pieces": 5},
    )


@scene("nodes/event_gateway", first=True)
def it_gives_up_when_the_shop_closes(play):
    play.runs(order="e-1")
    play.sees("late awaited")
    play.client.broadcast_signal("shop-closed")
    play.ends(
        "failed",
        """
        started, paid awaited, closed awaited, late awaited, closed triggered,
        failed
        """,
        code="NotPaid: ",
    )


@scene("nodes/event_gateway")
def it_ships_what_is_paid(play):
    play.runs(order="e-2")
    play.client.publish_message("payment", "e-2", {"eur": 5})
    play.works("ship")
    play.ends(
        "completed",
        """
        started, paid awaited, closed awaited, late awaited, paid triggered, ship
        scheduled, ship completed, completed
        """,
        {"payment": {"eur": 5}},
    )


@scene("nodes/event_gateway")
def it_gives_up_after_a_day(play):
    play.runs(order="e-3")
    play.sees("late awaited")
    play.later(days=1)
    play.ends(
        "failed",
        """
        started, paid awaited, closed awaited, late awaited, late triggered, failed
        """,
        code="NotPaid: ",
    )


@scene("nodes/condition")
def it_orders_more_closes_and_opens_again(play):
    play.runs()
    play.begins("sell")
    play.client.set_variables(play.id, {"stock": 9})
    play.works("order")
    play.client.set_variables(play.id, {"stock": 0})
    play.client.set_variables(play.id, {"stock": 20})
    play.works("reopen")
    play.ends(
        "completed",
        """
        started, sell scheduled, low awaited, sold_out awaited, variables set, low
        triggered, order scheduled, order completed, variables set, sell cancelled,
        sold_out triggered, filled awaited, variables set, filled triggered, reopen
        scheduled, reopen completed, completed
        """,
        {"stock": 20, "wanted": 11},
    )


@scene("nodes/condition")
def it_sells_all(play):
    play.runs()
    play.works("sell")
    play.ends(
        "completed",
        """
        started, sell scheduled, low awaited, sold_out awaited, sell completed,
        completed
        """,
    )


@scene("nodes/escalation")
def it_tells_the_boss_and_goes_on(play):
    play.runs()
    play.works("ask", {"price": 600})
    play.works("tell")
    play.works("book")
    play.ends(
        "completed",
        """
        started, trip scope started, ask scheduled, ask completed, over escalation
        raised, costly triggered, tell scheduled, over executed, book scheduled,
        tell completed, book completed, trip executed, completed
        """,
        {"price": 600},
    )


@scene("nodes/escalation")
def it_stays_at_home(play):
    play.runs()
    play.works("ask", {"price": 0})
    play.works("stay")
    play.ends(
        "completed",
        """
        started, trip scope started, ask scheduled, ask completed, none escalation
        raised, hopeless triggered, stay scheduled, stay completed, completed
        """,
    )


@scene("nodes/escalation")
def it_books_what_is_cheap(play):
    play.runs()
    play.works("ask", {"price": 100})
    play.works("book")
    play.ends(
        "completed",
        """
        started, trip scope started, ask scheduled, ask completed, book scheduled,
        book completed, trip executed, completed
        """,
    )


@scene("nodes/event_scope", first=True)
def it_refunds_what_is_called_off(play):
    play.runs(order="s-1")
    play.begins("pack")
    play.client.broadcast_signal("stop-shipping")
    play.works("refund")
    play.ends(
        "completed",
        """
        started, parcel scope started, too_heavy awaited, pack scheduled, customer
        awaited, a_day awaited, stop awaited, pack cancelled, stop triggered,
        called_off scope started, stop executed, refund scheduled, refund completed,
        called_off executed, completed
        """,
    )


@scene("nodes/event_scope")
def it_answers_and_tells_beside_the_work(play):
    play.runs(order="s-2")
    play.client.publish_message("question", "s-2", {"text": "when?"})
    play.works("answer", got={"to": "when?"})
    play.sees("a_day awaited")
    play.later(days=1)
    play.works("tell")
    play.works("pack", {"weight": 3})
    play.works("send")
    play.ends(
        "completed",
        """
        started, parcel scope started, too_heavy awaited, pack scheduled, customer
        awaited, a_day awaited, stop awaited, customer triggered, question scope
        started, customer executed, answer scheduled, answer completed, question
        executed, a_day triggered, late scope started, a_day executed, tell
        scheduled, tell completed, late executed, pack completed, send scheduled,
        send completed, parcel executed, completed
        """,
        {"order": "s-2", "asked": 1},
    )


@scene("nodes/event_scope")
def it_splits_what_is_too_heavy(play):
    play.runs(order="s-3")
    play.works("pack", {"weight": 31})
    play.works("split")
    play.ends(
        "completed",
        """
        started, parcel scope started, too_heavy awaited, pack scheduled, customer
        awaited, a_day awaited, stop awaited, pack completed, send scheduled, send
        cancelled, too_heavy triggered, heavy scope started, too_heavy executed,
        split scheduled, split completed, heavy executed, parcel executed, completed
        """,
    )


@scene("nodes/event_scope")
def it_packs_again_what_is_broken(play):
    play.runs(order="s-4")
    play.works("pack", {"weight": 3})
    play.fails("send", "Broken", "in two")
    play.works("again", got={"why": "in two"})
    play.ends(
        "completed",
        """
        started, parcel scope started, too_heavy awaited, pack scheduled, customer
        awaited, a_day awaited, stop awaited, pack completed, send scheduled, send
        failed, broken triggered, repack scope started, broken executed, again
        scheduled, again completed, repack executed, parcel executed, completed
        """,
    )
